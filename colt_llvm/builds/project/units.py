"""A unit of a build as a program of its own: its unoptimised bitcode, and the flags that code generation needs."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.builds.cc.compile import (
    Unit,
    compile_unit,
    front_end_words,
    inputs_in,
    plain_words,
    read_dependencies,
)
from colt_llvm.builds.project.learn import shown
from colt_llvm.core.errors import CompileError
from colt_llvm.llvm.elf import loaded_digest, section_sizes
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.compilation import Level
from colt_llvm.program.program import Check, Program, Workload

#: Options that the front end has used up when there is bitcode.
_FRONT_END = (
    "-D", "-U", "-I", "-include", "-imacros", "-isystem", "-iquote", "-idirafter", "-std=", "-W", "-pedantic",
    "-w", "-x", "-fdiagnostics", "-fcolor-diagnostics", "-ffile-prefix-map", "-fmacro-prefix-map",
)  # fmt: skip
#: So that clang says where a macro gives the time, in any header, and says nothing else.
_TELL_TIMES = ("-Wno-everything", "-Wdate-time", "-Wsystem-headers", "-Wno-error", "-Wno-error=date-time")
#: What a source may know of the moment it is built at: two moments that share no digit, for a source may use one alone.
_MOMENTS = (
    {"__DATE__": '"Jan  1 1970"', "__TIME__": '"00:00:00"', "__TIMESTAMP__": '"Thu Jan  1 00:00:00 1970"'},
    {"__DATE__": '"Dec 29 2068"', "__TIME__": '"23:59:59"', "__TIMESTAMP__": '"Sat Dec 29 23:59:59 2068"'},
)
_TWO_WORDS = {"-D", "-U", "-I", "-include", "-imacros", "-isystem", "-iquote", "-idirafter", "-x"}


class NotTunable(CompileError):
    """No recipe is for this unit; the text says why: "it is ..."."""


@dataclass(frozen=True)
class Measured:
    """A unit and its object as the build made it. name: of the source, relative to the project where it lies in it.

    mark: the object at the objective's level. text: code bytes of it.
    """

    unit: Unit
    name: str
    object: bytes
    mark: bytes
    text: int

    @property
    def source_name(self) -> str:
        """The file's own name."""
        return os.path.basename(self.name)

    @property
    def folder_name(self) -> str:
        """A short name of its own for a run directory."""
        digest = hashlib.blake2b(str(self.unit.output).encode(), digest_size=3).hexdigest()
        return f"{self.unit.source.stem}-{digest}"


def measure_unit(
    toolchain: Toolchain, unit: Unit, root: Path, level: Level, folder: Path, tuned: bool = False
) -> Measured:
    """Build the unit at ``level`` as clang does. Raises CompileError, NotTunable.

    tuned: the build used a recipe for it, so that its object is not what its flags alone give.
    """
    mark = folder / "mark.o"
    if times := _times_in(toolchain, unit, root, level, mark):
        raise NotTunable(f"it is another object at each build, because of {' and '.join(times)}")
    built = unit.output
    if tuned:
        built = folder / "plain.o"
        call(toolchain, unit, plain_words(unit, unit.command.level or "O0", built))
    source = str(unit.source)
    name = os.path.relpath(source, root) if source.startswith(str(root) + os.sep) else source
    data = mark.read_bytes()
    return Measured(unit, name, built.read_bytes(), data, section_sizes(data).text_bytes)


def _times_in(toolchain: Toolchain, unit: Unit, root: Path, level: Level, output: Path) -> list[str]:
    """Make the object; which macros that give the time change it. Raises CompileError, NotTunable."""
    dependencies = output.with_name("mark.d")
    words = [*plain_words(unit, level, output), "-MD", "-MF", str(dependencies), "-MQ", "unit"]
    try:
        said = call(toolchain, unit, [word for word in words if word != "-w"], _TELL_TIMES)
    except CompileError:  # it stands only without any warning
        call(toolchain, unit, words)
        said = ""
    _check_names(unit, root, read_dependencies(dependencies))
    if "date-time" not in said:
        return []
    objects = []
    for moment in at_two_moments(unit):
        again = output.with_name("another-moment.o")
        call(toolchain, unit, plain_words(moment, level, again))
        objects.append(again.read_bytes())
    if same_code(*objects):
        return []
    return [name for name in _MOMENTS[0] if name in said] or ["the date or time"]


def _check_names(unit: Unit, root: Path, included: Sequence[str]) -> None:
    """A recipe is text. Raises NotTunable where a name in it would not be."""
    place, command = str(root), unit.command
    inputs = inputs_in(place, str(unit.directory), included)
    for name in (str(unit.source), str(unit.output), str(unit.directory), *command.passed, *sorted(inputs)):
        try:
            name.replace(place, "").encode()
        except UnicodeEncodeError:
            given = shown(name, root)
            raise NotTunable(f"it is compiled with a name that is not UTF-8 ({given}), and recipes are text") from None


def unit_program(
    toolchain: Toolchain, unit: Unit, level: Level, folder: Path, workloads: Sequence[Workload], check: Check
) -> Program:
    """The program that ``tune`` searches with. Its one source is written to ``folder``. Raises CompileError."""
    folder.mkdir(parents=True, exist_ok=True)
    bitcode = folder / f"{unit.source.stem}.bc"
    call(toolchain, unit, front_end_words(quiet(unit), level, bitcode, None))
    return Program(
        name=unit.source.name,
        sources=(bitcode.resolve(),),
        cflags=codegen_flags(unit.command.passed),
        workloads=tuple(workloads),
        check=check,
    )


def build_unit(toolchain: Toolchain, unit: Unit, level: Level, pipeline: str, folder: Path) -> bytes:
    """The object that a recipe with this pipeline gives. Raises PassError, CompileError."""
    output = folder / "unit.o"
    folder.mkdir(parents=True, exist_ok=True)
    compile_unit(_compiler(toolchain, unit), toolchain.library, quiet(unit), level, pipeline, folder, output)
    return output.read_bytes()


def quiet(unit: Unit) -> Unit:
    """The same, without the user's dependency file and without warnings: those were said when the build ran."""
    command = copy(unit.command)
    command.dependencies, command.dependency_file = [], ""
    command.passed = [*command.passed, "-w"]
    return Unit(command, unit.directory)


def at_two_moments(unit: Unit) -> tuple[Unit, Unit]:
    """The same with one date and time and with another, where the command says none.

    Their objects differ where the source puts any part of them into its code.
    """
    said = {word.removeprefix("-D").partition("=")[0] for word in unit.command.passed}

    def at(moment: Mapping[str, str]) -> Unit:
        command = copy(unit.command)
        command.passed = [*command.passed, *(f"-D{name}={value}" for name, value in moment.items() if name not in said)]
        return Unit(command, unit.directory)

    return at(_MOMENTS[0]), at(_MOMENTS[1])


def codegen_flags(passed: Sequence[str]) -> tuple[str, ...]:
    kept, skip = [], False
    for word in passed:
        if skip:
            skip = False
        elif word in _TWO_WORDS:
            skip = True
        elif not word.startswith(_FRONT_END) or word.startswith("-Wa,"):
            kept.append(word)
    return tuple(kept)


def same_code(a: bytes, b: bytes) -> bool:
    return a == b or loaded_digest(a) == loaded_digest(b)


def _compiler(toolchain: Toolchain, unit: Unit) -> str:
    return str(toolchain.compiler(unit.command.cxx))


def call(toolchain: Toolchain, unit: Unit, words: Sequence[str], warnings: Sequence[str] = ("-w",)) -> str:
    """Run clang for this unit, quietly by default; what it says. Raises CompileError."""
    done = subprocess.run(
        [_compiler(toolchain, unit), *words, *warnings], cwd=unit.directory, capture_output=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode:
        why = next((line for line in said.splitlines() if "error:" in line), f"status {done.returncode}")
        raise CompileError(f"{unit.command.source}: does not compile outside of the build ({why}); build it anew", said)
    return said
