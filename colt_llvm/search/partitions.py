"""A large module searched in partitions: groups of functions that are optimised and compiled by themselves (ours).

A build of the whole costs as much as builds of all partitions, and tells as much. But each partition is a small
program: what was seen in its last build decides about its next one, and partitions are built side by side. What was
found in each is then put together, and the whole is built: only what that gives counts.
Why so: docs/decisions/0033.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from colt_llvm.search.plans import AFTER, BEFORE, CODEGEN, LEVELS, SKIP, Assignment, Plans, Surroundings
from colt_llvm.search.sequences import Names
from colt_llvm.search.sweeping import Sweeper

#: Bytes of all functions from which on a module is searched so: a build of it takes seconds.
_LARGE = 64_000
#: A function with so few callers stays with them: it may go into them, or be inlined by decision.
_FEW_CALLERS = 4


def is_large(surroundings: Surroundings) -> bool:
    """Whether the whole is too much to be built for each thing that is tried."""
    return bool(surroundings.steps) and sum(surroundings.parts.values()) >= _LARGE


def partitions_of(surroundings: Surroundings, most_bytes: int) -> list[Names]:
    """Groups of functions, the largest first; every function is in one of them, in the order of the module.

    most_bytes: of a group in the baseline's object, where what belongs together has no more.

    A function stays with its callers where these are few; one that the baseline inlined into its only one, in any case.
    """
    callers, parts = surroundings.callers, surroundings.parts
    place = {function: number for number, function in enumerate(callers)}
    home = {function: function for function in callers}  # the representative of its cluster
    clusters = {function: [function] for function in callers}
    sizes = {function: parts.get(function, 0) for function in callers}
    for function in sorted(callers, key=lambda name: (name in parts, len(callers[name]), place[name])):
        for caller in callers[function] if len(callers[function]) <= _FEW_CALLERS else ():
            one, other = home[caller], home[function]
            inlined = function not in parts and len(callers[function]) == 1
            if one != other and (inlined or sizes[one] + sizes[other] <= most_bytes):
                for name in clusters[other]:
                    home[name] = one
                clusters[one] += clusters.pop(other)
                sizes[one] += sizes.pop(other)
    groups: list[list[str]] = []
    rooms: list[int] = []
    for name in sorted(clusters, key=lambda name: (-sizes[name], place[name])):
        number = next((number for number, room in enumerate(rooms) if sizes[name] <= room), len(groups))
        if number == len(groups):
            groups.append([])
            rooms.append(most_bytes)
        groups[number] += clusters[name]
        rooms[number] -= sizes[name]
    return [tuple(sorted(group, key=place.__getitem__)) for group in groups]


def restricted(surroundings: Surroundings, functions: Collection[str]) -> Surroundings:
    """To one partition. Decisions about inlining that show outside of it too are left out."""
    own = set(functions)
    callers = surroundings.callers
    slots = {
        name: slot
        for name, slot in surroundings.slots.items()
        if slot.function in own and (slot.callee in own if slot.callee else own.issuperset(callers[slot.function]))
    }
    return replace(
        surroundings,
        slots=slots,
        callers={name: tuple(filter(own.__contains__, callers[name])) for name in callers if name in own},
        parts={name: size for name, size in surroundings.parts.items() if name in own},
    )


@dataclass(frozen=True)
class Look:
    """What a build of one partition gave."""

    size: int  #: bytes
    parts: Mapping[str, int]  #: bytes of each function


#: Of a partition: the best so far, and how many bytes less than the frame alone it takes.
Found = tuple[Assignment | None, int]


class PartitionSearch:
    """One partition's search by sweeps. Deterministic: ``next``, build, ``observe``, in turn."""

    def __init__(
        self, surroundings: Surroundings, unordered: Collection[str], frame: Names, known: Collection[str] = ()
    ) -> None:
        """surroundings: ``restricted`` ones. frame: what all partitions begin with.

        known: decisions that did good to functions of the program before; those of this partition come next.
        """
        self._surroundings = surroundings
        self._unordered = unordered
        self._plans = Plans(surroundings, unordered)
        self._sweeper: Sweeper | None = None  # once the frame was built
        scoped = sorted(name for name in known if _is_in(name, surroundings))
        self._begin_with = (*frame, *scoped) if scoped else ()  # until it was tried
        self._known = {frame}
        self._asked: tuple[Names, float | None] = frame, None
        self._first = self._best = frame, Look(0, {})
        self._given_up = False
        self.builds = 0
        self.looks = 0  #: so many functions were seen under a plan or a decision that was new for them

    def next(self) -> Names | None:
        """The sequence to build; None where nothing is left to try."""
        if self._given_up:
            return None
        if self._sweeper is not None and self._begin_with:
            self._asked, self._begin_with = (self._begin_with, None), ()
            self._known.add(self._asked[0])
        elif self._sweeper is not None:
            sequence, best = self._best
            reward = math.log(self._first[1].size / best.size)
            found = self._sweeper.propose(self.builds, sequence, best.parts, reward, self._known.__contains__)
            if found is None:
                return None
            self._asked = found
            self._known.add(found[0])
        return self._asked[0]

    def observe(self, look: Look | None) -> None:
        """Of the sequence that ``next`` gave; None where it failed."""
        sequence, promised = self._asked
        if look is not None:  # functions that came along are counted where they belong
            own = {name: size for name, size in look.parts.items() if name in self._surroundings.callers}
            look = Look(look.size - sum(look.parts.values()) + sum(own.values()), own)
        if self._sweeper is None:
            if look is None or not look.size:
                self._given_up = True
                return
            self._sweeper = Sweeper(replace(self._surroundings, parts={}, size=look.size), self._unordered, ahead=True)
            self._first = self._best = sequence, look
        elif promised is None:
            self.looks += self._changes(sequence, {} if look is None else look.parts)
        self._sweeper.observe(
            self.builds, sequence, None if look is None else look.parts, swept=True, together=promised is not None
        )
        self.builds += 1
        if look is not None and look.size < self._best[1].size:
            self._best = sequence, look

    @property
    def found(self) -> Found:
        """How it stands."""
        sequence, look = self._best
        return self._plans.take_apart(sequence), self._first[1].size - look.size

    def _changes(self, sequence: Names, parts: Mapping[str, int]) -> int:
        """Plans of functions that are there, and decisions, that are others than in the best."""
        one, other = self._plans.take_apart(self._best[0]), self._plans.take_apart(sequence)
        if one is None or other is None:
            return 0
        plans = sum(one.plans[name] != other.plans[name] for name in parts)
        return plans + len(one.inlining.items() ^ other.inlining.items())


def _is_in(name: str, around: Surroundings) -> bool:
    """Whether a decision is about a function of a partition, and can be taken there."""
    kind, _, rest = name.partition("<")
    if any(name in slot.values for slot in around.slots.values()):
        return True
    function = rest.partition(">")[0].partition(";")[0]
    return function in around.callers and kind in (*LEVELS, *CODEGEN, SKIP, BEFORE, AFTER)


class Joined:
    """Puts together what was found in partitions, and goes by what the whole gave. Deterministic."""

    def __init__(
        self, surroundings: Surroundings, unordered: Collection[str], groups: Sequence[Names], frame: Names
    ) -> None:
        """frame: what all partitions begin with."""
        self._frame = frame
        self._plans = Plans(surroundings, unordered)
        self._groups = groups
        self._used: dict[Names, Sequence[Found]] = {
            frame: [(None, 0)] * len(groups)
        }  # sequence -> what it has of each partition
        self._held: list[tuple[float, Found]] = [(math.inf, (None, 0))] * len(groups)  # the best in a whole: bytes
        self._refuted: list[list[Assignment | None]] = [[] for _ in groups]

    def put_together(self, found: Sequence[Found]) -> tuple[Names, int]:
        """The whole's sequence, and how many bytes less than with the frame alone it promises.

        found: of each partition, its best and what that promises. What did not keep its promise is not used again.
        """
        at = self._plans.take_apart(self._frame)
        assert at is not None  # a frame is a few decisions about all functions
        plans, inlining, promised = dict(at.plans), dict(at.inlining), 0
        used = [self._held[number][1] if one[0] in self._refuted[number] else one for number, one in enumerate(found)]
        for group, (chosen, less) in zip(self._groups, used, strict=True):
            if chosen is not None:
                plans |= {name: chosen.plans[name] for name in group}
                inlining |= chosen.inlining
                promised += less
        names = self._plans.put_together(replace(at, plans=plans, inlining=inlining))
        self._used[names] = used
        return names, promised

    def observe(self, sequence: Names, parts: Mapping[str, int]) -> None:
        """parts: bytes of each function that the whole gave; nothing where it failed."""
        used = self._used.pop(sequence, ())
        new = [number for number, one in enumerate(used) if one[0] != self._held[number][1][0]]
        if not parts:  # half of what may have broken it, so that it is found out
            for number in new[::2]:
                self._refuted[number].append(used[number][0])
            return
        for number, one in enumerate(used):
            size = sum(parts.get(name, 0) for name in self._groups[number])
            if size < self._held[number][0]:
                self._held[number] = size, one
            elif number in new:
                self._refuted[number].append(one[0])
