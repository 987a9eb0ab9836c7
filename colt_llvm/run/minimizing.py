"""What does not pay is left out of a sequence: decisions, passes and edits without which the figure is no worse.

For figures without noise, so one build decides. Where the size of each function is known, one build leaves out a
decision of every part of the program at once; what could go by these sizes goes if the whole is no larger either. The
rest goes by delta debugging. Nothing is kept between calls: a run that was killed starts it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from colt_llvm.core.errors import PassError
from colt_llvm.evaluate.evaluators import SequenceBuilder
from colt_llvm.evaluate.target import Built
from colt_llvm.llvm.decision import EVERY, Decision, is_decision, joined, parse_decision, single
from colt_llvm.run.trials import TrialRecord
from colt_llvm.search.plans import CallGraph

Names = tuple[str, ...]
#: The sequence of a trial, without what it does not need.
Shorten = Callable[[TrialRecord], Names]

_INLINING = ("alwaysinline", "noinline")


@dataclass(frozen=True)
class Effort:
    """How much may be spent on one sequence; whichever comes first."""

    seconds: float | None = None  #: of wall clock; None: no limit
    builds: int | None = None  #: None: no limit


@dataclass
class Minimizer:
    """Leaves out what an exact objective does not need. Called with a trial; the result is not checked yet."""

    builder: SequenceBuilder
    reward: Callable[[Built], float]  # ln(baseline / candidate), exact
    callers: Mapping[str, Names]  # function -> who calls it; empty where functions have no sizes
    effort: Effort
    refused: Collection[str] = ()  # keys of object code that the search found to be wrong
    clock: Callable[[], float] = time.monotonic
    tried: int = field(default=0, init=False)  # builds, of all trials

    def __call__(self, trial: TrialRecord) -> Names:
        """The shortest found that is no worse; the trial's own sequence where it cannot be built again."""
        began, before = self.clock(), self.tried

        def over() -> bool:
            seconds, builds = self.effort.seconds, self.effort.builds
            late = seconds is not None and self.clock() - began >= seconds
            return late or (builds is not None and self.tried - before >= builds)

        start = self.built(trial.sequence)
        if start is None:
            return trial.sequence
        items = single(trial.sequence)
        left = _Dropping(self, over, items, self.reward(start), start.parts).run()
        return joined(left) if left != items else trial.sequence

    def built(self, sequence: Names) -> Built | None:
        """None where it fails, or is known to be wrong."""
        self.tried += 1
        try:
            built = self.builder.build(sequence)
        except PassError:
            return None
        return None if built.key in self.refused else built


@dataclass
class _Dropping:
    """One sequence, item by item; those that are left stand in ``items``."""

    minimizer: Minimizer
    over: Callable[[], bool]
    items: Names
    floor: float  # the reward that is not given up
    parts: Mapping[str, int]  # bytes of each function, as far as single builds tell

    def run(self) -> Names:
        if self.minimizer.callers and self.parts:
            self._go_together(self._free_by_parts())
        self.items, _ = reduce_sequence(self.items, self._accepts, self.over)
        return self.items

    def _accepts(self, items: Names) -> bool:
        built = self.minimizer.built(joined(items))
        if built is None or (reward := self.minimizer.reward(built)) < self.floor:
            return False
        self.floor = reward  # a better figure found on the way is not given back
        return True

    def _free_by_parts(self) -> tuple[int, ...]:
        """What can go by the sizes of the functions around it: one build tries one item of each part of the program.

        Items by their place.
        """
        graph = CallGraph(self.minimizer.callers)
        waiting = [place for place, item in enumerate(self.items) if _scoped(item)]
        free: list[int] = []
        while waiting and not self.over():
            tests: dict[int, frozenset[str]] = {}
            for place in waiting:
                region = _region(graph, parse_decision(self.items[place]), self.parts)
                if not any(region & other for other in tests.values()):
                    tests[place] = region
            waiting = [place for place in waiting if place not in tests]
            built = self.minimizer.built(joined(_without(self.items, {*free, *tests})))
            if built is None:
                continue
            for place, region in tests.items():
                if _bytes(built.parts, region) <= _bytes(self.parts, region):
                    free.append(place)
                    self.parts = {
                        **{name: size for name, size in self.parts.items() if name not in region},
                        **{name: size for name, size in built.parts.items() if name in region},
                    }
        return tuple(free)

    def _go_together(self, free: tuple[int, ...]) -> None:
        """Leave all of them out if the whole is no worse, else those halves of them with which it is not."""
        items = self.items
        gone: set[int] = set()
        groups = [free] if free else []
        while groups and not self.over():
            group = groups.pop(0)
            if self._accepts(_without(items, gone | {*group})):
                gone |= {*group}
                self.items = _without(items, gone)
            elif len(group) > 1:
                middle = len(group) // 2
                groups += [group[:middle], group[middle:]]


def _without(items: Names, places: Collection[int]) -> Names:
    return tuple(item for place, item in enumerate(items) if place not in places)


def _scoped(item: str) -> bool:
    """Whether it is about one function or call, so that it shows in the sizes of few functions."""
    if not is_decision(item):
        return False
    decision = parse_decision(item)
    return decision.function != EVERY


def _region(graph: CallGraph, decision: Decision, parts: Mapping[str, int]) -> frozenset[str]:
    """The functions in whose sizes it can show."""

    def is_gone(function: str) -> bool:
        return function not in parts

    if decision.kind not in _INLINING and decision.function in parts:
        return frozenset((decision.function,))
    start = {decision.function, decision.callee} - {""}
    return graph.region(start, decision.function, is_gone) | start


def _bytes(parts: Mapping[str, int], region: frozenset[str]) -> int:
    return sum(parts.get(name, 0) for name in region)


def dropped(full: Sequence[str], kept: Sequence[str]) -> Names:
    """What of one sequence is not in another that was made from it, item by item."""
    rest = list(single(kept))
    gone = []
    for item in single(full):
        if item in rest:
            rest.remove(item)
        else:
            gone.append(item)
    return tuple(gone)


@dataclass
class SameCode:
    """Leaves out every pass without which the object code is the same, the last first. For figures that have noise."""

    builder: SequenceBuilder
    seconds: float  # for all sequences together
    clock: Callable[[], float] = time.monotonic

    def __call__(self, trial: TrialRecord) -> Names:
        sequence, began = trial.sequence, self.clock()
        for index in reversed(range(len(sequence))):
            shorter = sequence[:index] + sequence[index + 1 :]
            if self.clock() - began > self.seconds:
                break
            try:
                if self.builder.build(shorter).key == str(trial.outcome.key):
                    sequence = shorter
            except PassError:
                continue  # what follows needs it
        self.seconds -= self.clock() - began
        return sequence


#: Whether the sequence, with something left out, is still good enough. Sequences that were accepted become the current
#: one, so a figure that is to fall may be compared with the last accepted one.
Accepts = Callable[[tuple[str, ...]], bool]


def reduce_sequence(
    sequence: Sequence[str], accepts: Accepts, over: Callable[[], bool] = lambda: False
) -> tuple[tuple[str, ...], bool]:
    """Delta debugging, larger chunks first: the shortest found, and whether no single action can be left out of it.

    After Zeller and Hildebrandt 2002, "Simplifying and Isolating Failure-Inducing Input", without its second half
    (trying chunks alone): a recipe seldom works by a small part of it.
    over: asked before each try; once true, the search ends. No sequence is tried twice.
    """
    current = tuple(sequence)
    refused: set[tuple[str, ...]] = set()
    size = max(len(current) // 2, 1)
    while current:
        shorter = None
        for candidate in _without_chunks(current, size):
            if candidate in refused:
                continue
            if over():
                return current, False
            if accepts(candidate):
                shorter = candidate
                break
            refused.add(candidate)
        if shorter is not None:
            current = shorter
            size = min(size, max(len(current) // 2, 1))
        elif size == 1:
            return current, True
        else:
            size //= 2
    return current, True


def _without_chunks(sequence: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    """From the end: later actions oftener find their work done already."""
    for end in range(len(sequence), 0, -size):
        yield sequence[: max(end - size, 0)] + sequence[end:]
