"""Which pipeline texts a libLLVM accepts, found by asking it: each is run over an empty module, in a child process.

Run as ``python -m colt_llvm.llvm.acceptance LIBRARY BITCODE_FILE TEXTS_FILE``; prints one verdict a line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.core import process
from colt_llvm.core.errors import PassError, ProcessTimeout, ToolchainError
from colt_llvm.llvm.catalogue import Catalogue, catalogue_directory, load_catalogue
from colt_llvm.llvm.library import Library
from colt_llvm.llvm.module import Module, TargetMachine
from colt_llvm.llvm.toolchain import Toolchain

_LIMITS = process.Limits(wall_seconds=60.0)


@cache
def toolchain_catalogue(toolchain: Toolchain) -> Catalogue:
    """The catalogue; for a version without a file of its own, what its library accepts. Raises ToolchainError."""
    if (catalogue_directory() / f"{toolchain.major}.toml").is_file():
        return load_catalogue(toolchain.major)
    texts: list[str] = []

    def note(text: str) -> bool:
        texts.append(text)
        return False  # so that every older spelling is offered too

    load_catalogue(toolchain.major, note)
    accepted = accepted_pipelines(toolchain, list(dict.fromkeys(texts)))
    return load_catalogue(toolchain.major, accepted.__contains__)


def accepted_pipelines(toolchain: Toolchain, texts: Sequence[str]) -> set[str]:
    """Those of ``texts`` that run on an empty module. One that ends or holds up the process is not accepted."""
    accepted: set[str] = set()
    position = 0
    with TemporaryDirectory(prefix="colt-") as folder:
        bitcode = _empty_module(toolchain, Path(folder))
        while position < len(texts):
            verdicts = _ask(toolchain.library, bitcode, texts[position:], Path(folder))
            accepted.update(text for text, verdict in zip(texts[position:], verdicts) if verdict == "yes")  # noqa: B905
            position += len(verdicts) + 1  # the one without a verdict is what the child died of
    return accepted


def _ask(library: Path, bitcode: Path, texts: Sequence[str], folder: Path) -> list[str]:
    file = folder / "texts.json"
    file.write_text(json.dumps(list(texts)), encoding="utf-8")
    try:
        command: list[str | Path] = [sys.executable, "-m", __name__, library, bitcode, file]
        completed = process.run(command, limits=_LIMITS)
    except ProcessTimeout:
        return []
    return completed.stdout.decode().split()


def _empty_module(toolchain: Toolchain, folder: Path) -> Path:
    output = folder / "empty.bc"
    command: list[str | Path] = [toolchain.clang, "-x", "c", "-emit-llvm", "-c", "/dev/null", "-o", output]
    completed = process.run(command, limits=_LIMITS)
    if completed.status:
        raise ToolchainError(f"{toolchain.clang}: does not compile an empty file; use another --llvm-prefix")
    return output


def _main(arguments: Sequence[str]) -> None:
    library, bitcode = Library.load(arguments[0]), Path(arguments[1]).read_bytes()
    target = None
    for text in json.loads(Path(arguments[2]).read_text(encoding="utf-8")):
        with Module.parse(library, bitcode) as module:
            target = target or TargetMachine(library, module.triple, 2)
            try:
                module.run(text, target)
                verdict = "yes"
            except PassError:
                verdict = "no"
        sys.stdout.write(f"{verdict}\n")
        sys.stdout.flush()  # before the next text can end this process


if __name__ == "__main__":
    _main(sys.argv[1:])
