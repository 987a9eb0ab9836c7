"""One unit, built as a recipe says: the front end, the pipeline, code generation.

The same three steps for the compiler of a build, for tuning and for ``recipes --verify``, so that the bytes that
were measured are the bytes that are shipped.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from colt_llvm.builds.cc.arguments import Command
from colt_llvm.builds.cc.options import CODEGEN_LEVEL
from colt_llvm.core.errors import CompileError

if TYPE_CHECKING:
    from colt_llvm.program.compilation import Level

_PASSES_OFF = ("-Xclang", "-disable-llvm-passes")
_KEEP_ORDER = ("-Xclang", "-emit-llvm-uselists")
#: Words for the front end or the linker mean nothing to code generation. The front end has said which are of no use.
_NOT_SAID = "-Wno-unused-command-line-argument"

#: The front end's bitcode, in the folder of what is made on the way.
RAW = "raw.bc"
#: (library, [bitcode], pipeline, level of code generation) -> [bitcode]; as ``llvm.replay.replay``.
Passes = Callable[[Path, Sequence[bytes], str, int], list[bytes]]


class FrontEndFailed(CompileError):
    """clang refused the source; it has said why already. status: what it ended with."""

    def __init__(self, status: int) -> None:
        super().__init__("the source does not compile")
        self.status = status


class CodeGenerationFailed(CompileError):
    """clang makes no object of the optimised module, or has something to say to it."""


@dataclass(frozen=True)
class Unit:
    """A command that compiles one source, and the folder it is run in."""

    command: Command
    directory: Path

    @property
    def source(self) -> Path:
        """Absolute, links resolved."""
        return Path(os.path.realpath(self.directory / self.command.source))

    @property
    def output(self) -> Path:
        return Path(os.path.normpath(self.directory / self.command.output))


def front_end_words(unit: Unit, level: str, bitcode: Path, dependencies: Path | None) -> list[str]:
    """clang's arguments: source to bitcode, unoptimised, as ``level`` would start from.

    dependencies: our own list of inputs, where the user asked for none.
    """
    command = unit.command
    own = [] if command.dependencies or dependencies is None else ["-MD", "-MF", str(dependencies), "-MQ", "unit"]
    return [*_leading(command, level), *command.dependencies, *own, *_PASSES_OFF, *_KEEP_ORDER,
            "-emit-llvm", "-c", command.source, "-o", str(bitcode)]  # fmt: skip


def codegen_words(unit: Unit, level: str, bitcode: Path, output: Path) -> list[str]:
    """clang's arguments: optimised bitcode to an object, without more passes."""
    passed = _for_code_generation(unit.command.passed)
    return [f"-{level}", *passed, _NOT_SAID, *_PASSES_OFF, "-x", "ir", "-c", str(bitcode), "-o", str(output)]


def plain_words(unit: Unit, level: str, output: Path) -> list[str]:
    """clang's arguments: the object that the build itself would make at ``level``."""
    command = unit.command
    return [f"-{level}", *command.passed, "-c", command.source, "-o", str(output)]


def asked_words(unit: Unit, output: Path) -> list[str]:
    """clang's arguments: what the command asks for, the dependency file too, to another output."""
    command = unit.command
    leading = [command.level_word, *command.passed] if command.level_word else command.passed
    return [*leading, *command.dependencies, "-c", command.source, "-o", str(output)]


def compile_unit(
    clang: str,
    library: Path,
    unit: Unit,
    level: Level,
    pipeline: str,
    folder: Path,
    output: Path,
    *,
    said: int | None = None,
    passes: Passes | None = None,
) -> list[str]:
    """Make ``output``; return what the source included, as clang wrote it (relative to the unit's folder).

    folder: for what is made on the way. said: a file for the front end's diagnostics, and then code generation that
    says anything is an error; without it they go where the caller's go. passes: what runs the pipeline.
    Raises FrontEndFailed, PassError, CodeGenerationFailed.
    """
    if passes is None:
        from colt_llvm.llvm.replay import replay

        passes = replay
    raw, optimised, dependencies = folder / RAW, folder / "optimised.bc", folder / "raw.d"
    status = subprocess.call([clang, *front_end_words(unit, level, raw, dependencies)], cwd=unit.directory, stderr=said)
    if status:
        raise FrontEndFailed(status)
    optimised.write_bytes(passes(library, [raw.read_bytes()], pipeline, CODEGEN_LEVEL[level])[0])
    length = None if said is None else os.fstat(said).st_size
    status = subprocess.call([clang, *codegen_words(unit, level, optimised, output)], cwd=unit.directory, stderr=said)
    if status or (said is not None and length is not None and _says_more(said, length)):
        raise CodeGenerationFailed(f"{unit.command.source}: code generation fails on what the recipe made; tune again")
    if unit.command.dependency_file:
        dependencies = unit.directory / unit.command.dependency_file
    return read_dependencies(dependencies)


def _says_more(said: int, length: int) -> bool:
    """Whether anything came after so many bytes. What the loader says of LD_PRELOAD it says of every process."""
    more = os.fstat(said).st_size - length
    if not more:
        return False
    with open(f"/proc/self/fd/{said}", "rb") as file:  # it may have been opened for writing alone
        file.seek(length)
        lines = file.read().splitlines()
    return any(not line.startswith(b"ERROR: ld.so: object ") for line in lines)


def read_dependencies(file: Path) -> list[str]:
    """The prerequisites in a make rule that clang wrote."""
    try:
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    rule = text.replace("\\\n", " ").split("\n", 1)[0]
    _, _, prerequisites = rule.partition(": ")
    names, name, index = [], "", 0
    while index < len(prerequisites):
        letter = prerequisites[index]
        following = prerequisites[index + 1 : index + 2]
        if (letter == "\\" and following in (" ", "#")) or (letter == "$" and following == "$"):
            name, index = name + following, index + 2
            continue
        if letter == " ":
            names += [name] if name else []
            name = ""
        else:
            name += letter
        index += 1
    return [*names, name] if name else names


def inputs_in(root: str, directory: str, names: Sequence[str]) -> set[str]:
    """Of what was included, what lies in ``root``; relative to it, links resolved."""
    found = set()
    inside = root.rstrip(os.sep) + os.sep
    for name in names:
        path = os.path.realpath(os.path.join(directory, name))
        if path.startswith(inside):
            found.add(os.path.relpath(path, root))
    return found


def _leading(command: Command, level: str) -> list[str]:
    """-Ofast stays itself where the level is its own: clang says that it is deprecated."""
    first = "-Ofast" if command.level_word == "-Ofast" and level == "O3" else f"-{level}"
    return [first, *command.passed]


def _for_code_generation(passed: Sequence[str]) -> list[str]:
    """Without the language, and without warnings: the front end has judged those words."""
    kept, words = [], iter(passed)
    for word in words:
        if word == "-x":
            next(words, "")
        elif not word.startswith("-W") or word.startswith("-Wa,"):
            kept.append(word)
    return kept
