"""The tuned program, as a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from colt_llvm.compilation import link
from colt_llvm.errors import RunDirectoryError, UsageError
from colt_llvm.program import Program
from colt_llvm.toolchain import Toolchain


def write_output(toolchain: Toolchain, program: Program, objects: Sequence[bytes], output: Path) -> None:
    """An executable, or for a name that ends in .o the one object. Raises RunDirectoryError, CompileError."""
    try:
        if output.suffix == ".o":
            output.write_bytes(objects[0])
        else:
            link(toolchain, program, objects, output.absolute())
    except OSError as error:
        raise RunDirectoryError(
            f"{output}: cannot be written ({error.strerror}); choose another place with -o"
        ) from None


def check_output(output: Path | None, program: Program) -> None:
    """Refuse before the search what could not be written after it. Raises UsageError, RunDirectoryError."""
    if output is None:
        return
    if output.suffix == ".o" and len(program.sources) > 1:
        raise UsageError(f"-o {output}: several sources give several objects; name an executable")
    if output.is_dir():
        raise UsageError(f"-o {output}: is a folder; name a file")
    if not output.absolute().parent.is_dir():
        raise RunDirectoryError(f"-o {output}: there is no folder {output.parent}; make it, or choose another place")
    if not os.access(output.absolute().parent, os.W_OK):
        raise RunDirectoryError(f"-o {output}: its folder cannot be written; choose another place")
