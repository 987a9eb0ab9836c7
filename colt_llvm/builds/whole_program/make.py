"""One object for a whole program, and the link with it: the same steps for tuning and for the linking of a build."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

from colt_llvm.builds.cc.compile import Unit
from colt_llvm.builds.cc.options import CODEGEN_LEVEL
from colt_llvm.core.errors import CompileError

if TYPE_CHECKING:
    from colt_llvm.builds.project.relink import Place

_PASSES_OFF = ("-Xclang", "-disable-llvm-passes")
_IR = ("-x", "ir", "-Wno-unused-command-line-argument")


def make_object(
    clang: str, library: Path, merged: bytes, level: str, pipeline: str, flags: Sequence[str], folder: Path
) -> bytes:
    """Run the pipeline over the merged module and generate code. flags: that code generation needs.

    Raises PassError, CompileError.
    """
    from colt_llvm.llvm.replay import replay

    optimised, output = folder / "whole.bc", folder / "whole.o"
    optimised.write_bytes(replay(library, [merged], pipeline, CODEGEN_LEVEL[level])[0])
    _call([clang, f"-{level}", *flags, *_PASSES_OFF, *_IR, "-c", str(optimised), "-o", str(output)])
    return output.read_bytes()


def empty_object(clang: str, level: str, flags: Sequence[str], folder: Path) -> bytes:
    """Takes the place of an object whose code is in the merged one; of the same kind, so that linkers see no other."""
    source, output = folder / "merged.c", folder / "empty.o"
    source.write_text("", encoding="utf-8")
    # Debug information would hold the folder's name.
    _call([clang, f"-{level}", *flags, "-g0", "-w", "-x", "c", "-c", str(source), "-o", str(output)])
    return output.read_bytes()


def replacement(places: Mapping[Path, Place], made: bytes, empty: bytes) -> dict[Path, bytes]:
    """What each member's object becomes: one is the merged object, and the others are empty.

    places: of the members in their order. An archive's member is linked only where something asks for it, so an
    object that stands in the command itself goes first.
    """
    carrier = next((path for path, place in places.items() if place.archive is None), next(iter(places)))
    return {path: made if path == carrier else empty for path in places}


def quietly(unit: Unit, more: Iterable[str] = ()) -> Unit:
    """The same without the user's dependency file and without warnings; as ``units.quiet``, which loads slowly."""
    command = copy(unit.command)
    command.dependencies, command.dependency_file = [], ""
    command.passed = [*command.passed, "-w", *more]
    return Unit(command, unit.directory)


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise CompileError(
            "the merged program: code generation fails; tune per file, without --whole-program",
            done.stderr.decode("utf-8", "replace"),
        )
