"""Build what a recipe describes once more, and compare it with what was measured."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from colt_llvm.builds.cc.compile import FrontEndFailed
from colt_llvm.builds.recipes.record import make, recorded_unit
from colt_llvm.builds.recipes.status import Entry
from colt_llvm.builds.recipes.store import UnitRecipe
from colt_llvm.core.errors import CompileError, PassError
from colt_llvm.llvm.elf import read_object
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.compilation import LEVELS

Outcome = Literal["same", "differs", "unverified"]


@dataclass(frozen=True)
class Verified:
    """outcome: ``same`` object as recorded; ``differs``; ``unverified``, it could not be told here. detail: why."""

    entry: Entry
    outcome: Outcome
    detail: str = ""


def verify(found: Sequence[Entry], toolchain: Toolchain) -> Iterator[Verified]:
    """One after another, each recipe that fits or that would if the build had been run; others are left out.

    Builds in temporary folders. What clang says about a source goes to standard error.
    """
    for entry in found:
        if entry.program is not None:
            if entry.state in ("fits", "idle"):
                why = "a whole program is checked where it is linked; build with COLT_STRICT=1"
                yield Verified(entry, "unverified", entry.reason or why)
        elif entry.state == "idle":
            yield Verified(entry, "unverified", entry.reason)
        elif entry.state == "fits" and entry.recipe is not None:
            outcome, detail = _compare(entry.recipe, str(entry.root), toolchain)
            yield Verified(entry, outcome, detail)


def passed(results: Sequence[Verified]) -> bool:
    """None differs, and not all of them were left unverified: that would say nothing."""
    outcomes = {result.outcome for result in results}
    return "differs" not in outcomes and outcomes != {"unverified"}


def _compare(recipe: UnitRecipe, root: str, toolchain: Toolchain) -> tuple[Outcome, str]:
    unit = recorded_unit(recipe, root)
    if unit is None or recipe.level not in LEVELS:
        return "unverified", "it does not say how it was built; tune again"
    if not unit.directory.is_dir():
        return "unverified", f"{recipe.directory} is not there; build the project first"
    try:
        made = make(root, unit, toolchain, recipe.level, recipe.pipeline)
    except FrontEndFailed:
        return "unverified", "it does not compile outside of the build; build the project first"
    except (CompileError, PassError) as error:
        return "differs", f"LLVM {toolchain.version} does not build it ({' '.join(str(error).split())})"
    except OSError as error:
        return "unverified", f"{error.filename or root}: {error.strerror}"
    if new := sorted(made.inputs - set(recipe.inputs)):
        return "differs", f"it includes {new[0]}, which it did not when it was tuned"
    if made.digest == recipe.object:
        return "same", ""
    if toolchain.version == recipe.llvm and _holds(made.object, root):
        return "unverified", f"its code holds the path of this folder ({root}), so it differs from folder to folder"
    if toolchain.version != recipe.llvm:
        return "differs", f"LLVM {toolchain.version} makes other code than {recipe.llvm} did; measure again"
    return "differs", "other code than was measured; compare the headers outside of this folder"


def _holds(made: bytes, root: str) -> bool:
    """Whether the path is in what a program loads of an object; debug information does not count."""
    path = os.fsencode(root)
    return any(section.loaded and path in section.data() for section in read_object(made)[1])
