"""A recipe for one unit, from what tuning found: built twice, and written down so that it can be built again."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from colt_llvm import __version__
from colt_llvm.builds.cc.arguments import normalised, parse
from colt_llvm.builds.cc.compile import Unit, compile_unit, inputs_in
from colt_llvm.builds.project.units import at_another_moment, quiet
from colt_llvm.builds.recipes.store import UnitRecipe, input_digest
from colt_llvm.core.errors import RecipeError, UsageError
from colt_llvm.core.variables import deciding_variables
from colt_llvm.llvm.object_size import loaded_digest
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.compilation import Level

#: The first word of a recorded command: which of the two compilers it is for.
_NAMES = {False: "cc", True: "c++"}


@dataclass(frozen=True)
class Made:
    """An object as a recipe makes it. inputs: what it includes of the root's files, relative to the root."""

    object: bytes
    inputs: frozenset[str]

    @property
    def digest(self) -> str:
        return loaded_digest(self.object)


def record_unit(
    root: Path,
    unit: Unit,
    toolchain: Toolchain,
    *,
    level: Level,
    objective: str,
    sequence: Sequence[str],
    pipeline: str,
    evidence: Mapping[str, Any],
) -> UnitRecipe:
    """The recipe of ``unit`` in ``root``. It is not saved.

    evidence: as measured; ``made`` (UTC) and ``by`` are filled in where they are missing.
    Raises UsageError (the source lies outside of root), RecipeError (two builds differ), CompileError, PassError.
    """
    place = os.path.realpath(root)
    source = str(unit.source)
    if place == os.sep or not source.startswith(place + os.sep):
        raise UsageError(f"{unit.command.source}: lies outside of {place}; tune from a folder that holds it")
    made = make(place, unit, toolchain, level, pipeline)
    again = make(place, at_another_moment(unit), toolchain, level, pipeline)
    if made.digest != again.digest:
        raise RecipeError(
            f"{unit.command.source}: two builds with one recipe differ; where it uses __DATE__, __TIME__ or "
            "__TIMESTAMP__, move these to a file of their own, else leave out passes of the sequence"
        )
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    command, directory = recorded_command(unit, place)
    return UnitRecipe(
        source=os.path.relpath(source, place),
        inputs={name: input_digest(os.path.join(place, name)) for name in sorted(made.inputs)},
        flags=tuple(normalised(unit.command.flags, place)),
        level=level,
        llvm=toolchain.version,
        triple=toolchain.triple,
        objective=objective,
        sequence=tuple(sequence),
        pipeline=pipeline,
        object=made.digest,
        evidence={
            "made": now,
            "by": f"colt-llvm {__version__}",
            **evidence,
            **({"variables": decided} if (decided := deciding_variables()) else {}),
        },
        command=command,
        directory=directory,
    )


def make(root: str, unit: Unit, toolchain: Toolchain, level: Level, pipeline: str) -> Made:
    """Build the unit in a folder of ours; nothing is written to its own. Raises CompileError, PassError."""
    silent = quiet(unit)
    with TemporaryDirectory(prefix="colt-") as name:
        folder = Path(name)
        output = folder / "unit.o"
        compiler = str(toolchain.compiler(unit.command.cxx))
        names = compile_unit(compiler, toolchain.library, silent, level, pipeline, folder, output)
        return Made(output.read_bytes(), frozenset(inputs_in(root, str(unit.directory), names)))


def recorded_command(unit: Unit, root: str) -> tuple[tuple[str, ...], str]:
    """(command, directory) for a recipe: the words with the root as ``{root}``, the folder relative to it."""
    words = [_NAMES[unit.command.cxx], *unit.command.passed, "-c", unit.command.source]
    # Only whole names: of /src, and not of /src2.
    within = re.compile(re.escape(root) + r"(?![\w.+-])")
    directory = os.path.relpath(os.path.realpath(unit.directory), root)
    return tuple(within.sub("{root}", word) for word in words), directory


def recorded_unit(recipe: UnitRecipe, root: str) -> Unit | None:
    """The unit as it was built when the recipe was made, here; None where the recipe does not say."""
    if len(recipe.command) < 2:
        return None
    compiler, *words = (word.replace("{root}", root) for word in recipe.command)
    directory = os.path.normpath(os.path.join(root, recipe.directory))
    command = parse([f"-{recipe.level}", *words, "-o", "unit.o"], compiler == _NAMES[True], directory)
    return Unit(command, Path(directory)) if command.kind == "compile" else None
