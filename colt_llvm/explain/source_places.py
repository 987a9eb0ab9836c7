"""From a recipe's decisions to edits of the user's own source: what has a word there, and where that stands.

Nothing is believed of the source's text alone. What is written is compiled, and the front end's IR has to say just
what was decided, of these functions, calls and loops and of no others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.core.errors import CompileError
from colt_llvm.explain.source_edits import Source, definition_spot, loop_spot, statement_spot
from colt_llvm.explain.source_patch import Edit
from colt_llvm.llvm.decide import loop_metadata
from colt_llvm.llvm.decision import CODEGEN, CODEGEN_FLAGS, EVERY, LISTS, Decision, is_decision, parse_decision
from colt_llvm.llvm.process_options import threshold_options
from colt_llvm.llvm.source_lines import Place, SourceFunction

Functions = Mapping[str, SourceFunction]

_FUNCTION_WORDS = {"alwaysinline": "COLT_ALWAYS_INLINE", "noinline": "COLT_NOINLINE", "minsize": "COLT_MINSIZE"}
_CALL_WORDS = {"alwaysinline": "COLT_INLINE_CALL", "noinline": "COLT_NOINLINE_CALL"}
_HINTS = {
    "nounroll": "unroll(disable)",
    "vectorize": "vectorize_width({})",
    "interleave": "interleave_count({})",
    "novectorize": "vectorize(disable) interleave_count(1)",
    "distribute": "distribute(enable)",
}  # fmt: skip
_INLINING = frozenset(("alwaysinline", "noinline"))
#: Of an edit that compiles, and says its decision of more than was decided: instantiations, calls of one statement.
SHARED = "the same place in the source stands for other functions or calls too"


@dataclass(frozen=True)
class Left:
    """A decision that stays in the recipe, and why."""

    decision: str
    reason: str


class Places:
    """modules: functions of each source as the front end has them. own: files that are the user's.

    read: the text of a file, as latin-1.
    """

    def __init__(self, modules: Sequence[Functions], own: Iterable[Path], read: Callable[[Path], str]) -> None:
        self._modules, self._own, self._read = modules, frozenset(own), read
        self._sources: dict[Path, Source] = {}

    def edits(self, names: Sequence[str]) -> tuple[dict[Edit, tuple[str, ...]], list[Left]]:
        """Edit -> the decisions that it says; and what has no word or no place in the source."""
        found: dict[Edit, list[str]] = {}
        left: list[Left] = []
        for name in names:
            made = self._edits_of(name)
            if isinstance(made, str):
                left.append(Left(name, made))
                continue
            for edit in made:
                found.setdefault(edit, []).append(name)
        return {edit: tuple(decisions) for edit, decisions in found.items()}, left

    def _edits_of(self, name: str) -> set[Edit] | str:
        """Or why there are none."""
        if option := threshold_options(name):
            return f"plain clang takes it as -mllvm {option}"
        if not is_decision(name):
            return "a pass sequence has no word in a source"
        decision = parse_decision(name)
        if decision.kind in LISTS:
            return "passes over one function have no word in a source"
        if decision.kind in CODEGEN:
            return (
                f"no word in a source; clang takes {' '.join(CODEGEN_FLAGS[decision.kind, decision.value])} for a file"
            )
        if decision.function == EVERY:
            return "is a level of clang (-Os, -O2), and no word in a source"
        if decision.kind in ("optsize", "optspeed"):
            return "clang has no word for a function that is to be larger than its level"
        found: set[Edit] = set()
        for functions in self._modules:
            function = functions.get(decision.function)
            if function is not None:
                if decision.kind == "vectorize" and _may_add_floats(functions, decision.function):
                    return "clang's pragma would let floating-point numbers be added in another order, too"
                edit = self._edit_in(function, decision)
                if isinstance(edit, str):
                    return edit
                found.add(edit)
        return found or "the front end makes no such function"

    def _edit_in(self, function: SourceFunction, decision: Decision) -> Edit | str:
        macro, hints = _word(decision)
        place: Place | None
        if decision.scope == "function":
            place = function.place
        elif decision.scope == "call":
            place = function.calls.get((decision.callee, decision.number))
        else:
            place = function.loops.get(decision.number)
        if place is None or not place.line:
            return "has no line in the source"
        if place.file not in self._own:
            return f"is written in {place.file}, which is no source of yours"
        offset = self._offset(function, decision, place)
        if offset is None:
            return f"{place.file.name}:{place.line}: is made by a macro or by the compiler, or stands where no word may"
        return Edit(place.file, offset, macro, hints)

    def _offset(self, function: SourceFunction, decision: Decision, place: Place) -> int | None:
        source = self.source(place.file)
        if decision.scope == "function":
            return definition_spot(source, place.line, function.name)
        spot_of = statement_spot if decision.scope == "call" else loop_spot
        return spot_of(source, place.line, place.column)

    def source(self, file: Path) -> Source:
        if file not in self._sources:
            self._sources[file] = Source(self._read(file))
        return self._sources[file]


def _may_add_floats(functions: Functions, symbol: str) -> bool:
    """Whether the function does, or one that may be inlined into it."""
    seen, waiting = {symbol}, [symbol]
    while waiting:
        function = functions.get(waiting.pop())
        if function is not None and function.floats:
            return True
        called = {callee for callee, _ in function.calls} - seen if function is not None else set()
        seen |= called
        waiting += called
    return False


def _word(decision: Decision) -> tuple[str, str]:
    """The macro, and the hints that go with it."""
    if decision.scope == "function":
        return _FUNCTION_WORDS[decision.kind], ""
    if decision.scope == "call":
        return _CALL_WORDS[decision.kind], ""
    if decision.kind == "unroll":
        return "COLT_LOOP(hints)", "unroll(full)" if decision.value == "full" else f"unroll_count({decision.value})"
    return "COLT_LOOP(hints)", _HINTS[decision.kind].format(decision.value)


def unsaid(names: Iterable[str], before: Sequence[Functions], after: Sequence[Functions]) -> dict[str, str]:
    """Decision -> why a patched source does not say it. before, after: the front end's functions without and with it.

    What changed and was not decided counts against "": one place of the source may stand for several functions.
    """
    decisions = {name: parse_decision(name) for name in names}
    faults: dict[str, str] = {}
    for old, new in zip(before, after, strict=True):
        if old.keys() != new.keys():
            return dict.fromkeys(decisions, "the front end makes other functions with it")
        for name, decision in decisions.items():
            function = new.get(decision.function)
            if function is not None and not _is_said(function, decision):
                faults[name] = "the compiler sees nothing of it there"
        for symbol, function in old.items():
            if changed := _changed(function, new[symbol], decisions.values()):
                faults[f"{symbol} {changed}"] = ""
    return faults


def _is_said(function: SourceFunction, decision: Decision) -> bool:
    if decision.scope == "loop":
        hints = function.hints.get(decision.number, {})
        return all(
            key in hints and (value is None or hints[key] == int(value)) for key, value in loop_metadata(decision)
        )
    attributes = function.attributes
    if decision.scope == "call":
        attributes = function.call_attributes.get((decision.callee, decision.number), frozenset())
    others = _INLINING - {decision.kind} if decision.kind in _INLINING else frozenset()
    return decision.kind in attributes and not attributes & others


def _changed(old: SourceFunction, new: SourceFunction, decisions: Iterable[Decision]) -> str:
    """What differs and was not decided; "" for nothing."""
    mine = [decision for decision in decisions if decision.function == old.symbol]
    kinds = {decision.kind for decision in mine if decision.scope == "function"}
    if (old.attributes ^ new.attributes) - kinds:
        return "attributes"
    calls = {(decision.callee, decision.number) for decision in mine if decision.scope == "call"}
    for call, attributes in old.call_attributes.items():
        if call not in calls and (attributes ^ new.call_attributes.get(call, frozenset())) & _INLINING:
            return "calls"
    loops = {decision.number for decision in mine if decision.scope == "loop"}
    if any(number not in loops and old.hints[number] != new.hints.get(number) for number in old.hints):
        return "loops"
    return ""


Tried = Callable[[Sequence[Edit]], Sequence[Functions]]


def settle(
    edits: Mapping[Edit, tuple[str, ...]], before: Sequence[Functions], compiled: Tried
) -> tuple[list[Edit], list[Left]]:
    """The edits with which the source compiles and says what was decided, and no more.

    compiled: the front end's functions of the patched source; raises CompileError.
    """
    left: dict[str, str] = {}

    def holds(part: Sequence[_Group]) -> bool:
        names = {name for group in part for name in group.decisions}
        try:
            faults = unsaid(names, before, compiled([edit for group in part for edit in group.edits]))
        except CompileError:
            reason = "the source does not compile with it"
        else:
            if not faults:
                return True
            reason = next(filter(None, faults.values()), SHARED)
        if len(part) == 1:
            left.update(dict.fromkeys(names, reason))
        return False

    groups = _groups(edits)
    kept = _largest(groups, holds)
    for group in groups:
        if group not in kept:
            for name in group.decisions:
                left.setdefault(name, "does not go together with the others")
    return [edit for group in kept for edit in group.edits], [Left(name, reason) for name, reason in left.items()]


@dataclass(frozen=True)
class _Group:
    """Edits that say the same decisions: a function of two sources, or two symbols of one constructor."""

    edits: tuple[Edit, ...]
    decisions: tuple[str, ...]


def _groups(edits: Mapping[Edit, tuple[str, ...]]) -> list[_Group]:
    groups: list[_Group] = []
    for edit, names in edits.items():
        joined = [group for group in groups if set(group.decisions) & set(names)]
        groups = [group for group in groups if group not in joined]
        decisions = dict.fromkeys([*(name for group in joined for name in group.decisions), *names])
        groups.append(_Group((*(one for group in joined for one in group.edits), edit), tuple(decisions)))
    return groups


def _largest(items: list[_Group], holds: Callable[[Sequence[_Group]], bool]) -> list[_Group]:
    """Halves that hold, put together; what spoils the rest is found one by one."""
    if not items or holds(items):
        return items
    if len(items) == 1:
        return []
    middle = len(items) // 2
    first, second = _largest(items[:middle], holds), _largest(items[middle:], holds)
    if first and second and not holds(first + second):
        for item in second:
            if holds([*first, item]):
                first = [*first, item]
        return first
    return first + second
