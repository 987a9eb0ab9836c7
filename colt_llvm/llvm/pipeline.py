"""A textual pipeline as a tree, and edits of it: the same pipeline with some of its passes left out.

Next to passes, a sequence may hold *edits* of the baseline pipeline that completes it: ``without<licm>`` leaves every
licm out, ``without<licm#2>`` the second one only (ours: docs/decisions/0005).

LLVM 23 has no pipelines for size: a process that hands ``default<Oz>`` to its libLLVM is ended. There clang -Oz is the
pipeline of O2 on functions that are marked minsize, and -Os on functions marked optsize (docs/decisions/0002).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from colt_llvm.core.errors import PipelineSyntaxError, UsageError
from colt_llvm.llvm import ir

if TYPE_CHECKING:
    from colt_llvm.llvm.module import Module


_EDIT = re.compile(r"without<([A-Za-z0-9_-]+)(?:#(\d+))?>")
#: Without these a pipeline does not hold together; they change no code by themselves.
_KEPT = frozenset({"require", "invalidate", "verify", "annotation-remarks", "cg-profile"})


@dataclass(frozen=True)
class Item:
    """One pass with its parameters, or an adaptor such as ``function<eager-inv>`` with what it holds."""

    text: str  #: as it stands in the pipeline, without what it holds
    inner: tuple[Item, ...] | None = None  #: of an adaptor, what it holds

    @property
    def name(self) -> str:
        """The text without parameters."""
        return self.text.partition("<")[0]

    def __str__(self) -> str:
        return self.text if self.inner is None else f"{self.text}({print_pipeline(self.inner)})"


def is_edit(name: str) -> bool:
    """Whether an action's name is an edit of the completing pipeline."""
    return _EDIT.fullmatch(name) is not None


@lru_cache(maxsize=32)
def parse_pipeline(text: str) -> tuple[Item, ...]:
    """Raises UsageError when the brackets do not match."""
    items, end = _parse(text, 0)
    if end != len(text):
        raise UsageError(f"pipeline: ')' at {end + 1} closes nothing; check the brackets")
    return items


def _parse(text: str, position: int) -> tuple[tuple[Item, ...], int]:
    items: list[Item] = []
    while position < len(text) and text[position] != ")":
        start, depth = position, 0
        while position < len(text) and (depth or text[position] not in ",()"):
            depth += {"<": 1, ">": -1}.get(text[position], 0)
            position += 1
        name = text[start:position].strip()
        if depth:
            raise UsageError(f"pipeline: '<' and '>' do not match in {name}; check the brackets")
        if position < len(text) and text[position] == "(":
            inner, position = _parse(text, position + 1)
            if position >= len(text):
                raise UsageError(f"pipeline: {name}( is never closed; check the brackets")
            position += 1
            items.append(Item(name, inner))
        elif name:
            items.append(Item(name))
        if position < len(text) and text[position] == ",":
            position += 1
    return tuple(items), position


def print_pipeline(items: Collection[Item]) -> str:
    """The inverse of ``parse_pipeline``."""
    return ",".join(map(str, items))


def edits_of(text: str) -> list[str]:
    """Every edit that this pipeline offers: each pass by name, and each place of a pass that it runs more than once."""
    counts = Counter(item.name for item in _leaves(parse_pipeline(text)) if item.name not in _KEPT)
    edits = [f"without<{name}>" for name in counts]
    return edits + [
        f"without<{name}#{number + 1}>" for name, count in counts.items() if count > 1 for number in range(count)
    ]


def function_passes_of(text: str) -> frozenset[str]:
    """Names of the passes that this pipeline runs on one function or loop at a time, and nowhere else."""
    inside: set[str] = set()
    outside: set[str] = set()

    def walk(items: Collection[Item], within: bool) -> None:
        for item in items:
            if item.inner is None:
                (inside if within else outside).add(item.name)
            else:
                walk(item.inner, within or item.name in ("function", "loop", "loop-mssa"))

    walk(parse_pipeline(text), False)
    return frozenset(inside - outside - _KEPT)


@lru_cache(maxsize=4096)
def edit_pipeline(text: str, edits: frozenset[str]) -> str:
    """The pipeline less what the edits name; places are those of the unedited pipeline. Raises UsageError.

    What becomes empty goes too, so the result may be an empty text.
    """
    names, places = set(), set()
    for edit in edits:
        match = _EDIT.fullmatch(edit)
        if match is None:
            raise UsageError(f"{edit}: is no edit; write without<licm> or without<licm#2>")
        if match[2]:
            places.add((match[1], int(match[2])))
        else:
            names.add(match[1])
    seen: Counter[str] = Counter()
    return print_pipeline(tuple(_without(parse_pipeline(text), names, places, seen)))


def _without(
    items: Collection[Item], names: Collection[str], places: Collection[tuple[str, int]], seen: Counter[str]
) -> Iterator[Item]:
    for item in items:
        if item.inner is not None:
            inner = tuple(_without(item.inner, names, places, seen))
            if inner:
                yield Item(item.text, inner)
            continue
        seen[item.name] += 1
        if item.name not in names and (item.name, seen[item.name]) not in places:
            yield item


def _leaves(items: Collection[Item]) -> Iterator[Item]:
    for item in items:
        if item.inner is None:
            yield item
        else:
            yield from _leaves(item.inner)


#: The last LLVM whose pipeline texts know Os and Oz.
_LAST = 22
#: As a parameter, alone or among others: of default, thinlto, function-simplification, loop-unroll and more.
_LEVEL = re.compile(r"[<;]\s*(O[sz])\s*[;>]")

#: Level -> the attribute of functions that stands for it.
_MARK = {"Os": "optsize", "Oz": "minsize"}


def has_size_levels(major: int) -> bool:
    """Whether this LLVM's pipeline texts know Os and Oz."""
    return major <= _LAST


def level_pipeline(major: int, level: str) -> str:
    """What the passes of ``clang -LEVEL`` are in this LLVM: ``default<Oz>``; from 23 on ``default<O2>``, of functions
    that the front end marks."""
    return f"default<{level if has_size_levels(major) or level not in ('Os', 'Oz') else 'O2'}>"


def unmarked_pipeline(major: int, level: str) -> str:
    """What ``opt -LEVEL`` would run on a module whose functions the front end did not mark."""
    pipeline = level_pipeline(major, level)
    return pipeline if level in pipeline else f"{_MARK[level]}:{pipeline}"


def marked_for_size(module: Module, pipeline: str) -> str:
    """Marks the functions as ``unmarked_pipeline`` asks for; returns the pipeline that is left to run."""
    mark, colon, rest = pipeline.partition(":")
    if not colon or mark not in _MARK.values():
        return pipeline
    for function in ir.functions(module.library, module.handle):
        for name in {mark, "optsize"}:  # clang -Oz gives both
            ir.add_attribute(module.library, module.handle, function, name)
    return rest


def refuse_size_levels(major: int, pipeline: str) -> None:
    """Raises PipelineSyntaxError for a text that would end the process."""
    if not has_size_levels(major) and (found := _LEVEL.search(pipeline)):
        raise PipelineSyntaxError(
            f"LLVM {major} has no {found[1]} in pipelines; write O2, and compile with clang -{found[1]}"
        )
