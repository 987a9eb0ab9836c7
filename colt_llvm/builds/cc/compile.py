"""One unit, built as a recipe says: the front end, the pipeline, code generation.

colt-cc, tuning and ``recipes --verify`` share these three steps, so that what was measured is what is shipped.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from colt_llvm.builds.cc.arguments import Command
from colt_llvm.builds.cc.options import CODEGEN_LEVEL, uses_profile
from colt_llvm.core.errors import CompileError

if TYPE_CHECKING:
    from colt_llvm.program.compilation import Level

PASSES_OFF = ("-Xclang", "-disable-llvm-passes")
_KEEP_ORDER = ("-Xclang", "-emit-llvm-uselists")
#: Words for the front end or the linker mean nothing to code generation; the front end has warned of useless ones.
NO_UNUSED_WARNING = "-Wno-unused-command-line-argument"

#: What a source can know of the moment it is built at. The two share no digit, for a source may use a single one.
MOMENTS = (
    {"__DATE__": '"Jan  1 1970"', "__TIME__": '"00:00:00"', "__TIMESTAMP__": '"Thu Jan  1 00:00:00 1970"'},
    {"__DATE__": '"Dec 29 2068"', "__TIME__": '"23:59:59"', "__TIMESTAMP__": '"Sat Dec 29 23:59:59 2068"'},
)
#: The front end's bitcode, in the folder of intermediate files.
RAW = "raw.bc"
#: (library, [bitcode], pipeline, level of code generation) -> [bitcode]; as ``llvm.replay.replay``.
Passes = Callable[[Path, Sequence[bytes], str, int], list[bytes]]


class FrontEndFailed(CompileError):
    """clang refused the source; it has said why already."""

    def __init__(self) -> None:
        super().__init__("the source does not compile")


class CodeGenerationFailed(CompileError):
    """clang makes no object of the optimised module, or warns of it."""


@dataclass(frozen=True)
class Unit:
    """One source that a build compiles to one object."""

    command: Command  # of kind "compile"
    directory: Path  # in which it is run

    @property
    def source(self) -> Path:
        """The source, absolute, links resolved."""
        return Path(os.path.realpath(self.directory / self.command.source))

    @property
    def output(self) -> Path:
        """The object, absolute."""
        return Path(os.path.normpath(self.directory / self.command.output))


@dataclass(frozen=True)
class Steps:
    """By whom and how a unit is built with a recipe."""

    clang: str  # or clang++
    library: Path  # libLLVM of the same version
    level: Level  # of the front end and of code generation
    pipeline: str  # complete text for ``opt -passes=``; empty runs no passes


def quiet(unit: Unit) -> Unit:
    """The same unit without the user's dependency file and without warnings: those were printed by the build."""
    command = copy(unit.command)
    command.dependencies, command.dependency_file = [], ""
    command.passed = [*command.passed, "-w"]
    return Unit(command, unit.directory)


def at_two_moments(unit: Unit) -> tuple[Unit, Unit]:
    """The same unit at one date and time and at another, where its command defines none.

    Their objects differ where the source puts any part of them into its code.
    """
    defined = {word.removeprefix("-D").partition("=")[0] for word in unit.command.passed}

    def at(moment: Mapping[str, str]) -> Unit:
        command = copy(unit.command)
        macros = [f"-D{name}={value}" for name, value in moment.items() if name not in defined]
        command.passed = [*command.passed, *macros]
        return Unit(command, unit.directory)

    return at(MOMENTS[0]), at(MOMENTS[1])


def front_end_words(unit: Unit, level: str, bitcode: Path, dependencies: Path | None) -> list[str]:
    """clang's arguments for source to bitcode: unoptimised, as ``level`` starts from.

    dependencies: where clang lists the inputs if the user asked for no such list; None for no list.
    """
    command = unit.command
    own = [] if command.dependencies or dependencies is None else ["-MD", "-MF", str(dependencies), "-MQ", "unit"]
    return [*_leading(command, level), *command.dependencies, *own, *PASSES_OFF, *_KEEP_ORDER,
            "-emit-llvm", "-c", command.source, "-o", str(bitcode)]  # fmt: skip


def profile_words(unit: Unit, level: str, bitcode: Path) -> list[str]:
    """clang's arguments for its own passes over the front end's bitcode, as far as the one that reads a profile."""
    passed = _without_language(unit.command.passed)
    return [f"-{level}", *passed, NO_UNUSED_WARNING, *_KEEP_ORDER, "-emit-llvm", "-x", "ir", "-c", str(bitcode)]


def codegen_words(unit: Unit, level: str, bitcode: Path, output: Path, pipeline: str = "") -> list[str]:
    """clang's arguments for bitcode that ``pipeline`` has optimised to an object, without more passes."""
    passed = _for_code_generation(unit.command.passed)  # what has a profile has read it
    passed += switch_words(pipeline, passed)
    return [f"-{level}", *passed, NO_UNUSED_WARNING, *PASSES_OFF, "-x", "ir", "-c", str(bitcode), "-o", str(output)]


def switch_words(pipeline: str, given: Sequence[str]) -> tuple[str, ...]:
    """What a pipeline's decisions say to clang's code generation, less what is ``given`` already."""
    if "decide(" not in pipeline:
        return ()
    from colt_llvm.llvm.decision import switch_flags, switches_in

    return switch_flags(switches_in(pipeline), given)


def plain_words(unit: Unit, level: str, output: Path) -> list[str]:
    """clang's arguments for the object that the build itself would make at ``level``."""
    command = unit.command
    return [f"-{level}", *command.passed, "-c", command.source, "-o", str(output)]


def asked_words(unit: Unit, output: Path) -> list[str]:
    """clang's arguments for what the command asks for, its dependency file too, to another output."""
    command = unit.command
    leading = [command.level_word, *command.passed] if command.level_word else command.passed
    return [*leading, *command.dependencies, "-c", command.source, "-o", str(output)]


def compile_unit(
    unit: Unit, steps: Steps, folder: Path, output: Path, *, said: int | None = None, passes: Passes | None = None
) -> list[str]:
    """Make ``output``; return the files that the source includes, as clang names them (relative to the unit's folder).

    folder: for intermediate files. said: descriptor of a file for the front end's diagnostics, and then any diagnostic
    of code generation is an error; None prints all. passes: runs the pipeline; None for ``llvm.replay.replay``.
    Raises FrontEndFailed, PassError, CodeGenerationFailed.
    """
    if passes is None:
        from colt_llvm.llvm.replay import replay

        passes = replay
    raw, optimised, dependencies = folder / RAW, folder / "optimised.bc", folder / "raw.d"
    front = [steps.clang, *front_end_words(unit, steps.level, raw, dependencies)]
    if subprocess.call(front, cwd=unit.directory, stderr=said):
        raise FrontEndFailed
    if unit.command.profile:
        _read_profile(unit, steps, raw, said)
    made = passes(steps.library, [raw.read_bytes()], steps.pipeline, CODEGEN_LEVEL[steps.level])
    optimised.write_bytes(made[0])
    length = 0 if said is None else os.fstat(said).st_size
    back = [steps.clang, *codegen_words(unit, steps.level, optimised, output, steps.pipeline)]
    status = subprocess.call(back, cwd=unit.directory, stderr=said)
    if status or (said is not None and _says_more(said, length)):
        raise CodeGenerationFailed(f"{unit.command.source}: code generation fails on what the recipe made; tune again")
    if unit.command.dependency_file:
        dependencies = unit.directory / unit.command.dependency_file
    return read_dependencies(dependencies)


def _read_profile(unit: Unit, steps: Steps, raw: Path, said: int | None) -> None:
    """Where one of clang's passes reads the profile, run its passes over ``raw`` as far as that: as a search begins.

    said: as in ``compile_unit``. Raises FrontEndFailed.
    """
    from colt_llvm.program.profile import reading_profile

    words = [steps.clang, *profile_words(unit, steps.level, raw)]
    if as_far := reading_profile(words, Path(unit.command.profile), unit.directory):
        made = raw.with_name("with-profile.bc")
        done = subprocess.run([*words, *as_far, "-o", str(made)], cwd=unit.directory, stderr=subprocess.PIPE)
        lines = [line for line in done.stderr.splitlines(keepends=True) if not line.startswith(b"BISECT: ")]
        os.write(2 if said is None else said, b"".join(lines))
        if done.returncode:
            raise FrontEndFailed
        made.replace(raw)


def _says_more(said: int, length: int) -> bool:
    """Whether diagnostics came after so many bytes; what the loader says of LD_PRELOAD is none."""
    more = os.fstat(said).st_size - length
    if not more:
        return False
    with open(f"/proc/self/fd/{said}", "rb") as file:  # it may have been opened for writing alone
        file.seek(length)
        lines = file.read().splitlines()
    return any(not line.startswith(b"ERROR: ld.so: object ") for line in lines)


def read_dependencies(file: Path) -> list[str]:
    """The prerequisites in a make rule that clang wrote; empty where there is no such file."""
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
    """Those of the included files ``names`` that lie in ``root``: relative to it, links resolved.

    directory: what names are relative to.
    """
    found = set()
    inside = root.rstrip(os.sep) + os.sep
    for name in names:
        path = os.path.realpath(os.path.join(directory, name))
        if path.startswith(inside):
            found.add(os.path.relpath(path, root))
    return found


def _leading(command: Command, level: str) -> list[str]:
    """The level and other options; -Ofast stays as written where the level is its own: clang warns of it."""
    first = "-Ofast" if command.level_word == "-Ofast" and level == "O3" else f"-{level}"
    return [first, *command.passed]


def _for_code_generation(passed: Sequence[str]) -> list[str]:
    """Without the language, warnings and a profile, which have been dealt with."""
    kept = _without_language(passed)
    return [word for word in kept if not uses_profile(word) and (not word.startswith("-W") or word.startswith("-Wa,"))]


def _without_language(passed: Sequence[str]) -> list[str]:
    kept, words = [], iter(passed)
    for word in words:
        if word == "-x":
            next(words, "")
        else:
            kept.append(word)
    return kept
