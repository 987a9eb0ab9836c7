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

from colt_llvm.search.facts import Facts, Local, Parts
from colt_llvm.search.plans import (
    Assignment,
    Plan,
    Plans,
    Slot,
    Step,
    Surroundings,
    one_more,
)
from colt_llvm.search.sequences import Names

#: Of the size of the whole: what has to be promised before it is built; else after so many sweeps.
_WORTH_A_BUILD = 0.002
_SWEEPS_BETWEEN = 3
#: The same where tests go ahead of what was built.
_SWEEPS_AHEAD = 4
#: Bytes more that are expected of what was not seen yet: it comes first.
_UNSEEN = 200
#: The place of what hardly ever pays, among what was not seen.
_LATER = 50
#: How often a step is tried on all functions in one frame.
_ROUNDS = 3


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

    def __init__(self, surroundings: Surroundings, unordered: Collection[str], *, ahead: bool = False) -> None:
        """unordered: the actions whose place in a sequence says nothing.

        ahead: what is known to pay is taken for granted by the next test, so that few builds only confirm it.
        """
        self._ahead = ahead
        self._plans = Plans(surroundings, unordered)
        self._slots = surroundings.slots
        self._callers = surroundings.callers
        self._size = surroundings.size
        self._facts = Facts(surroundings, of_all_steps=ahead)
        self._failed: Counter[object] = Counter()  # decisions and steps
        self._under_way: dict[int, tuple[object, ...]] = {}  # request id -> what it tries
        self._since_build = 0
        self._confirmed: Names | None = None  # what was best when what is known to pay was built last
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
        if at is not None:
            self._facts.learn(at, parts)

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
        local = self._facts.local(at, parts)
        size = self._size * math.exp(-reward)
        gains = list(self._apart_gains(self._known_gains(at, local, parts)))
        due = sum(gain.bytes for gain in gains) >= _WORTH_A_BUILD * size or self._since_build >= _SWEEPS_BETWEEN
        if self._ahead:
            due = self._since_build >= _SWEEPS_AHEAD
        if due and (built := self._put_together(at, gains, size, reward, parts, is_known)):
            self._confirmed = best
            return built
        if self._ahead and gains and best != self._confirmed:  # else the last confirmation gave nothing better
            base, parts_then = self._with(at, gains, parts), self._parts_with(at, gains, local, parts)
            local = self._facts.local(base, parts_then)
        else:
            base, parts_then = at, parts
        for changed, tried in self._tests(base, local, parts_then):
            names = self._plans.put_together(changed)
            if not is_known(names):
                self._under_way[request_id] = tried
                return names, None
        return self._put_together(at, gains, size, reward, parts, is_known)

    def _tests(
        self, at: Assignment, local: Mapping[str, Local], parts: Parts
    ) -> Iterator[tuple[Assignment, tuple[object, ...]]]:
        """Decisions about inlining and steps of plans in turn; ahead, both in one build."""
        inlining_first = self._since_build % 2 == 0
        if self._ahead:
            stepped, steps = self._own_steps(at, local, parts)
            for changed, tried in self._inlining_tests(at, local, parts) if inlining_first else ():
                shown = {
                    function
                    for name, value in changed.inlining.items()
                    if at.inlining.get(name) != value
                    for function in self._facts.region(self._slots[name], at, parts, value)
                }
                plans = {name: at.plans[name] if name in shown else plan for name, plan in stepped.items()}
                yield replace(changed, plans=plans), (*tried, *steps)
            if steps:
                yield replace(at, plans=stepped), tuple(steps)
            return
        tests = [self._inlining_tests, self._step_test]
        for test in tests if inlining_first else reversed(tests):
            yield from test(at, local, parts)

    def _own_steps(self, at: Assignment, local: Mapping[str, Local], parts: Parts) -> tuple[dict[str, Plan], set[Step]]:
        """One step more for each function: the one that promises most of those not tried on it, and which these are."""
        order = sorted(
            (step for step in self._facts.rates if self._failed[step] < 2),
            key=lambda step: (-self._facts.rate(step, 0), step),
        )
        plans, steps = dict(at.plans), set()
        for function in parts:
            if function not in plans:
                continue
            plan, around = local[function]
            known = self._facts.of(at, function)
            for step in order:
                longer = one_more(plan, step)
                if longer != plan and (longer, around) not in known:
                    plans[function] = longer
                    steps.add(step)
                    break
        return plans, steps

    def _parts_with(self, at: Assignment, gains: list[_Gain], local: Mapping[str, Local], parts: Parts) -> Parts:
        """What the functions are expected to have then."""
        then = dict(parts)
        for gain in gains:
            for function in gain.region:
                plan, own = local[function]
                if gain.plan is not None:
                    plan = gain.plan
                else:
                    own = own - {at.inlining.get(gain.slot, "")}
                    own = own | {gain.value} if gain.value else own
                then[function] = self._facts.size_of(at, function, (plan, own), parts) or 0
        return {function: size for function, size in then.items() if size}

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
            return self._facts.is_gone(function, inlining, parts)

        for function in self._callers:  # what goes into a caller is optimised as the caller is
            if is_gone(function) and (home := self._facts.graph.home(function, is_gone)):
                plans[function] = plans[home]
        return changed

    def _known_gains(self, at: Assignment, local: Mapping[str, Local], parts: Parts) -> Iterator[_Gain]:
        for slot in self._slots.values():
            for value in (*slot.values, None):
                if value != at.inlining.get(slot.name):
                    region = self._facts.region(slot, at, parts, value)
                    change = self._facts.change(at, local, parts, slot.name, value, region)
                    if change is not None and change < 0:
                        yield _Gain(-change, region, slot=slot.name, value=value)
        for function, size in parts.items():
            if function not in self._callers:
                continue
            around, absent = local[function][1], self._facts.graph.absent(function, parts)
            known = self._facts.of(at, function)
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
                region = self._facts.region(slot, at, parts, value)
                if likely is not None and self._facts.change(at, local, parts, slot.name, value, region) is None:
                    expected = self._facts.effects.get(value, place - _UNSEEN + self._patience(slot, value))
                    untried[likely].append(_Test(expected, slot.name, value, region))
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

    def _patience(self, slot: Slot, value: str) -> int:
        """How many others come before it: by how often such a decision paid (docs/decisions/0037)."""
        if not value.startswith("alwaysinline<"):
            return _LATER + slot.stays
        return min(len(self._callers.get(slot.callee or slot.function, ())), _LATER)

    @staticmethod
    def _may_show(slot: Slot, value: str, parts: Parts) -> bool | None:
        """Whether a decision is likely to change anything here; None where it cannot."""
        kind = value.partition("<")[0]
        if slot.callee:
            return (
                None if slot.function not in parts or (kind == "alwaysinline" and slot.callee not in parts) else False
            )
        if kind == "alwaysinline" and slot.stays and slot.function in parts:
            return False  # the calls grow, and nothing goes
        if kind == "noinline":
            return slot.function not in parts  # else some calls of it may have been inlined, and some not
        return True if slot.function in parts else None

    def _step_test(
        self, at: Assignment, _: Mapping[str, Local], __: Parts
    ) -> Iterator[tuple[Assignment, tuple[object, ...]]]:
        """One step more in the plan of every function: the one that brought most, or promises to."""
        busy = {tried for those in self._under_way.values() for tried in those}
        tried = self._facts.tried[at.frame]
        free = [
            step for step in self._facts.rates if tried[step] < _ROUNDS and not self._failed[step] and step not in busy
        ]
        for step in sorted(free, key=lambda step: (-self._facts.rate(step, tried[step]), step)):
            plans = {function: one_more(plan, step) for function, plan in at.plans.items()}
            if plans != at.plans:
                yield replace(at, plans=plans), (step,)


__all__ = ["Slot", "Surroundings", "Sweeper"]
