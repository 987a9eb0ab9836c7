"""A recipe for one unit: made from what tuning found, and verified by building it once more."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from colt_llvm import __version__
from colt_llvm.builds.cc.arguments import normalised
from colt_llvm.builds.cc.compile import FrontEndFailed, Steps, Unit, at_two_moments, compile_unit, inputs_in, quiet
from colt_llvm.builds.recipes.status import COMPILERS, Entry, recorded_unit
from colt_llvm.builds.recipes.store import UnitRecipe, input_digest
from colt_llvm.core.errors import CompileError, PassError, RecipeError, UsageError
from colt_llvm.core.variables import deciding_variables
from colt_llvm.llvm.elf import loaded_digest, read_object
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.compilation import LEVELS, Level

Outcome = Literal["same", "differs", "unverified"]


@dataclass(frozen=True)
class Tuned:
    """What tuning found for a unit."""

    level: Level  # of the front end and of code generation
    objective: str
    sequence: Sequence[str]  # actions by name
    pipeline: str  # complete text for ``opt -passes=``
    evidence: Mapping[str, Any]  # as measured; ``made`` (UTC) and ``by`` are added where they are missing


@dataclass(frozen=True)
class Made:
    """An object as a recipe makes it."""

    object: bytes
    inputs: frozenset[str]  # files of the root that it includes, relative to the root

    @property
    def digest(self) -> str:
        """Of what a program loads of the object."""
        return loaded_digest(self.object)


@dataclass(frozen=True)
class Verified:
    """Whether a recipe still makes the object that was measured."""

    entry: Entry
    outcome: Outcome  # "unverified": it could not be told here
    detail: str = ""  # why


def record_unit(root: Path, unit: Unit, toolchain: Toolchain, tuned: Tuned) -> UnitRecipe:
    """The recipe of ``unit`` in ``root``; it is not saved. The unit is built twice.

    Raises UsageError (the source lies outside of root), RecipeError (two builds differ), CompileError, PassError.
    """
    place = os.path.realpath(root)
    source = str(unit.source)
    if place == os.sep or not source.startswith(place + os.sep):
        raise UsageError(f"{unit.command.source}: lies outside of {place}; tune from a folder that holds it")
    made, again = (make(place, moment, toolchain, tuned.level, tuned.pipeline) for moment in at_two_moments(unit))
    if made.digest != again.digest:
        raise RecipeError(
            f"{unit.command.source}: two builds with one recipe differ; where it uses __DATE__, __TIME__ or "
            "__TIMESTAMP__, move these to a file of their own, else leave out passes of the sequence"
        )
    variables = deciding_variables()
    command, directory = recorded_command(unit, place)
    return UnitRecipe(
        source=os.path.relpath(source, place),
        inputs={name: input_digest(os.path.join(place, name)) for name in sorted(made.inputs)},
        flags=tuple(normalised(unit.command.flags, place)),
        level=tuned.level,
        llvm=toolchain.version,
        triple=toolchain.triple,
        objective=tuned.objective,
        sequence=tuple(tuned.sequence),
        pipeline=tuned.pipeline,
        object=made.digest,
        evidence={**signature(), **tuned.evidence, **({"variables": variables} if variables else {})},
        command=command,
        directory=directory,
        profile=input_digest(unit.command.profile) if unit.command.profile else "",
    )


def signature() -> dict[str, str]:
    """When (UTC) and by what a recipe is made, for its evidence."""
    made = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"made": made, "by": f"colt-llvm {__version__}"}


def make(root: str, unit: Unit, toolchain: Toolchain, level: Level, pipeline: str) -> Made:
    """Build the unit in a temporary folder; nothing is written to its own. Raises CompileError, PassError."""
    silent = quiet(unit)
    with TemporaryDirectory(prefix="colt-") as name:
        folder = Path(name)
        output = folder / "unit.o"
        steps = Steps(str(toolchain.compiler(unit.command.cxx)), toolchain.library, level, pipeline)
        names = compile_unit(silent, steps, folder, output)
        return Made(output.read_bytes(), frozenset(inputs_in(root, str(unit.directory), names)))


def recorded_command(unit: Unit, root: str) -> tuple[tuple[str, ...], str]:
    """(command, directory) as ``UnitRecipe`` has them."""
    words = [COMPILERS[unit.command.cxx], *unit.command.passed, "-c", unit.command.source]
    # Whole names only: /src, and not the beginning of /src2.
    within = re.compile(re.escape(root) + r"(?![\w.+-])")
    directory = os.path.relpath(os.path.realpath(unit.directory), root)
    return tuple(within.sub("{root}", word) for word in words), directory


def verify(found: Sequence[Entry], toolchain: Toolchain) -> Iterator[Verified]:
    """Build each recipe that fits, or that would once the build has been run, and compare its object.

    Others are left out. Builds in temporary folders; clang's diagnostics go to standard error.
    """
    for entry in found:
        if entry.program is not None:
            if entry.state in ("fits", "idle"):
                why = "it is of a whole program, which only a link can check; build with COLT_STRICT=1"
                yield Verified(entry, "unverified", entry.reason or why)
        elif entry.state == "idle":
            yield Verified(entry, "unverified", entry.reason)
        elif entry.state == "fits" and entry.recipe is not None:
            outcome, detail = _compare(entry.recipe, str(entry.root), toolchain)
            yield Verified(entry, outcome, detail)


def passed(results: Sequence[Verified]) -> bool:
    """Whether none differs and not all are unverified, which would prove nothing."""
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
