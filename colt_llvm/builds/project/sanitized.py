"""A program of a build with one unit instrumented by clang's sanitizers, for the diagnosis of a miscompile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.builds.cc.compile import Unit, plain_words
from colt_llvm.builds.project.relink import Relinker
from colt_llvm.builds.project.units import call, quiet
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.run.sanitizers import SanitizedBuild


def sanitized_build(toolchain: Toolchain, unit: Unit, relinker: Relinker) -> SanitizedBuild:
    """Compiles this unit by its own command, and links the program as the build does, with the sanitizers' runtime.

    What the other units do is seen only where this one passes memory to them. What it gives raises CompileError.
    """

    def build(flags: Sequence[str], words: Sequence[str], place: Path) -> Path:
        with TemporaryDirectory(prefix="colt-") as folder:
            made = Path(folder) / "unit.o"
            call(toolchain, unit, [*plain_words(quiet(unit), "O0", made), *flags])
            return relinker.make(place, {unit.output: made.read_bytes()}, words)

    return build
