"""Pipelines for size, which LLVM 23 dropped: a process that hands ``default<Oz>`` to its libLLVM is ended.

There clang -Oz is the pipeline of O2 on functions that are marked minsize, and -Os on functions marked optsize.
Why so: docs/decisions/0002.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from colt_llvm.core.errors import PipelineSyntaxError
from colt_llvm.llvm import ir

if TYPE_CHECKING:
    from colt_llvm.llvm.module import Module

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
