"""Known functions: what was found for a function in one run is where the next run with that function begins.

A function is known by its normalised IR, so under another name and in another program too. What is kept are its
decisions of a proved recipe, with the passes and decisions of the whole module that they were found beside. They are
proposed, built, checked and measured as any others. Why so: docs/decisions/0038.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import PipelineSyntaxError
from colt_llvm.core.text import split_pipeline
from colt_llvm.decisions.offers import scope_of
from colt_llvm.decisions.store import Row, Store, StoreError
from colt_llvm.llvm.decision import EVERY, LEVELS, LISTS, SKIP, Decision, is_decision, parse_decision
from colt_llvm.llvm.flow import Normalised, normalised_functions
from colt_llvm.llvm.library import Library
from colt_llvm.llvm.module import Module
from colt_llvm.search.plans import Surroundings

logger = logging.getLogger(__name__)

Names = tuple[str, ...]

_INLINING = ("alwaysinline", "noinline")


@dataclass(frozen=True)
class Offering:
    """What a run may propose."""

    actions: Collection[str]  #: passes, edits and decisions by name
    surroundings: Surroundings  #: what else may be decided about functions

    def allows(self, name: str) -> bool:
        """Whether a search could have come to this action by itself."""
        if name in self.actions:
            return True
        if not is_decision(name):
            return False
        decision, around = parse_decision(name), self.surroundings
        if decision.function not in around.callers or decision.scope == "loop":
            return False
        if decision.kind == SKIP:
            return {*split_pipeline(decision.value)} <= {*around.skippable}
        if decision.kind in LISTS:
            texts = [*around.texts.values(), *(text for kind, text in around.steps if kind == decision.kind)]
            return {*split_pipeline(decision.value)} <= {one for text in texts for one in split_pipeline(text)}
        if any(name in slot.values for slot in around.slots.values()):
            return True
        text = f"{decision.kind};{decision.value}" if decision.value else decision.kind
        return ("level" if decision.kind in LEVELS else "codegen", text) in around.steps


@dataclass
class KnownFunctions:
    """The functions of one program, and the store of what was found for them."""

    store: Store
    context: str  #: LLVM, target and objective, in a line
    functions: Mapping[str, Normalised]  #: symbol -> function
    known: int = field(default=0, init=False)  #: functions that the last look-up found
    notes: list[str] = field(default_factory=list, init=False)  #: why the store could not be used; one at most

    @staticmethod
    def of(store: str, context: str, library: Library, bitcodes: Sequence[bytes]) -> KnownFunctions:
        """store: its file. Raises InvalidIR."""
        functions: dict[str, Normalised] = {}
        for bitcode in bitcodes:
            with Module.parse(library, bitcode) as module:
                functions = {**normalised_functions(module), **functions}
        return KnownFunctions(Store(Path(store)), context, functions)

    def sequences(self, offering: Offering) -> tuple[Names, ...]:
        """To begin with; nothing where nothing is known.

        First with what most known functions have decided about all others too, then without that.
        """
        try:
            rows = self.store.read(self.context, sorted({one.digest for one in self.functions.values()}))
        except StoreError as error:
            self._note(error)
            return ()
        frames: Counter[Names] = Counter()
        usual: Counter[str] = Counter()
        decisions: list[str] = []
        for name, function in self.functions.items():
            if (row := rows.get(function.digest)) is None:
                continue
            frame, found = _read(row, name, function)
            kept = [decision for decision in found if offering.allows(decision)]
            if kept:
                decisions += kept
                self.known += 1
                frames[frame] += max(1, row.saved)
                usual.update(map(_of_every, kept))
        if not decisions:
            return ()
        most = max(frames, key=lambda frame: (frames[frame], frame))
        certain = (*(name for name in most if offering.allows(name)), *decisions)
        common = [name for name, count in sorted(usual.items()) if 2 * count > self.known and name in offering.actions]
        return tuple(dict.fromkeys(((*common, *(name for name in certain if name not in common)), certain)))

    def keep(self, sequence: Names, saved: Mapping[str, int]) -> None:
        """The decisions of a proved sequence.

        saved: bytes that each function became smaller by; empty where the objective is not about them. Where it is,
        what is decided about others is kept only if it is about inlining, which shows elsewhere.
        """
        frame = [name for name in sequence if _is_of_module(name)]
        own: dict[str, list[Decision]] = {}
        for decision in (parse_decision(name) for name in sequence if not _is_of_module(name)):
            own.setdefault(decision.function, []).append(decision)
        rows = [
            Row(
                function.digest,
                json.dumps({"decisions": list(_written(own[name], function)), "module": frame}, separators=(",", ":")),
                saved.get(name, 0),
            )
            for name, function in self.functions.items()
            if name in own and (not saved or saved.get(name, 0) > 0 or any(d.kind in _INLINING for d in own[name]))
        ]
        if not rows:
            return
        try:
            self.store.write(self.context, rows)
        except StoreError as error:
            self._note(error)

    def _note(self, error: StoreError) -> None:
        if not self.notes:
            self.notes.append(f"store {error}")


def _is_of_module(name: str) -> bool:
    return scope_of(name) in ("passes", "module")


def _of_every(name: str) -> str:
    """The decision about a function as one about all of them."""
    decision = parse_decision(name)
    return str(replace(decision, function=EVERY)) if decision.scope == "function" else name


def _written(decisions: Sequence[Decision], function: Normalised) -> Iterator[list[str | int]]:
    """With the callee of a call by its place among the names that the function mentions."""
    places = {name: place for place, name in enumerate(function.names)}
    for decision in sorted(decisions):
        if not decision.callee or decision.callee in places:
            yield [decision.kind, places.get(decision.callee, -1), decision.number, decision.value]


def _read(row: Row, name: str, function: Normalised) -> tuple[Names, Names]:
    """The inverse: of the module, and about the function by its name here; nothing of a row that means nothing."""
    try:
        data: Any = json.loads(row.found)
        decisions = [
            Decision(name, function.names[int(place)] if place >= 0 else "", int(number), str(kind), str(value))
            for kind, place, number, value in data["decisions"]
        ]
        return tuple(map(str, data["module"])), tuple(str(parse_decision(str(decision))) for decision in decisions)
    except (ValueError, LookupError, TypeError, RecursionError, PipelineSyntaxError) as error:
        logger.info("row %s of the store: %s", row.digest, error)
        return (), ()
