"""Many decisions tried at once: one for each part of the program that has nothing to do with the others (ours).

The size of a module is the sum of its functions', and a decision about one function shows in few of them. So one
build tries something on every function, or a decision about inlining in every part of the call graph, and the size of
each function says what it brought there. What was seen to pay is then put together and the whole is built: what counts
is what that gives; what does not add up (constants shared, functions merged) shows there.

What is known are facts: in this frame, with this plan and these decisions about inlining around it, a function has
this size. Every trial brings some for each function, whoever proposed it. Where the whole gave something else than was
promised, the facts are renewed by that very trial, and the next proposal goes by the new ones.
Why so: docs/decisions/0006.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from colt_llvm.search.plans import (
    Assignment,
    CallGraph,
    Plan,
    Plans,
    Slot,
    Step,
    Surroundings,
    less_one,
    one_more,
)
from colt_llvm.search.sequences import Names

#: Of the size of the whole: what has to be promised before it is built; else after so many sweeps.
_WORTH_A_BUILD = 0.002
_SWEEPS_BETWEEN = 3
#: How often a step is tried on all functions in one frame.
_ROUNDS = 3
#: What was expected of a step counts as much as so many builds with it.
_PRIOR = 2.0
#: Until it is clear in which functions the decisions of a sequence show.
_MOST_LOOKS = 4

Frame = tuple[Names, frozenset[str]]
#: A function's plan, and the decisions about inlining that show in it.
Local = tuple[Plan, frozenset[str]]
Parts = Mapping[str, int]
#: Which functions that it calls are not there as such -> its size.
Sizes = dict[frozenset[str], int]


@dataclass(frozen=True, order=True)
class _Test:
    """expected: bytes more; what was never seen comes first."""

    expected: int
    slot: str
    value: str
    region: frozenset[str] = field(compare=False)


@dataclass
class _Gain:
    """bytes: less. plan, or slot and value: what is changed for it. region: where it shows."""

    bytes: int
    region: frozenset[str]
    function: str = ""
    plan: Plan | None = None
    slot: str = ""
    value: str | None = None


class Sweeper:
    """Deterministic from what was observed and what is in flight."""

    def __init__(self, surroundings: Surroundings, unordered: Collection[str]) -> None:
        """unordered: the actions whose place in a sequence says nothing."""
        self._plans = Plans(surroundings, unordered)
        self._slots = surroundings.slots
        self._callers = surroundings.callers
        self._graph = CallGraph(self._callers)
        self._size = surroundings.size
        self._rates = {step: (rate * _PRIOR, _PRIOR) for step, rate in surroundings.steps.items()}
        self._facts: defaultdict[Frame, defaultdict[str, defaultdict[Local, Sizes]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(dict))
        )
        self._tried: defaultdict[Frame, Counter[Step]] = defaultdict(Counter)
        self._reach: defaultdict[str, set[str]] = defaultdict(set)  # decision -> functions in which it was seen to show
        self._effects: dict[str, int] = {}  # decision -> bytes more, when last seen
        self._failed: Counter[object] = Counter()  # decisions and steps
        self._under_way: dict[int, tuple[object, ...]] = {}  # request id -> what it tries
        self._since_build = 0
        if surroundings.parts:
            self._learn((), surroundings.parts)

    @property
    def has_decisions(self) -> bool:
        """Whether there is anything to try side by side."""
        return bool(self._callers)

    def is_scoped(self, name: str) -> bool:
        """Whether an action is about one function or call."""
        return self._plans.is_scoped(name)

    # What is observed.

    def observe(
        self, request_id: int, sequence: Names, parts: Mapping[str, int] | None, *, swept: bool, together: bool
    ) -> None:
        """parts: bytes of each function, nothing where they are not known; None where the trial failed.

        swept: whether ``propose`` made it; together: whether it only puts together what is known.
        """
        tried = self._under_way.pop(request_id, ())
        if swept:
            self._since_build = 0 if together else self._since_build + 1
        if parts is None:
            self._failed.update(tried)
        elif parts and self._callers:
            self._learn(sequence, parts)

    def _learn(self, sequence: Names, parts: Parts) -> None:
        at = self._plans.take_apart(sequence)
        if at is None:
            return
        local = self._local(at, parts)
        for _ in range(_MOST_LOOKS):
            if not self._learn_reach(at, local, parts):
                break
            local = self._local(at, parts)
        self._learn_steps(at, local, parts)
        for function in self._callers:
            sizes = self._facts[at.frame][function][local[function]]
            absent = self._graph.absent(function, parts)
            sizes.pop(absent, None)  # the newest stands last
            sizes[absent] = parts.get(function, 0)
        for name, value in at.inlining.items():
            less = self._change(at, local, parts, name, None, self._region(self._slots[name], at, parts, value))
            if less is not None:
                self._effects[value] = -less

    def _learn_reach(self, at: Assignment, local: Mapping[str, Local], parts: Parts) -> bool:
        """Where a function is not what it was with the same decisions around it, one further off shows in it too.

        Of those that it may be, all are taken to be: then no two of them are tried at once again, which tells.
        """
        found = False
        for function in self._callers if at.inlining else ():
            before = self._size_of(at, function, local[function], parts)
            if before is None or before == parts.get(function, 0):
                continue
            near = self._graph.near(function, parts)
            for name, value in at.inlining.items():
                far = value not in local[function][1]
                if far and near & self._region(self._slots[name], at, parts, value):
                    self._reach[value].add(function)
                    found = True
        return found

    def _learn_steps(self, at: Assignment, local: Mapping[str, Local], parts: Parts) -> None:
        """What a step brings, over all functions whose plan is one step longer than a known one."""
        saved: Counter[Step] = Counter()
        whole: Counter[Step] = Counter()
        for function, (plan, around) in local.items():
            for step, before in less_one(plan):
                size = self._size_of(at, function, (before, around), parts)
                if size:
                    saved[step] += max(0, size - parts.get(function, 0))
                    whole[step] += size
        for step, size in whole.items():
            if step in self._rates:
                gained, count = self._rates[step]
                self._rates[step] = gained + saved[step] / size, count + 1
                self._tried[at.frame][step] += 1

    def _size_of(self, at: Assignment, function: str, key: Local, parts: Parts) -> int | None:
        """What is known of a function: best where the same functions are inlined, else what was seen last."""
        known = self._facts[at.frame][function]
        if key not in known:
            return None
        sizes = known[key]
        return sizes.get(self._graph.absent(function, parts), next(reversed(sizes.values())))

    # What is proposed.

    def propose(
        self, request_id: int, best: Names, parts: Parts, reward: float, is_known: Callable[[Names], bool]
    ) -> tuple[Names, float | None] | None:
        """A sequence, and the log ratio that is promised of it where it only puts together what is known.

        best: the best sequence so far, with its ``parts``. is_known: whether a sequence was tried.
        None where nothing is left to try.
        """
        at = self._plans.take_apart(best) if self._callers and parts else None
        if at is None:
            return None
        local = self._local(at, parts)
        size = self._size * math.exp(-reward)
        gains = list(self._apart_gains(self._known_gains(at, local, parts)))
        due = sum(gain.bytes for gain in gains) >= _WORTH_A_BUILD * size or self._since_build >= _SWEEPS_BETWEEN
        if due and (built := self._put_together(at, gains, size, reward, parts, is_known)):
            return built
        tests = [self._inlining_tests, self._step_test]
        for test in tests if self._since_build % 2 == 0 else reversed(tests):
            for changed, tried in test(at, local, parts):
                names = self._plans.put_together(changed)
                if not is_known(names):
                    self._under_way[request_id] = tried
                    return names, None
        return self._put_together(at, gains, size, reward, parts, is_known)

    def _put_together(
        self,
        at: Assignment,
        gains: list[_Gain],
        size: float,
        reward: float,
        parts: Parts,
        is_known: Callable[[Names], bool],
    ) -> tuple[Names, float] | None:
        """All that is known to pay; where that was tried, so that it did not add up, half of it, and so on."""
        while gains:
            names = self._plans.put_together(self._with(at, gains, parts))
            if not is_known(names):
                promised = sum(gain.bytes for gain in gains)
                return names, reward - math.log(max(0.05, 1 - promised / size))
            gains = gains[: len(gains) // 2]
        return None

    def _with(self, at: Assignment, gains: list[_Gain], parts: Parts) -> Assignment:
        plans, inlining = dict(at.plans), dict(at.inlining)
        for gain in gains:
            if gain.plan is not None:
                plans[gain.function] = gain.plan
            elif gain.value is None:
                inlining.pop(gain.slot, None)
            else:
                inlining[gain.slot] = gain.value
        changed = replace(at, plans=plans, inlining=inlining)

        def is_gone(function: str) -> bool:
            return self._is_gone(function, inlining, parts)

        for function in self._callers:  # what goes into a caller is optimised as the caller is
            if is_gone(function) and (home := self._graph.home(function, is_gone)):
                plans[function] = plans[home]
        return changed

    def _known_gains(self, at: Assignment, local: Mapping[str, Local], parts: Parts) -> Iterator[_Gain]:
        for slot in self._slots.values():
            for value in (*slot.values, None):
                if value != at.inlining.get(slot.name):
                    region = self._region(slot, at, parts, value)
                    change = self._change(at, local, parts, slot.name, value, region)
                    if change is not None and change < 0:
                        yield _Gain(-change, region, slot=slot.name, value=value)
        for function, size in parts.items():
            if function not in self._callers:
                continue
            around, absent = local[function][1], self._graph.absent(function, parts)
            known = self._facts[at.frame][function]
            smaller = (
                (sizes[absent], plan)
                for (plan, about), sizes in known.items()
                if about == around and 0 < sizes.get(absent, 0) < size
            )
            other, plan = min(smaller, default=(0, None))
            if plan is not None:
                yield _Gain(size - other, frozenset((function,)), function=function, plan=plan)

    @staticmethod
    def _apart_gains(gains: Iterator[_Gain]) -> Iterator[_Gain]:
        """The greatest first, no two of which show in the same function."""
        touched: set[str] = set()
        for gain in sorted(gains, key=lambda gain: (-gain.bytes, gain.function, gain.slot, gain.value or "")):
            if not touched & gain.region:
                touched |= gain.region
                yield gain

    def _inlining_tests(
        self, at: Assignment, local: Mapping[str, Local], parts: Parts
    ) -> Iterator[tuple[Assignment, tuple[object, ...]]]:
        """What is not known yet, as many as do not show in the same function; first what is likely to show at all."""
        busy = {tried for those in self._under_way.values() for tried in those}
        untried: defaultdict[bool, list[_Test]] = defaultdict(list)
        for slot in self._slots.values():
            for place, value in enumerate(slot.values):
                if value == at.inlining.get(slot.name) or value in busy or self._failed[value] > 1:
                    continue
                likely = self._may_show(slot, value, parts)
                region = self._region(slot, at, parts, value)
                if likely is not None and self._change(at, local, parts, slot.name, value, region) is None:
                    untried[likely].append(_Test(self._effects.get(value, place - 100), slot.name, value, region))
        for likely in (True, False):
            tests = self._apart_tests(untried[likely])
            if tests:
                yield replace(at, inlining={**at.inlining, **tests}), tuple(tests.values())

    def _apart_tests(self, untried: list[_Test]) -> dict[str, str]:
        """Those that promise most, no two of which show in the same function."""
        untried.sort()
        doubtful = sum(1 for test in untried if self._failed[test.value])
        touched: set[str] = set()
        tests: dict[str, str] = {}
        for test in untried:
            if touched & test.region:
                continue
            if self._failed[test.value]:  # at most half of what may have broken the program, so that it is found out
                doubtful -= 2
                if doubtful < -1:
                    continue
            touched |= test.region
            tests[test.slot] = test.value
        return tests

    @staticmethod
    def _may_show(slot: Slot, value: str, parts: Parts) -> bool | None:
        """Whether a decision is likely to change anything here; None where it cannot."""
        kind = value.partition("<")[0]
        if slot.callee:
            return (
                None if slot.function not in parts or (kind == "alwaysinline" and slot.callee not in parts) else False
            )
        if kind == "noinline":
            return slot.function not in parts  # else some calls of it may have been inlined, and some not
        return True if slot.function in parts else None

    def _step_test(
        self, at: Assignment, _: Mapping[str, Local], __: Parts
    ) -> Iterator[tuple[Assignment, tuple[object, ...]]]:
        """One step more in the plan of every function: the one that brought most, or promises to."""
        busy = {tried for those in self._under_way.values() for tried in those}
        tried = self._tried[at.frame]
        free = [step for step in self._rates if tried[step] < _ROUNDS and not self._failed[step] and step not in busy]
        for step in sorted(free, key=lambda step: (-self._rate(step, tried[step]), step)):
            plans = {function: one_more(plan, step) for function, plan in at.plans.items()}
            if plans != at.plans:
                yield replace(at, plans=plans), (step,)

    def _rate(self, step: Step, times: int) -> float:
        """What it can be expected to bring; less where it was tried in this frame."""
        gained, count = self._rates[step]
        return gained / count / (1 + times) ** 2

    def _change(
        self, at: Assignment, local: Mapping[str, Local], parts: Parts, slot: str, value: str | None,
        region: frozenset[str],
    ) -> int | None:  # fmt: skip
        """Bytes more of the functions around a slot, if it is decided so; None where one of them is not known."""
        held = at.inlining.get(slot)
        change = 0
        for function in region:
            plan, own = local[function]
            other = own - {held} if held else own
            size = self._size_of(at, function, (plan, other | {value} if value else other), parts)
            if size is None:
                return None
            change += size - parts.get(function, 0)
        return change

    # Where a decision shows.

    def _local(self, at: Assignment, parts: Parts) -> dict[str, Local]:
        around: dict[str, set[str]] = {function: set() for function in self._callers}
        for name, value in at.inlining.items():
            for function in self._region(self._slots[name], at, parts, value):
                around[function].add(value)
        return {function: (at.plans[function], frozenset(names)) for function, names in around.items()}

    def _region(self, slot: Slot, at: Assignment, parts: Parts, value: str | None) -> frozenset[str]:
        """The functions in which a decision shows, or taking back the one that is taken.

        Its own, those in which it was seen, and its callers and theirs, as far as one may be inlined into the other.
        """
        seen = set(self._reach[value]) if value else set()
        if held := at.inlining.get(slot.name):
            seen |= self._reach[held]
        start = {slot.function, slot.callee, *seen}
        return self._graph.region(start, slot.function, lambda name: self._is_gone(name, at.inlining, parts))

    @staticmethod
    def _is_gone(function: str, inlining: Mapping[str, str], parts: Parts) -> bool:
        decided = inlining.get(f"inline {function}", "")
        return decided.startswith("alwaysinline<") or (function not in parts and not decided)


__all__ = ["Slot", "Surroundings", "Sweeper"]
