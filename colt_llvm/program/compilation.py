"""clang's part: the front end, plain objects for the baseline, code generation, linking.

The front end runs at the baseline's own level with its passes off. At -O0 it would mark functions optnone;
at another level it would set other attributes (minsize), and the comparison would flatter the search.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

from colt_llvm.core import process
from colt_llvm.core.errors import (
    CommandNotFound,
    CompileError,
    OutputLimitExceeded,
    ProcessTimeout,
    RunDirectoryError,
    UsageError,
)
from colt_llvm.core.variables import deciding_variables
from colt_llvm.llvm.decision import switch_flags, switches_in
from colt_llvm.llvm.processor import link_flags, named_target
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.profile import (
    number_of_reader,
    passes_up_to,
    profile_is_read_by_a_pass,
    require_profile,
    without_profile,
)
from colt_llvm.program.program import IR_SUFFIXES, Program

Level = Literal["O1", "O2", "O3", "Os", "Oz"]
LEVELS: tuple[Level, ...] = get_args(Level)

#: What clang's own driver asks of code generation at each level.
CODEGEN_LEVEL: dict[Level, int] = {"O1": 1, "O2": 2, "O3": 3, "Os": 2, "Oz": 2}

_LIMITS = process.Limits(wall_seconds=300.0, output_bytes=1 << 30)
_PASSES_OFF = ("-Xclang", "-disable-llvm-passes")
#: Passes visit the users of a value in order; bitcode without that order optimises differently.
_KEEP_ORDER = ("-Xclang", "-emit-llvm-uselists")
#: As GNU's linkers and lld say it.
_UNDEFINED = re.compile(r"undefined (?:reference to `(.+?)'|symbol: (.+))$", re.MULTILINE)
_MOST_NAMED = 4
#: What clang and the system's own linker say where headers and a linker for another processor lack.
_NO_CROSS = ("file not found", "unrecognised emulation mode", "cannot find crt1.o", "unable to execute command")
#: Where a flag is to blame and not the source: what clang says -> what to do.
_FLAGS_AT_FAULT = (
    (re.compile("unknown target"), "check --target, -march and -mcpu: clang --print-targets lists what there is"),
    (re.compile("reading profile|profile data"), "give a profile that this LLVM's llvm-profdata wrote, or --pgo"),
    (re.compile("unknown argument|unsupported option|invalid value"), "check --cflags"),
)
_IR = ("-x", "ir", "-Wno-unused-command-line-argument")


def front_end_command(toolchain: Toolchain, program: Program, source: Path, level: Level) -> list[str]:
    """Source to bitcode, unoptimised, as the baseline's level would start from.

    Where one of clang's passes reads a profile, clang runs its own as far as that. Raises CompileError, UsageError.
    """
    language = _IR if source.suffix in IR_SUFFIXES else ()
    passes: tuple[str, ...] = _PASSES_OFF
    if profile_is_read_by_a_pass(toolchain, level, program.cflags, program.is_cxx):
        passes = passes_up_to(number_of_reader([*baseline_command(toolchain, program, source, level), "-emit-llvm"]))
    return [*_base(toolchain, program, level), *passes, *_KEEP_ORDER, *language, "-emit-llvm", "-c", str(source)]


def baseline_command(toolchain: Toolchain, program: Program, source: Path, level: Level) -> list[str]:
    """What the user would have typed: plain ``clang -O3 -c``."""
    language = _IR if source.suffix in IR_SUFFIXES else ()
    return [*_base(toolchain, program, level), *language, "-c", str(source)]


def codegen_command(
    toolchain: Toolchain, program: Program, bitcode: Path, level: Level, pipeline: str = ""
) -> list[str]:
    """Optimised bitcode to an object, with clang's own code generation options and no more passes.

    pipeline: what it was optimised by, which may say more for code generation (``llvm.decision.SWITCHES``).
    """
    switches = switch_flags(switches_in(pipeline), program.cflags)
    plain = replace(program, cflags=without_profile(program.cflags))  # what has a profile has read it
    return [*_base(toolchain, plain, level), *switches, *_PASSES_OFF, *_IR, "-c", str(bitcode)]


def front_end(toolchain: Toolchain, program: Program, level: Level) -> list[bytes]:
    """One bitcode for each source, in order. Raises CompileError with clang's own message; UsageError for a profile."""
    require_profile(program.cflags)
    return [_produce(front_end_command(toolchain, program, source, level)) for source in program.sources]


def baseline_objects(
    toolchain: Toolchain, program: Program, level: Level, said: list[str] | None = None
) -> list[bytes]:
    """One object for each source, from plain clang. said: gets what clang warned about. Raises CompileError."""
    return [_produce(baseline_command(toolchain, program, source, level), said) for source in program.sources]


def generate_objects(
    toolchain: Toolchain, program: Program, bitcodes: Sequence[bytes], level: Level, pipeline: str = ""
) -> list[bytes]:
    """One object for each bitcode that ``pipeline`` has optimised, by clang. Raises CompileError."""
    objects = []
    with TemporaryDirectory(prefix="colt-") as folder:
        for index, bitcode in enumerate(bitcodes):
            path = Path(folder) / f"{index}.bc"
            path.write_bytes(bitcode)
            objects.append(_produce(codegen_command(toolchain, program, path, level, pipeline)))
    return objects


def link(
    toolchain: Toolchain, program: Program, objects: Sequence[bytes], executable: Path, level: Level = "O3"
) -> Path:
    """Link objects, and the harness as plain clang makes it at ``level``, to ``executable``. Raises CompileError."""
    objects = [*objects, *_harness_objects(toolchain, program, level)]
    with TemporaryDirectory(prefix="colt-") as folder:
        paths = []
        for index, data in enumerate(objects):
            path = Path(folder) / f"{index}.o"
            path.write_bytes(data)
            paths.append(str(path))
        command = [str(toolchain.compiler(program.is_cxx)), *link_flags(program.cflags), *paths, "-o", str(executable)]
        command += program.ldflags
        if not _link_without_clang(command, [*paths, str(executable)]):
            names = [source.name for source in (*program.sources, *program.harness)]
            _check_link(command, _run(command), dict(zip(paths, names, strict=False)))
    return executable


#: By clang's command without paths, and the variables that decide: the linker's words, with numbers for the paths; None
#: where clang would start more than one command; () where it was not asked yet.
_linkers: dict[tuple[object, ...], tuple[str | int, ...] | None] = {}


def _link_without_clang(command: Sequence[str], paths: Sequence[str]) -> bool:
    """Run the linker as clang would, from the second time on: a search links each candidate, and most of the time that
    takes is clang's start. False where clang has to do it, and to say what is wrong.
    """
    places = {path: number for number, path in enumerate(paths)}
    known = tuple(places.get(word, word) for word in command)
    key = known, os.environ.get("PATH"), frozenset(deciding_variables().items())
    if key not in _linkers:
        _linkers[key] = ()
        return False
    if _linkers[key] == ():
        _linkers[key] = _linker_of(command, places)
    words = _linkers[key]
    if words is None:
        return False
    try:
        return _run([word if isinstance(word, str) else paths[word] for word in words]).status == 0
    except CommandNotFound:
        return False


def _linker_of(command: Sequence[str], places: Mapping[str, int]) -> tuple[str | int, ...] | None:
    said = _run([*command, "-###"]).stderr.decode("utf-8", "surrogateescape")
    jobs = [line for line in said.splitlines() if line.startswith(' "')]
    if len(jobs) != 1 or "\\" in jobs[0]:
        return None
    words = tuple(places.get(word, word) for word in shlex.split(jobs[0]))
    return words if set(places.values()) <= set(words) else None


@lru_cache(maxsize=8)
def _harness_objects(toolchain: Toolchain, program: Program, level: Level) -> tuple[bytes, ...]:
    return tuple(_produce(baseline_command(toolchain, program, source, level)) for source in program.harness)


def _base(toolchain: Toolchain, program: Program, level: Level) -> list[str]:
    if level not in LEVELS:
        raise UsageError(f"level {level!r}: use one of {', '.join(LEVELS)}")
    return [str(toolchain.compiler(program.is_cxx)), f"-{level}", *program.cflags]


def _produce(command: Sequence[str], said: list[str] | None = None) -> bytes:
    with TemporaryDirectory(prefix="colt-") as folder:
        output = Path(folder) / "out"
        command = [*command, "-o", str(output)]
        done = _run(command)
        _check(command, done)
        if said is not None:
            said.append(done.stderr.decode("utf-8", "replace"))
        if not output.is_file():
            raise CompileError(f"clang makes no object with these flags; check --cflags: {shlex.join(command)}")
        return output.read_bytes()


def _run(command: Sequence[str]) -> process.Completed:
    try:
        return process.run(command, limits=_LIMITS)
    except (ProcessTimeout, OutputLimitExceeded) as error:
        raise CompileError(f"the compiler does not end: {error}") from error


def _check(command: Sequence[str], completed: process.Completed, failed: str = "does not compile") -> None:
    if completed.status == 0:
        return
    diagnostics = completed.stderr.decode("utf-8", "replace").rstrip()
    if "No space left on device" in diagnostics:
        raise RunDirectoryError("the disk is full; free some space, or set TMPDIR to a folder that has it")
    triple = named_target(command)
    lacks = triple and any(said in diagnostics for said in _NO_CROSS)
    more = f"; install the tools for {triple} (Debian, Ubuntu: apt-get install gcc-{triple})" if lacks else ""
    for said, remedy in () if lacks else _FLAGS_AT_FAULT:
        if said.search(diagnostics):
            more = f"; {remedy}"
            break
    raise CompileError(f"{failed} ({completed.describe_status()}){more}: {shlex.join(command)}", diagnostics)


def _check_link(command: Sequence[str], completed: process.Completed, names: Mapping[str, str]) -> None:
    """names: of the sources, by the objects' temporary paths."""
    diagnostics = completed.stderr.decode("utf-8", "replace").rstrip()
    lacking = list(dict.fromkeys(first or second for first, second in _UNDEFINED.findall(diagnostics)))
    if "main" in lacking:
        raise CompileError(
            "the sources have no main, so nothing can be run and checked; give all sources of the program, add a "
            "file that has one with --harness, or tune the objects alone with --test COMMAND or --unchecked"
        )
    if lacking:
        for path, name in names.items():
            diagnostics = diagnostics.replace(path, name)
        more = f" and {len(lacking) - _MOST_NAMED} more" if len(lacking) > _MOST_NAMED else ""
        raise CompileError(
            f"does not link, for {', '.join(lacking[:_MOST_NAMED])}{more} is defined nowhere; give all sources of the "
            "program, and its libraries with --ldflags",
            diagnostics,
        )
    _check(command, completed, "does not link")
