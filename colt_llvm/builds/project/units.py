"""Units of a project: what each is compiled to, and each as a program of its own that can be searched."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.builds.cc.compile import (
    MOMENTS,
    Steps,
    Unit,
    at_two_moments,
    compile_unit,
    front_end_words,
    inputs_in,
    plain_words,
    quiet,
    read_dependencies,
)
from colt_llvm.builds.cc.options import uses_profile
from colt_llvm.builds.project.learn import shown
from colt_llvm.core.errors import CompileError, UsageError
from colt_llvm.llvm.elf import loaded_digest, section_sizes
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.compilation import Level
from colt_llvm.program.profile import profile_is_read_by_a_pass
from colt_llvm.program.program import Check, Program, Workload

#: Options that the front end has used up when there is bitcode.
_FRONT_END = (
    "-D", "-U", "-I", "-include", "-imacros", "-isystem", "-iquote", "-idirafter", "-std=", "-W", "-pedantic",
    "-w", "-x", "-fdiagnostics", "-fcolor-diagnostics", "-ffile-prefix-map", "-fmacro-prefix-map",
)  # fmt: skip
#: clang warns of macros that give the time, in any header, and of nothing else.
_TELL_TIMES = ("-Wno-everything", "-Wdate-time", "-Wsystem-headers", "-Wno-error", "-Wno-error=date-time")
#: And of a profile that does not fit.
_TELL_OF_PROFILE = ("-Wprofile-instr-out-of-date", "-Wprofile-instr-unprofiled", "-Wbackend-plugin")
_TWO_WORDS = {"-D", "-U", "-I", "-include", "-imacros", "-isystem", "-iquote", "-idirafter", "-x"}


class NotTunable(CompileError):
    """No recipe can be made for this unit; the text says why: "it is ..."."""


@dataclass(frozen=True)
class Measured:
    """A unit of the program that can be tuned, and its objects."""

    unit: Unit
    name: str  # of the source, relative to the project where it lies in it
    object: bytes  # as the build's own flags make it
    baseline: bytes  # at the baseline's level
    text: int  # code bytes of the baseline
    said: str = ""  # what clang says of the profile that it is compiled with

    @property
    def output(self) -> Path:
        """The object's path in the build."""
        return self.unit.output

    @property
    def source_name(self) -> str:
        """The source's name without its folder."""
        return os.path.basename(self.name)

    @property
    def folder_name(self) -> str:
        """A short, unique name for its folder in the run directory."""
        digest = hashlib.blake2b(str(self.unit.output).encode(), digest_size=3).hexdigest()
        return f"{self.unit.source.stem}-{digest}"


def measure_unit(
    toolchain: Toolchain, unit: Unit, root: Path, level: Level, folder: Path, tuned: bool = False
) -> Measured:
    """Build the unit at ``level``, the baseline's. Raises CompileError, NotTunable.

    root: the project. folder: for the objects. tuned: the build used a recipe, so its object is not what its flags
    give.
    """
    baseline = folder / "baseline.o"
    _check_profile(toolchain, unit, level)
    times, said = _times_in(toolchain, unit, root, level, baseline)
    if times:
        raise NotTunable(f"it is another object at each build, because of {' and '.join(times)}")
    built = unit.output
    if tuned:
        built = folder / "plain.o"
        call(toolchain, unit, plain_words(unit, unit.command.level or "O0", built))
    source = str(unit.source)
    name = os.path.relpath(source, root) if source.startswith(str(root) + os.sep) else source
    data = baseline.read_bytes()
    return Measured(unit, name, built.read_bytes(), data, section_sizes(data).text_bytes, said)


def _times_in(toolchain: Toolchain, unit: Unit, root: Path, level: Level, output: Path) -> tuple[list[str], str]:
    """Make the object: (those macros that give the time and change it, what clang said of it and of a profile).

    Raises CompileError, NotTunable.
    """
    dependencies = output.with_name("baseline.d")
    words = [*plain_words(unit, level, output), "-MD", "-MF", str(dependencies), "-MQ", "unit"]
    try:
        tell = (*_TELL_TIMES, *(_TELL_OF_PROFILE if unit.command.profile else ()))
        said = call(toolchain, unit, [word for word in words if word != "-w"], tell)
    except CompileError:  # it compiles only with all warnings off
        call(toolchain, unit, words)
        said = ""
    _check_names(unit, root, read_dependencies(dependencies))
    if "date-time" not in said:
        return [], said
    objects = []
    for moment in at_two_moments(unit):
        again = output.with_name("another-moment.o")
        call(toolchain, unit, plain_words(moment, level, again))
        objects.append(again.read_bytes())
    if same_code(*objects):
        return [], said
    return [name for name in MOMENTS[0] if name in said] or ["the date or time"], said


def _check_profile(toolchain: Toolchain, unit: Unit, level: Level) -> None:
    try:
        profile_is_read_by_a_pass(toolchain, level, _flags_with_profile(unit), unit.command.cxx)
    except UsageError:
        raise NotTunable("it is compiled with a profile of context-sensitive counts, read amid the passes") from None


def _check_names(unit: Unit, root: Path, included: Sequence[str]) -> None:
    """Raise NotTunable where a name in the unit's recipe would not be UTF-8."""
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
    """The unit as a program that ``tune`` can search: its unoptimised bitcode, written to ``folder``.

    Raises CompileError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bitcode = folder / f"{unit.source.stem}.bc"
    call(toolchain, unit, front_end_words(quiet(unit), level, bitcode, None))
    return Program(
        name=unit.source.name,
        sources=(bitcode.resolve(),),
        cflags=_flags_with_profile(unit),
        workloads=tuple(workloads),
        check=check,
    )


def _flags_with_profile(unit: Unit) -> tuple[str, ...]:
    """The search runs in another folder than the build, so the profile is named with its own."""
    return tuple(
        f"{flag.partition('=')[0]}={unit.command.profile}" if uses_profile(flag) else flag
        for flag in codegen_flags(unit.command.passed)
    )


def build_unit(toolchain: Toolchain, unit: Unit, level: Level, pipeline: str, folder: Path) -> bytes:
    """The object that a recipe with this pipeline makes. Raises PassError, CompileError."""
    output = folder / "unit.o"
    folder.mkdir(parents=True, exist_ok=True)
    steps = Steps(_compiler(toolchain, unit), toolchain.library, level, pipeline)
    compile_unit(quiet(unit), steps, folder, output)
    return output.read_bytes()


def codegen_flags(passed: Sequence[str]) -> tuple[str, ...]:
    """The options of a command, ``Command.passed``, that code generation needs when there is bitcode."""
    kept, skip = [], False
    for word in passed:
        if skip:
            skip = False
        elif word in _TWO_WORDS:
            skip = True
        elif not word.startswith(_FRONT_END) or word.startswith("-Wa,"):
            kept.append(word)
    return tuple(kept)


def without_profile(unit: Unit) -> Unit:
    """The same unit, compiled without its profile."""
    command = copy(unit.command)
    command.passed, command.profile = [word for word in command.passed if not uses_profile(word)], ""
    return Unit(command, unit.directory)


def same_code(a: bytes, b: bytes) -> bool:
    """Whether programs load the same of two objects."""
    return a == b or loaded_digest(a) == loaded_digest(b)


def _compiler(toolchain: Toolchain, unit: Unit) -> str:
    return str(toolchain.compiler(unit.command.cxx))


def call(toolchain: Toolchain, unit: Unit, words: Sequence[str], warnings: Sequence[str] = ("-w",)) -> str:
    """Run clang for this unit; its diagnostics. warnings: options about them. Raises CompileError."""
    done = subprocess.run(
        [_compiler(toolchain, unit), *words, *warnings], cwd=unit.directory, capture_output=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode:
        why = next((line for line in said.splitlines() if "error:" in line), f"status {done.returncode}")
        raise CompileError(
            f"{unit.command.source}: does not compile outside of the build ({why}); clean and build it", said
        )
    return said
