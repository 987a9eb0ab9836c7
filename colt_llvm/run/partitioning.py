"""Searches the partitions of a large module beside the search of the whole, on the same compiler services."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from colt_llvm.core.errors import InvalidIR, PassError
from colt_llvm.evaluate.builder import Builder
from colt_llvm.evaluate.evaluators import Pool
from colt_llvm.llvm.decision import EVERY, SWITCHES, Decision, is_decision, parse_decision
from colt_llvm.models.budget import BudgetSpent
from colt_llvm.proposal.proposer import ModelProposer
from colt_llvm.run.asking import Asking
from colt_llvm.run.setup import Setup
from colt_llvm.search.colt import ColtSearch
from colt_llvm.search.partitions import Found, Joined, Look, PartitionSearch, is_large, partitions_of, restricted
from colt_llvm.search.protocol import Outcome, Proposal, Request
from colt_llvm.search.refining import SWEEP
from colt_llvm.search.sequences import Names

if TYPE_CHECKING:
    from compiler_gym.datasets import Benchmark

logger = logging.getLogger(__name__)

#: Of the baseline's object, in one partition: a build takes half a second.
_PARTITION_BYTES = 16_000
#: Builds of each partition between two builds of the whole, so that these take at most a fifth of the time.
_BUILDS_A_ROUND = 5
#: Of the seconds that the last whole took: kept for the next one before the time is over.
_RESERVE = 1.3
_POLL_SECONDS = 0.2


class Rounds:
    """Threads that give each partition its turn, round after round: as many builds each, whoever is first."""

    def __init__(
        self, searches: Sequence[PartitionSearch], extract: Callable[[], Sequence[Benchmark]], builders: Pool[Builder]
    ) -> None:
        """extract: gives the partitions' modules, in the order of ``searches``; called once, in one of the threads."""
        self.searches = searches
        self._extract = extract
        self._builders = builders
        self._parts: Sequence[Benchmark] | None = None
        self._found: list[list[Found]] = [[search.found] for search in searches]  # after 0, 1, 2, ... rounds
        self._idle = set(range(len(searches)))  # those that have something left to try, and nobody at it
        self._busy: set[int] = set()
        self._kept = 0  # of the builders, for the whole
        self._over = False
        self._failure: Exception | None = None
        self._extracting, self._changed = threading.Lock(), threading.Condition()
        self._threads = [
            threading.Thread(target=self._work, name="partitions", daemon=True) for _ in range(builders.count)
        ]
        for thread in self._threads:
            thread.start()

    def wait(self, rounds: int, is_over: Callable[[], bool]) -> list[Found]:
        """What each partition has found after so many rounds; where that is over first, after as many as it had."""
        with self._changed:
            while not self._over and self._lacks(rounds) and not is_over():
                self._changed.wait(_POLL_SECONDS)
            if self._failure is not None:
                raise self._failure
            return [found[min(rounds, len(found) - 1)] for found in self._found]

    def ended(self, rounds: int) -> bool:
        """Whether no partition has anything left to try after so many rounds, which are over."""
        with self._changed:
            return not (self._idle or self._busy) and all(len(found) <= rounds + 1 for found in self._found)

    def _lacks(self, rounds: int) -> bool:
        return any(len(self._found[number]) <= rounds for number in self._idle | self._busy)

    def _work(self) -> None:
        try:
            with self._extracting:
                if self._parts is None:
                    self._parts = self._extracted()
            while (number := self._take()) is not None:
                left = self._turn(number, self._parts[number])
                with self._changed:
                    self._found[number].append(self.searches[number].found)
                    self._busy.discard(number)
                    self._idle |= {number} if left else set()
                    self._changed.notify_all()
        except Exception as error:
            with self._changed:
                self._failure, self._over = error, True
                self._changed.notify_all()

    def _extracted(self) -> Sequence[Benchmark]:
        try:
            return self._extract()
        except InvalidIR as error:  # the search of the whole goes on without
            logger.info("%s", error)
            with self._changed:
                self._idle.clear()
            return ()

    def _take(self) -> int | None:
        """The partition whose turn it is; None at the end."""
        with self._changed:
            while not self._over and (self._idle or self._busy) and not self._may_begin():
                self._changed.wait(_POLL_SECONDS)
            if self._over or not self._idle:
                return None
            number = min(self._idle, key=lambda number: (len(self._found[number]), number))
            self._idle.discard(number)
            self._busy.add(number)
            return number

    def _may_begin(self) -> bool:
        return bool(self._idle) and len(self._busy) + self._kept < self._builders.count

    def keep_builder(self, *, kept: bool) -> None:
        """Whether one builder is for the whole from now on. Else it would wait for its turn long."""
        with self._changed:
            self._kept = int(kept)
            self._changed.notify_all()

    def _turn(self, number: int, part: Benchmark) -> bool:
        """Whether anything is left to try."""
        search = self.searches[number]
        with self._builders.borrow() as builder:
            for _ in range(_BUILDS_A_ROUND):
                sequence = None if self._over else search.next()
                if sequence is None:
                    return False
                try:
                    built = builder.build_part(part, sequence)
                except PassError:
                    search.observe(None)
                else:
                    search.observe(Look(built.size, built.parts))
        return True

    def close(self) -> None:
        """Ends once the builds under way have ended."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()


class PartitionedProposer:
    """Answers requests for a variation of the best by what the partitions found; all others as ``proposer`` does."""

    def __init__(
        self, proposer: ModelProposer, rounds: Rounds, joined: Joined, frame: Names, seconds_left: Callable[[], float]
    ) -> None:
        """frame: what all partitions begin with. seconds_left: of the search; none where it was stopped."""
        self._proposer = proposer
        self._joined = joined
        self._rounds = rounds
        self._frame = frame
        self._seconds_left = seconds_left
        self._rounds_wanted = 0
        self._frame_reward = 0.0
        self._known: set[Names] = set()
        self._framed = False  # whether the frame was proposed
        self._began: dict[int, float] = {}  # request id -> when its build could begin
        self._whole_seconds = 0.0

    def prepare(self, request: Request) -> Callable[[], Proposal]:
        """As ``Proposer``. The first proposal is the frame, whatever is asked for; but what is known comes before."""
        self._began[request.id] = time.monotonic()
        if request.given is None and not self._framed:
            self._framed = True
            self._rounds.keep_builder(kept=True)
            return lambda: Proposal(self._frame, request.model, SWEEP)
        if request.kind != "refine" or self._rounds.ended(self._rounds_wanted):
            self._rounds.keep_builder(kept=True)
            return self._proposer.prepare(request)
        return lambda: self._put_together(request)

    def _put_together(self, request: Request) -> Proposal:
        """In another thread; one such request is under way at a time."""
        if self._is_time():
            raise BudgetSpent("seconds", "no time is left for another build of the whole")
        while True:
            self._rounds_wanted += 1
            found = self._rounds.wait(self._rounds_wanted, self._is_time)
            names, less = self._joined.put_together(found)
            if names not in self._known or self._is_time() or self._rounds.ended(self._rounds_wanted):
                break
        self._rounds.keep_builder(kept=True)
        self._known.add(names)
        size = self._proposer.refiner.surroundings.size * math.exp(-self._frame_reward)
        self._began[request.id] = time.monotonic()
        return Proposal(names, request.model, SWEEP, promised=self._frame_reward - math.log(max(0.05, 1 - less / size)))

    def _is_time(self) -> bool:
        """Whether the whole has to be built now, or never."""
        return self._seconds_left() < self._whole_seconds * _RESERVE

    def observe(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """As ``Proposer``."""
        if (began := self._began.pop(request.id, None)) is not None:
            self._whole_seconds = time.monotonic() - began
        self._rounds.keep_builder(kept=False)
        sequence = request.sequence + proposal.passes
        if sequence == self._frame:
            self._framed = True
            self._frame_reward = outcome.reward or 0.0
        self._known.add(sequence)
        self._joined.observe(sequence, outcome.parts)
        self._proposer.observe(request, proposal, outcome)

    @property
    def note(self) -> str:
        """What was done, for a person."""
        searches = self._rounds.searches
        looks, builds = sum(search.looks for search in searches), sum(search.builds for search in searches)
        return f"{looks:,} looks at single functions, in {builds:,} builds of {len(searches)} partitions of the program"

    def close(self) -> None:
        """Ends once the builds under way have ended."""
        self._rounds.close()


def _frame_of(known_good: Sequence[Names]) -> Names:
    """Of the sequences to begin with, the longest that only decides about all functions, by no switch of a process.

    A frame with a switch that breaks the program would spoil all that is found: one such was tried (decisions/0034).
    """
    found = [names for names in known_good if all(map(is_decision, names))]
    found = [names for names in found if all(_is_for_all(parse_decision(name)) for name in names)]
    return max(found, key=len, default=())


def _is_for_all(decision: Decision) -> bool:
    return decision.function == EVERY and decision.kind not in SWITCHES


def start_partitions(
    setup: Setup, asking: Asking, builders: Pool[Builder], seconds_left: Callable[[], float]
) -> PartitionedProposer | None:
    """Where the module is large, and the search varies what is best; else None. To be closed."""
    proposer, task = asking.proposer, setup.task
    if not isinstance(proposer, ModelProposer) or not isinstance(asking.search, ColtSearch) or setup.workers:
        return None
    if not asking.search.options.refine_share or not is_large(task.surroundings):
        return None
    around = proposer.refiner.surroundings
    groups = partitions_of(around, _PARTITION_BYTES)
    unordered, frame = frozenset(task.edits), _frame_of(task.known_good)
    known = {name for names in asking.search.begins_with for name in names}
    searches = [PartitionSearch(restricted(around, group), unordered, frame, known) for group in groups]
    rounds = Rounds(searches, lambda: setup.builders.first.extract(setup.target, groups), builders)
    return PartitionedProposer(proposer, rounds, Joined(around, unordered, groups, frame), frame, seconds_left)
