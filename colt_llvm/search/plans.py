"""A sequence by what it decides about each function: its plan, and who is inlined where (ours).

Much of what a sequence says of the whole module it says of each function by itself: that licm is left out, that
simplifycfg runs first. So sequences that differ in that alone are one *frame*, and each function has a plan in it.
Plans of different functions can be mixed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from colt_llvm.core.text import split_pipeline
from colt_llvm.search.sequences import Names

LEVELS = ("minsize", "optsize", "optspeed")
SKIP, BEFORE, AFTER = "skip", "before", "after"
#: Attributes for code generation; in a plan each stands with its value, such as "frame-pointer;all".
CODEGEN = ("frame-pointer", "no-jump-tables")
_EVERY = "<*>"
#: A plan has so many passes before the pipeline and after it, at most.
_LONGEST = 6

#: What is done to a plan, and to which pass, text or level.
Step = tuple[str, str]


@dataclass(frozen=True, order=True)
class Plan:
    """How one function is optimised. level: one of LEVELS, or "" for that of the front end.

    before, after: passes over it alone, as texts. skip: passes of the pipeline that are left out for it, sorted.
    codegen: attributes for code generation, one of a kind, sorted.
    """

    level: str = ""
    before: Names = ()
    skip: Names = ()
    after: Names = ()
    codegen: Names = ()

    def with_skip(self, names: Collection[str]) -> Plan:
        return replace(self, skip=tuple(sorted({*self.skip, *names})))

    def with_codegen(self, texts: Collection[str]) -> Plan:
        """These in place of those of their kinds."""
        kinds = {_kind(text) for text in texts}
        return replace(self, codegen=tuple(sorted({*(t for t in self.codegen if _kind(t) not in kinds), *texts})))


DEFAULT = Plan()


@dataclass(frozen=True)
class Slot:
    """A place where one decision about inlining can be taken. values: to choose from, the most promising first.

    function: whose it is. callee: of a call, whom it calls. stays: whether the function is there also when no call of
    it is left.
    """

    name: str
    function: str
    values: Names
    callee: str = ""
    stays: bool = False


@dataclass(frozen=True)
class Surroundings:
    """Where decisions can be tried side by side.

    slots: by their names. callers: function -> who calls it; every function of the module is in it.
    parts: bytes of each function in the baseline's object, of ``size`` bytes in all.
    skippable: passes of the pipeline that can be left out for one function. texts: action -> its text, of actions that
    work on one function at a time. steps: a step of a plan, such as ("skip", "licm"), to what it is expected to bring,
    as a part of a function's size.
    """

    slots: Mapping[str, Slot] = field(default_factory=dict)
    callers: Mapping[str, Names] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)
    size: float = 0.0
    skippable: Collection[str] = frozenset()
    texts: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Assignment:
    """A sequence taken apart. passes, others: of the whole module, in their order and without one.

    plans: function -> its plan. inlining: slot -> decision.
    """

    passes: Names
    others: frozenset[str]
    plans: Mapping[str, Plan]
    inlining: Mapping[str, str]

    @property
    def frame(self) -> tuple[Names, frozenset[str]]:
        return self.passes, self.others


class Plans:
    """Takes sequences apart and puts them together."""

    def __init__(self, surroundings: Surroundings, unordered: Collection[str]) -> None:
        """unordered: the actions whose place in a sequence says nothing."""
        self._functions = tuple(surroundings.callers)
        self._skippable = frozenset(surroundings.skippable)
        self._texts = dict(surroundings.texts)
        self._actions = {text: action for action, text in reversed(self._texts.items())}
        self._slot_of = {value: slot.name for slot in surroundings.slots.values() for value in slot.values}
        self._unordered = frozenset(unordered)

    def is_scoped(self, name: str) -> bool:
        """Whether an action is about one function or call."""
        if name in self._slot_of:
            return True
        kind = name.partition("<")[0]
        return kind in (SKIP, BEFORE, AFTER) or (kind in (*LEVELS, *CODEGEN) and not name.startswith(f"{kind}<*"))

    def take_apart(self, sequence: Names) -> Assignment | None:
        """None where two names of it exclude each other: then it is not known which of them holds."""
        inlining: dict[str, str] = {}
        every = DEFAULT
        own: dict[str, Plan] = {}
        passes: list[str] = []
        others: set[str] = set()
        for name in sequence:
            kind, _, rest = name.partition("<")
            slot = self._slot_of.get(name)
            if slot is not None:
                if inlining.setdefault(slot, name) != name:
                    return None
            elif kind in (SKIP, BEFORE, AFTER):
                function, _, text = rest.partition(">(")
                plan = own.get(function, DEFAULT)
                if getattr(plan, kind):
                    return None
                texts = passes_of(text[:-1])
                if kind == SKIP:
                    own[function] = plan.with_skip(texts)
                else:
                    own[function] = replace(plan, before=texts) if kind == BEFORE else replace(plan, after=texts)
            elif kind in LEVELS:
                function = rest[:-1]
                plan = every if function == "*" else own.get(function, DEFAULT)
                if plan.level:
                    return None
                plan = replace(plan, level=kind)
                if function == "*":
                    every = plan
                else:
                    own[function] = plan
            elif kind in CODEGEN:
                function, _, value = rest[:-1].partition(";")
                plan = every if function == "*" else own.get(function, DEFAULT)
                if any(_kind(text) == kind for text in plan.codegen):
                    return None
                plan = plan.with_codegen((f"{kind};{value}" if value else kind,))
                if function == "*":
                    every = plan
                else:
                    own[function] = plan
            elif kind == "without" and rest[:-1] in self._skippable:
                every = every.with_skip((rest[:-1],))
            elif name in self._unordered:
                others.add(name)
            else:
                passes.append(name)
        if all(name in self._texts for name in passes):
            every = replace(every, before=tuple(self._texts[name] for name in passes))
            passes = []
        return Assignment(
            tuple(passes), frozenset(others), {name: _join(every, own.get(name)) for name in self._functions}, inlining
        )

    def put_together(self, at: Assignment) -> Names:
        """What all functions have in common is said once, of the whole module."""
        plans = list(at.plans.values()) or [DEFAULT]
        shared = set(plans[0].skip).intersection(*(plan.skip for plan in plans))
        level = plans[0].level if len({plan.level for plan in plans}) == 1 else ""
        first = plans[0].before if len({plan.before for plan in plans}) == 1 and not at.passes else ()
        if any(text not in self._actions for text in first):
            first = ()
        names = [*at.passes, *(self._actions[text] for text in first)]
        names += sorted({*at.others, *(f"without<{name}>" for name in shared)})
        code = set(plans[0].codegen).intersection(*(plan.codegen for plan in plans))
        names += (_codegen_name("*", text) for text in sorted(code))
        if level:
            names.append(f"{level}{_EVERY}")
        for function in sorted(at.plans):
            plan = at.plans[function]
            if plan.level and not level:
                names.append(f"{plan.level}<{function}>")
            names += (_codegen_name(function, text) for text in plan.codegen if text not in code)
            skip = [name for name in plan.skip if name not in shared]
            for kind, texts in ((SKIP, skip), (BEFORE, () if first else plan.before), (AFTER, plan.after)):
                if texts:
                    names.append(f"{kind}<{function}>({','.join(texts)})")
        return (*names, *(at.inlining[slot] for slot in sorted(at.inlining)))


def _join(every: Plan, own: Plan | None) -> Plan:
    if own is None:
        return every
    joined = Plan(own.level or every.level, every.before + own.before, every.skip, own.after, every.codegen)
    return joined.with_skip(own.skip).with_codegen(own.codegen)


def _kind(text: str) -> str:
    """Of an attribute for code generation, with or without its value."""
    return text.partition(";")[0]


def _codegen_name(function: str, text: str) -> str:
    kind, separator, value = text.partition(";")
    return f"{kind}<{function}{separator}{value}>"


#: Of one run: in larger programs those of the largest functions.
_MOST_STEPS = 20_000


def step_names(surroundings: Surroundings) -> Names:
    """Each step of each function's plan as a decision by itself, those of the largest functions first."""
    steps = {(SKIP, name) for name in surroundings.skippable} | {(BEFORE, text) for text in surroundings.texts.values()}
    ordered = sorted(steps | surroundings.steps.keys())
    functions = sorted(surroundings.callers, key=lambda name: (-surroundings.parts.get(name, 0), name))
    if ordered:
        functions = functions[: max(1, _MOST_STEPS // len(ordered))]
    return tuple(_step_name(function, step) for function in functions for step in ordered)


def _step_name(function: str, step: Step) -> str:
    kind, text = step
    if kind == "codegen":
        return _codegen_name(function, text)
    return f"{text}<{function}>" if kind == "level" else f"{kind}<{function}>({text})"


def one_more(plan: Plan, step: Step) -> Plan:
    """With one step more, where there is room for it."""
    kind, text = step
    if kind == SKIP:
        return plan.with_skip((text,))
    if kind == "codegen":
        return plan.with_codegen((text,))
    if kind in (BEFORE, AFTER):
        held = getattr(plan, kind)
        if len(held) >= _LONGEST:
            return plan
        passes = (*held, *passes_of(text))
        return replace(plan, before=passes) if kind == BEFORE else replace(plan, after=passes)
    return replace(plan, level=text)


def less_one(plan: Plan, steps: Collection[Step]) -> Iterator[tuple[Step, Plan]]:
    """Each plan from which one of these steps leads to this one, with that step."""
    for name in plan.skip:
        yield (SKIP, name), replace(plan, skip=tuple(other for other in plan.skip if other != name))
    for text in plan.codegen:
        yield ("codegen", text), replace(plan, codegen=tuple(other for other in plan.codegen if other != text))
    if plan.level in LEVELS:
        yield ("level", plan.level), replace(plan, level="")
    if plan.before or plan.after:
        for kind, text in steps:
            passes = passes_of(text) if kind in (BEFORE, AFTER) else ()
            held = getattr(plan, kind) if passes else ()
            if passes and held[-len(passes) :] == passes:
                shorter = held[: -len(passes)]
                yield (kind, text), replace(plan, before=shorter) if kind == BEFORE else replace(plan, after=shorter)


@lru_cache(maxsize=1024)
def passes_of(text: str) -> Names:
    """Of the text of a step."""
    return tuple(split_pipeline(text))


#: A function with so few callers may go into them when it changes.
_FEW_CALLERS = 2


class CallGraph:
    """Who calls whom, and how far a decision about inlining can show.

    callers: function -> who calls it; every function of the module is in it."""

    def __init__(self, callers: Mapping[str, Names]) -> None:
        self.callers = callers
        self._callees: defaultdict[str, list[str]] = defaultdict(list)
        for function, those in callers.items():
            for caller in those:
                self._callees[caller].append(function)

    def region(self, start: Collection[str], function: str, is_gone: Callable[[str], bool]) -> frozenset[str]:
        """``start``, and the callers of a function and theirs, as far as one may be inlined into the other."""
        found = set(start) & self.callers.keys()
        waiting = [function]
        while waiting:
            for caller in self.callers.get(waiting.pop(), ()):
                if caller not in found:
                    found.add(caller)
                    if len(self.callers[caller]) <= _FEW_CALLERS or is_gone(caller):
                        waiting.append(caller)
        return frozenset(found)

    def near(self, function: str, present: Collection[str]) -> set[str]:
        """Those that it calls or that call it; what is not there as such is passed through."""
        found: set[str] = set()
        waiting = [function]
        while waiting:
            at = waiting.pop()
            for other in (*self.callers.get(at, ()), *self._callees.get(at, ())):
                if other not in found:
                    found.add(other)
                    if other not in present:
                        waiting.append(other)
        return found

    def home(self, function: str, is_gone: Callable[[str], bool]) -> str | None:
        """The first function that is there as such into which this one goes."""
        seen, waiting = {function}, [function]
        while waiting:
            for caller in self.callers.get(waiting.pop(0), ()):
                if not is_gone(caller):
                    return caller
                if caller not in seen:
                    seen.add(caller)
                    waiting.append(caller)
        return None

    def absent(self, function: str, present: Collection[str]) -> frozenset[str]:
        """Which functions that it calls are not there as such."""
        return frozenset(callee for callee in self._callees.get(function, ()) if callee not in present)
