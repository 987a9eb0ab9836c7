"""What is known of a program's functions: in this frame, with this plan and these decisions around it, so many bytes.

Every build brings some facts for each function, whoever proposed it; the newest count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from colt_llvm.search.plans import Assignment, CallGraph, Plan, Slot, Step, Surroundings, less_one, passes_of
from colt_llvm.search.sequences import Names

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


class Facts:
    """Deterministic from what was learned, in its order."""

    def __init__(self, surroundings: Surroundings, *, of_all_steps: bool) -> None:
        """of_all_steps: whether it is learned what steps of several passes bring, too; else they stay as expected, and
        are tried on (lz77, 150 trials: 1.161x; 1.154x where it is learned).
        """
        self._slots = surroundings.slots
        self._callers = surroundings.callers
        self.graph = CallGraph(self._callers)
        #: Step -> the sum of what it brought, and of how many builds: what was expected of it counts too.
        self.rates = {step: (rate * _PRIOR, _PRIOR) for step, rate in surroundings.steps.items()}
        self._steps = [step for step in self.rates if of_all_steps or len(passes_of(step[1])) == 1]
        #: Builds in which a step was seen.
        self.tried: defaultdict[Frame, Counter[Step]] = defaultdict(Counter)
        #: Decision -> bytes more, when last seen.
        self.effects: dict[str, int] = {}
        self._facts: defaultdict[Frame, defaultdict[str, defaultdict[Local, Sizes]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(dict))
        )
        self._reach: defaultdict[str, set[str]] = defaultdict(set)  # decision -> functions in which it was seen to show

    def learn(self, at: Assignment, parts: Parts) -> None:
        """A build gave these sizes."""
        local = self.local(at, parts)
        for _ in range(_MOST_LOOKS):
            if not self._learn_reach(at, local, parts):
                break
            local = self.local(at, parts)
        self._learn_steps(at, local, parts)
        for function in self._callers:
            sizes = self._facts[at.frame][function][local[function]]
            absent = self.graph.absent(function, parts)
            sizes.pop(absent, None)  # the newest stands last
            sizes[absent] = parts.get(function, 0)
        for name, value in at.inlining.items():
            less = self.change(at, local, parts, name, None, self.region(self._slots[name], at, parts, value))
            if less is not None:
                self.effects[value] = -less

    def _learn_reach(self, at: Assignment, local: Mapping[str, Local], parts: Parts) -> bool:
        """Where a function is not what it was with the same decisions around it, one further off shows in it too.

        Of those that it may be, all are taken to be: then no two of them are tried at once again, which tells.
        """
        found = False
        for function in self._callers if at.inlining else ():
            before = self.size_of(at, function, local[function], parts)
            if before is None or before == parts.get(function, 0):
                continue
            near = self.graph.near(function, parts)
            for name, value in at.inlining.items():
                far = value not in local[function][1]
                if far and near & self.region(self._slots[name], at, parts, value):
                    self._reach[value].add(function)
                    found = True
        return found

    def _learn_steps(self, at: Assignment, local: Mapping[str, Local], parts: Parts) -> None:
        """What a step brings, over all functions whose plan is one step longer than a known one."""
        saved: Counter[Step] = Counter()
        whole: Counter[Step] = Counter()
        for function, (plan, around) in local.items():
            for step, before in less_one(plan, self._steps):
                size = self.size_of(at, function, (before, around), parts)
                if size:
                    saved[step] += max(0, size - parts.get(function, 0))
                    whole[step] += size
        for step, size in whole.items():
            if step in self.rates:
                gained, count = self.rates[step]
                self.rates[step] = gained + saved[step] / size, count + 1
                self.tried[at.frame][step] += 1

    def size_of(self, at: Assignment, function: str, key: Local, parts: Parts) -> int | None:
        """What is known of a function: best where the same functions are inlined, else what was seen last."""
        known = self._facts[at.frame][function]
        if key not in known:
            return None
        sizes = known[key]
        return sizes.get(self.graph.absent(function, parts), next(reversed(sizes.values())))

    # What is asked.

    def of(self, at: Assignment, function: str) -> Mapping[Local, Sizes]:
        """All that is known of a function in this frame."""
        return self._facts[at.frame][function]

    def rate(self, step: Step, times: int) -> float:
        """What it can be expected to bring; less where it was tried in this frame."""
        gained, count = self.rates[step]
        return gained / count / (1 + times) ** 2

    def change(
        self, at: Assignment, local: Mapping[str, Local], parts: Parts, slot: str, value: str | None,
        region: frozenset[str],
    ) -> int | None:  # fmt: skip
        """Bytes more of the functions around a slot, if it is decided so; None where one of them is not known."""
        held = at.inlining.get(slot)
        change = 0
        for function in region:
            plan, own = local[function]
            other = own - {held} if held else own
            size = self.size_of(at, function, (plan, other | {value} if value else other), parts)
            if size is None:
                return None
            change += size - parts.get(function, 0)
        return change

    # Where a decision shows.

    def local(self, at: Assignment, parts: Parts) -> dict[str, Local]:
        around: dict[str, set[str]] = {function: set() for function in self._callers}
        for name, value in at.inlining.items():
            for function in self.region(self._slots[name], at, parts, value):
                around[function].add(value)
        return {function: (at.plans[function], frozenset(names)) for function, names in around.items()}

    def region(self, slot: Slot, at: Assignment, parts: Parts, value: str | None) -> frozenset[str]:
        """The functions in which a decision shows, or taking back the one that is taken.

        Its own, those in which it was seen, and its callers and theirs, as far as one may be inlined into the other.
        """
        seen = set(self._reach[value]) if value else set()
        if held := at.inlining.get(slot.name):
            seen |= self._reach[held]
        start = {slot.function, slot.callee, *seen}
        return self.graph.region(start, slot.function, lambda name: self.is_gone(name, at.inlining, parts))

    @staticmethod
    def is_gone(function: str, inlining: Mapping[str, str], parts: Parts) -> bool:
        decided = inlining.get(f"inline {function}", "")
        return decided.startswith("alwaysinline<") or (function not in parts and not decided)
