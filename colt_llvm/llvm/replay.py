"""A whole pipeline over whole modules in a child process: what ``opt -passes=`` does, with libLLVM alone.

The search applies passes one by one; a recipe is one text. This applies the text at once, from the front end's
bitcode, so that its result is what ``opt`` gives by hand. A crash or an endless pass costs the child only.

Run as ``python -m colt_llvm.llvm.replay LIBRARY CODEGEN_LEVEL PIPELINE_FILE IN OUT [IN OUT ...]``.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.core import process
from colt_llvm.core.errors import (
    ColtError,
    PassCrashed,
    PassError,
    PassOutOfMemory,
    PassTimedOut,
    PipelineSyntaxError,
    ProcessTimeout,
)
from colt_llvm.llvm.library import Library
from colt_llvm.llvm.module import Module, TargetMachine

DEFAULT_LIMITS = process.Limits(wall_seconds=120.0, memory_bytes=8 << 30, output_bytes=1 << 30)

_EXIT_SYNTAX, _EXIT_FAILED = 11, 12


def replay(
    library: Path,
    bitcodes: Sequence[bytes],
    pipeline: str,
    codegen_level: int,
    limits: process.Limits = DEFAULT_LIMITS,
) -> list[bytes]:
    """Run ``pipeline`` over each bitcode and return the results in order.

    Raises PipelineSyntaxError, PassCrashed, PassTimedOut, PassOutOfMemory or PassError.
    """
    if not pipeline:
        return list(bitcodes)
    with TemporaryDirectory(prefix="colt-") as folder:
        text = Path(folder) / "pipeline"
        text.write_text(pipeline, encoding="utf-8")
        files = []
        for index, bitcode in enumerate(bitcodes):
            source, result = Path(folder) / f"{index}.bc", Path(folder) / f"{index}.opt.bc"
            source.write_bytes(bitcode)
            files += [source, result]
        command: list[str | Path] = [sys.executable, "-m", __name__, library, str(codegen_level), text, *files]
        try:
            # In a folder of ours: "python -m" looks for modules in the working folder, and some passes write there.
            completed = process.run(command, limits=limits, cwd=Path(folder))
        except ProcessTimeout:
            raise PassTimedOut(f"{pipeline}: not done after {limits.wall_seconds:g} s; leave a pass out") from None
        _check(completed, pipeline)
        return [file.read_bytes() for file in files[1::2]]


def _check(completed: process.Completed, pipeline: str) -> None:
    if completed.status == 0:
        return
    said = completed.stderr.decode("utf-8", "replace").strip().splitlines()
    last = said[-1] if said else completed.describe_status()
    if completed.status == _EXIT_SYNTAX:
        raise PipelineSyntaxError(last)
    if completed.status == _EXIT_FAILED:
        raise PassError(last)
    text = "\n".join(said)
    if "out of memory" in text.lower() or "bad_alloc" in text or completed.status == -signal.SIGKILL:
        raise PassOutOfMemory(f"{pipeline}: used up its memory; leave a pass out")
    crash = next((line for line in said if "LLVM ERROR" in line or "Assertion" in line), completed.describe_status())
    raise PassCrashed(f"{pipeline}: crashed ({crash}); leave a pass out")


def _main(arguments: Sequence[str]) -> int:
    library = Library.load(arguments[0])
    pipeline = Path(arguments[2]).read_text(encoding="utf-8")
    files = [Path(argument) for argument in arguments[3:]]
    try:
        for source, result in zip(files[::2], files[1::2], strict=True):
            with Module.parse(library, source.read_bytes()) as module:
                module.run(pipeline, TargetMachine(library, module.triple, int(arguments[1])))
                result.write_bytes(module.bitcode())
    except PipelineSyntaxError as error:
        sys.stderr.write(f"{error}\n")
        return _EXIT_SYNTAX
    except ColtError as error:
        sys.stderr.write(f"{error}\n")
        return _EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
