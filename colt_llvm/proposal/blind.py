"""Proposals without a model: draws at random, and leans towards what has paid in this run (ours).

It looks at no code. First it tries single actions in turn, those that paid most often on the train programs first.
From then on it draws one to three actions, half of the time by their credit: what proposals that held them gained
over the state they were made in. Everything follows from the seed, the request's id and the trials told so far, so a
run that was resumed from its journal goes on as if it had not been interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from colt_llvm.core.errors import UsageError
from colt_llvm.llvm.pipeline import is_edit
from colt_llvm.search import ActionSet, Outcome, Proposal, Refiner, Request
from colt_llvm.search.protocol import derived

#: Whole-pass edits that shrank the most train programs at -Oz when left out alone, best first. At -O3 the list is
#: only an order of trying.
FIRST_EDITS = tuple(
    f"without<{name}>"
    for name in (
        "indvars", "instcombine", "licm", "function-attrs", "simplifycfg", "gvn", "tailcallelim", "reassociate",
        "jump-threading", "slp-vectorizer", "correlated-propagation", "loop-rotate", "early-cse", "sccp", "ipsccp",
        "memcpyopt", "instsimplify", "inferattrs", "sroa", "globalopt", "loop-unroll", "loop-vectorize", "inline",
        "vector-combine", "speculative-execution", "loop-idiom",
    )
)  # fmt: skip

_LENGTHS = (1, 1, 2, 2, 3)  # how many actions a proposal has, drawn from these
_BY_CREDIT = 0.5
_BY_EDIT = 0.7  # of what is not drawn by credit: edits, then passes


class BlindProposer:
    """passes, edits: the names to draw from; either may be empty, not both. model: how its proposals are signed."""

    def __init__(self, passes: Sequence[str], edits: Sequence[str], seed: int, model: str = "blind") -> None:
        if not passes and not edits:
            raise UsageError("no actions to draw from: give at least one pass")
        self._passes, self._edits = tuple(passes), tuple(edits)
        self._seed = seed
        self._model = model
        known = set(edits)
        self.first = tuple(edit for edit in FIRST_EDITS if edit in known)
        self._rewards: dict[tuple[str, ...], float] = {(): 0.0}
        self._credit: dict[str, float] = {}
        self._refiner = Refiner(ActionSet(self._passes, self._edits), seed)

    def prepare(self, request: Request) -> Callable[[], Proposal]:
        """The answer, not drawn yet."""
        if request.kind == "refine":
            return self._refiner.prepare(request)
        if (given := request.given) is not None:
            return lambda: given
        return lambda: self.propose(request)

    def propose(self, request: Request) -> Proposal:
        """Single actions first, for as many requests as there are in ``first``; then draws."""
        if request.kind == "seed" and request.id < len(self.first):
            return Proposal((self.first[request.id],), request.model, self._model)
        random = derived(self._seed, "blind", request.id)
        held = set(filter(is_edit, request.sequence))
        names: list[str] = []
        # A copy, for trials are told in another thread while this one draws.
        credit = {name: value for name, value in self._credit.copy().items() if name not in held}
        credited, weights = list(credit), list(credit.values())
        for _ in range(random.choice(_LENGTHS)):
            if credited and random.random() < _BY_CREDIT:
                names.append(random.choices(credited, weights)[0])
            elif self._edits and (not self._passes or random.random() < _BY_EDIT):
                names.append(random.choice(self._edits))
            else:
                names.append(random.choice(self._passes))
        # An edit that is there already changes nothing.
        chosen = [name for index, name in enumerate(names) if not is_edit(name) or name not in {*held, *names[:index]}]
        return Proposal(tuple(chosen or names), request.model, self._model)

    def observe(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Take in a trial, in the order in which the strategy is told."""
        self._refiner.observe(request, proposal, outcome)
        if outcome.reward is None or request.kind == "refine":
            return
        sequence = request.sequence + proposal.passes
        self._rewards.setdefault(sequence, outcome.reward)
        gain = outcome.reward - self._rewards.get(request.sequence, 0.0)
        if gain > 0:
            for name in _distinct(proposal.passes):
                self._credit[name] = self._credit.get(name, 0.0) + gain / len(proposal.passes)


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
