"""Strategies that choose whole sequences: what COLT's tree is compared with.

Every request is at the root, and what is proposed is the whole sequence. One object is strategy and proposer at once:
the sequence is chosen when the request is handed out, so that it depends on nothing but the seed and what was told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from colt_llvm.core.errors import UsageError
from colt_llvm.search.protocol import InFlight, Outcome, Proposal, Request, Trial, better_trial, derived
from colt_llvm.search.tree import ROOT

#: How often a sequence that was proposed before is drawn again: by the strategy, then anywhere. Then it is let pass.
MOST_REDRAWS = 50
#: Actions in a sequence that no strategy has worked on yet, at most.
FIRST_LONGEST = 8

Names = tuple[str, ...]


@dataclass(frozen=True)
class ActionSet:
    """What sequences are made of: passes in an order, and in none, edits: of the pipeline that completes them, and
    decisions about functions, calls and loops. Of the latter there are many more, so each sort is drawn as often.

    edit_share: how many of the draws are edits, from 0 to 1, where there are both. Raises UsageError for no action.
    """

    passes: Names
    edits: Names = ()
    edit_share: float = 0.7

    def __post_init__(self) -> None:
        if not self.passes and not self.edits:
            raise UsageError("no actions to draw from: give at least one pass")
        if not 0 <= self.edit_share <= 1:
            raise UsageError(f"edit_share is {self.edit_share}: give a number from 0 to 1")

    @property
    def names(self) -> Names:
        """Passes, then edits."""
        return self.passes + self.edits

    @property
    def weights(self) -> list[float]:
        """How often ``draw`` gives each of ``names``, as shares of 1."""
        share = 0.0 if not self.edits else self.edit_share if self.passes else 1.0
        sorts = self._sorts
        of_edit = {name: share / len(sorts) / len(sort) for sort in sorts for name in sort}
        return [(1 - share) / max(1, len(self.passes))] * len(self.passes) + [of_edit[name] for name in self.edits]

    @cached_property
    def _sorts(self) -> list[Names]:
        """Edits of the pipeline, decisions, and passes for one function; those of which there are any."""
        steps = frozenset(self.steps)
        of_pipeline = tuple(name for name in self.edits if name.startswith("without<"))
        decisions = tuple(name for name in self.edits if not name.startswith("without<") and name not in steps)
        return [sort for sort in (of_pipeline, decisions, self.steps) if sort]

    @cached_property
    def steps(self) -> Names:
        """Of the edits, passes that are left out for one function or run over it alone."""
        return tuple(name for name in self.edits if name.startswith(("skip<", "before<", "after<")))

    def draw(self, random: Random) -> str:
        """One action."""
        by_edit = self.edits and (not self.passes or random.random() < self.edit_share)
        if not by_edit:
            return random.choice(self.passes)
        sorts = self._sorts
        return random.choice(sorts[0] if len(sorts) == 1 else random.choice(sorts))

    def draw_sequence(self, random: Random, longest: int) -> Names:
        """From 1 to ``longest`` actions."""
        return self.tidy([self.draw(random) for _ in range(random.randint(1, longest))])

    def tidy(self, names: Sequence[str]) -> Names:
        """Without what says nothing new: an edit that is there already."""
        edits = set(self.edits)
        return tuple(name for index, name in enumerate(names) if name not in edits or name not in names[:index])

    def meaning(self, names: Sequence[str]) -> tuple[Names, frozenset[str]]:
        """Equal for sequences that can only give the same: passes in their order, edits in any."""
        edits = set(self.edits)
        return tuple(name for name in names if name not in edits), frozenset(edits.intersection(names))


class SequenceSearch:
    """A :class:`colt_llvm.search.protocol.Strategy` that is its own proposer. Subclasses say how they choose and learn.

    Any number may be in flight; never exhausted. A sequence proposed before is drawn again, so that no trial is
    spent on it, but not for ever (``MOST_REDRAWS``).
    """

    def __init__(self, name: str, actions: ActionSet, seed: int) -> None:
        """name: how its requests and proposals are signed."""
        self.name = name
        self.actions = actions
        self.seed = seed
        self.root_key: str | None = None
        self._best: Trial | None = None
        self._in_flight = InFlight()
        self._chosen: dict[int, Names] = {}  # by request id, while in flight
        self._proposed = Counter([actions.meaning(())])

    # What a subclass is.

    def _choose(self, request_id: int, random: Random) -> Names:
        """A sequence to try. May be called several times for one request, when what it gives is known already."""
        raise NotImplementedError

    def _choose_elsewhere(self, request_id: int, random: Random) -> Names:
        """The same, where ``_choose`` has given nothing new so many times: any sequence."""
        return self.actions.draw_sequence(random, FIRST_LONGEST)

    def _learn(self, request_id: int, sequence: Names, outcome: Outcome) -> None:
        """Take in a trial, in the order of telling."""

    # Strategy.

    def set_root_key(self, key: str) -> None:
        """The object code of the empty sequence."""
        self.root_key = key

    def ask(self) -> Request:
        """The empty sequence, to be followed by the one that was chosen."""
        request = Request(self._in_flight.next_id, ROOT, (), self.name, "expand")
        self._hand_out(request, self._choose_new(request.id))
        return request

    def _choose_new(self, request_id: int) -> Names:
        random = derived(self.seed, self.name, request_id)
        for choose in (self._choose, self._choose_elsewhere):
            for _ in range(MOST_REDRAWS):
                sequence = choose(request_id, random)
                if not self.is_known(sequence):
                    return sequence
        return sequence

    def is_known(self, sequence: Sequence[str]) -> bool:
        """Whether a sequence that means the same was proposed before, and not taken back."""
        return self._proposed[self.actions.meaning(sequence)] > 0

    def _hand_out(self, request: Request, sequence: Names) -> None:
        self._in_flight.add(request)
        self._chosen[request.id] = sequence
        self._proposed[self.actions.meaning(sequence)] += 1

    def tell(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Settle a pending request. Raises UsageError for one that was never handed out."""
        pending = self._in_flight.settle(request)
        if pending is None:
            return
        del self._chosen[pending.id]
        self._learn(pending.id, proposal.passes, outcome)
        if outcome.reward is not None:
            self._best = better_trial(self._best, Trial(pending, proposal, outcome, outcome.reward))

    def abandon(self, request: Request) -> None:
        """The sequence may be proposed again; the request's id is used up."""
        pending = self._in_flight.remove(request)
        if pending is not None:
            self._proposed[self.actions.meaning(self._chosen.pop(pending.id))] -= 1

    def restore(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Ask and tell in one, for a journal's entries in the order in which they were told.

        Raises UsageError for an entry of another strategy.
        """
        if self._in_flight.settled(request):
            return
        if request.model != self.name or request.sequence:
            raise UsageError(f"request {request.id} is not of {self.name} search: resume with the strategy of the run")
        if request.id not in self._in_flight.pending:
            self._hand_out(request, proposal.passes)
        self.tell(request, proposal, outcome)

    def best(self) -> Trial | None:
        """The trial with the greatest reward, that of the shorter sequence among equals; None before any."""
        return self._best

    @property
    def under_way(self) -> int:
        """Requests in flight."""
        return len(self._in_flight.pending)

    # Proposer.

    def propose(self, request: Request) -> Proposal:
        """What was chosen for a request in flight."""
        return Proposal(self._chosen[request.id], self.name, self.name)

    def prepare(self, request: Request) -> Callable[[], Proposal]:
        """The answer, which is there already."""
        proposal = self.propose(request)
        return lambda: proposal

    def observe(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Nothing more: ``tell`` has taken it in."""


INSERT, REMOVE, REPLACE, SWAP = "insert", "remove", "replace", "swap"


def changed(sequence: Names, kinds: tuple[str, ...], actions: ActionSet, random: Random, longest: int) -> Names:
    """One change of a kind that is possible here, drawn among ``kinds``: one action more, less or another; two swapped.

    An insertion at the end appends. The result may be empty, and never has more than ``longest`` actions.
    """
    kind = random.choice([kind for kind in kinds if _possible(kind, len(sequence), longest)] or [REPLACE])
    names = list(sequence)
    if kind == INSERT or not names:
        names.insert(random.randint(0, len(names)), actions.draw(random))
    elif kind == REMOVE:
        del names[random.randrange(len(names))]
    elif kind == REPLACE:
        names[random.randrange(len(names))] = actions.draw(random)
    else:
        first, second = random.sample(range(len(names)), 2)
        names[first], names[second] = names[second], names[first]
    return actions.tidy(names)


def _possible(kind: str, length: int, longest: int) -> bool:
    return {INSERT: length < longest, REMOVE: length > 0, REPLACE: length > 0, SWAP: length > 1}[kind]
