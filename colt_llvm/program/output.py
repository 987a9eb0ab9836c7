"""The tuned program, as a file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from colt_llvm.core.errors import RunDirectoryError, UsageError
from colt_llvm.core.files import replacing
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.compilation import link
from colt_llvm.program.program import Program


def write_output(toolchain: Toolchain, program: Program, objects: Sequence[bytes], output: Path) -> None:
    """An executable, or for a name that ends in .o the one object. Raises RunDirectoryError, CompileError.

    What is there already stays until the new file is whole.
    """
    try:
        with TemporaryDirectory(prefix="colt-") as folder:
            made = Path(folder) / "out"
            if output.suffix == ".o":
                made.write_bytes(objects[0])
            else:
                link(toolchain, program, objects, made)
            _put(made, Path(os.path.realpath(output)))
    except RunDirectoryError:
        raise
    except OSError as error:
        raise RunDirectoryError(
            f"{output}: cannot be written ({error.strerror}); choose another place with -o"
        ) from None


def _put(made: Path, place: Path) -> None:
    if place.exists() and not place.is_file():  # a device
        place.write_bytes(made.read_bytes())
        return
    with replacing(place) as beside:
        shutil.copy(made, beside)  # the mode too


def check_output(output: Path | None, program: Program, kept: Sequence[Path] = (), *, linked: bool = True) -> None:
    """Refuse before the search what could not be written after it, or would overwrite a file of the program or of
    ``kept``. linked: whether it can be an executable. Raises UsageError, RunDirectoryError.
    """
    if output is None:
        return
    if not linked and output.suffix != ".o":
        raise UsageError(f"-o {output}: nothing is linked; name an object, such as {output.stem}.o")
    if output.suffix == ".o" and len(program.sources) > 1:
        raise UsageError(f"-o {output}: several sources give several objects; name an executable")
    if output.is_dir():
        raise UsageError(f"-o {output}: is a folder; name a file")
    if not output.absolute().parent.is_dir():
        raise RunDirectoryError(f"-o {output}: there is no folder {output.parent}; make it, or choose another place")
    inputs = [*program.sources, *program.harness, *(w.stdin for w in program.workloads if w.stdin), *kept]
    if any(output.exists() and file.exists() and output.samefile(file) for file in inputs):
        raise UsageError(f"-o {output}: would overwrite what it is made from; choose another name")
    try:
        with TemporaryFile(dir=output.absolute().parent):
            pass
    except OSError as error:
        raise RunDirectoryError(
            f"-o {output}: its folder cannot be written ({error.strerror}); choose another place"
        ) from None
