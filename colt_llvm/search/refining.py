"""Refinement (ours): a whole sequence made from the best ones of the tree, beside growing one step by step.

What was found in different branches of the tree never meets there, for a node holds its own path alone. So a share of
the requests (``ColtOptions.refine_share``) is answered at the root, by no model: two good sequences in one, or
one with an action less, more, elsewhere, or with another parameter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from random import Random

from colt_llvm.search.protocol import Outcome, Proposal, Request
from colt_llvm.search.randomness import derived
from colt_llvm.search.sequences import ActionSet, Names

#: How refined proposals are signed. No model may have this name.
REFINEMENT = "refinement"
_GOOD = 24  # sequences that are kept to be made use of
_BEST_FIRST = 0.6  # how often the best of them is the one that is varied
_MOST_DRAWS = 30  # until a variation is new
_LONGEST = 40


class Refiner:
    """Deterministic from the seed, the request's id and the trials observed so far."""

    def __init__(self, actions: ActionSet, seed: int, moves: Mapping[str, float] | None = None) -> None:
        self._actions = actions
        self._seed = seed
        self._edits = frozenset(actions.edits)
        self._good: dict[str | None, tuple[float, Names, str]] = {}  # by key: reward, sequence, who goes on
        self._known = {actions.meaning(())}
        self._gains: dict[str, float] = {}  # action -> sum of what proposals with it gained, where they did
        self._rewards: dict[Names, float] = {(): 0.0}
        self._forms: defaultdict[str, list[str]] = defaultdict(list)  # all forms of one pass or edit
        for name in actions.names:
            self._forms[_stem(name)].append(name)
        self._moves = moves or {"merge": 0.4, "drop": 0.2, "vary": 0.2, "insert": 0.2}

    def observe(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Take in a trial, in the order of telling."""
        sequence = request.sequence + proposal.passes
        self._known.add(self._actions.meaning(sequence))
        if outcome.reward is None:
            return
        self._rewards.setdefault(sequence, outcome.reward)
        gain = outcome.reward - self._rewards.get(request.sequence, 0.0)
        if gain > 0 and request.kind != "refine":
            for name in dict.fromkeys(proposal.passes):
                self._gains[name] = self._gains.get(name, 0.0) + gain / len(proposal.passes)
        if outcome.reward > 0 and outcome.key not in self._good:
            self._good[outcome.key] = outcome.reward, sequence, proposal.next_model
            if len(self._good) > _GOOD:
                del self._good[min(self._good, key=lambda key: self._good[key][0])]

    def propose(self, request: Request) -> Proposal:
        """The whole sequence, for a request of kind "refine"; one is handed out only after a gain."""
        random = derived(self._seed, REFINEMENT, request.id)
        good = sorted(self._good.values(), key=lambda item: (-item[0], len(item[1]), item[1]))
        for _ in range(_MOST_DRAWS):
            _, base, goes_on = good[0] if random.random() < _BEST_FIRST else random.choice(good)
            names = self._varied(base, [sequence for _, sequence, _ in good], random)
            if names and len(names) <= _LONGEST and self._actions.meaning(names) not in self._known:
                break
        return Proposal(names or base, goes_on, REFINEMENT)

    def prepare(self, request: Request) -> Callable[[], Proposal]:
        """The answer, drawn at once."""
        proposal = self.propose(request)
        return lambda: proposal

    def _varied(self, base: Names, good: list[Names], random: Random) -> Names:
        (move,) = random.choices(list(self._moves), list(self._moves.values()))
        names = list(base)
        place = random.randrange(len(names)) if names else 0
        if move == "merge":
            other = random.choice(good)
            names += [name for name in other if name not in names]
        elif move == "drop":
            del names[place]
        elif move == "vary":
            old = names.pop(place)
            forms = [form for form in self._forms[_stem(old)] if form != old]
            if forms and (old in self._edits or random.random() < 0.5):
                names.insert(place, random.choice(forms))
            else:
                names.insert(random.randint(0, len(names)), old)
        else:
            names.insert(random.randint(0, len(names)), self._drawn(random))
        return self._actions.tidy(names)

    def _drawn(self, random: Random) -> str:
        if self._gains and random.random() < 0.7:
            return random.choices(list(self._gains), list(self._gains.values()))[0]
        return self._actions.draw(random)


def _stem(name: str) -> str:
    """What forms of one action have in common: ``loop-unroll<O3>`` and ``without<loop-unroll#2>`` are of two."""
    if name.startswith("without<"):
        return name.rstrip(">").partition("#")[0]
    return name.partition("<")[0]
