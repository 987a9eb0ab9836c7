"""From a suite to programs: each with its workloads, its limits, and what it is known to do."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from colt_llvm.core import process
from colt_llvm.core.errors import ProcessTimeout, UsageError
from colt_llvm.core.files import replacing
from colt_llvm.experiments.experiment import SuiteSpec, safe
from colt_llvm.program.program import C_SUFFIXES, CXX_SUFFIXES, IR_SUFFIXES, Program, Workload, included_programs


@dataclass(frozen=True)
class BenchProgram:
    """One program of a suite, under a name that no other program of the experiment has."""

    suite: str
    program: Program
    expected_status: int = 0  #: what it exits with
    timeout_seconds: float = 60.0  #: of one run
    digest: str = ""  #: of its sources and how it is built

    @property
    def name(self) -> str:
        """The program's."""
        return self.program.name


@dataclass(frozen=True)
class Gathered:
    """programs: of all suites. notes: one line for each suite that was left out."""

    programs: tuple[BenchProgram, ...]
    notes: tuple[str, ...] = ()


class SuiteLeftOut(UsageError):
    """What a suite needs is not on this machine."""


def gather(suites: Sequence[SuiteSpec], folder: Path) -> Gathered:
    """All programs, in order. folder: for what suites have to write. Raises UsageError."""
    found: list[BenchProgram] = []
    notes: list[str] = []
    for suite in suites:
        place = folder / safe(suite.label)
        try:
            programs = _makers()[suite.kind](suite, place)
        except SuiteLeftOut as error:
            notes.append(str(error))
            continue
        for item in _chosen(programs, suite):
            timed = replace(item, suite=suite.label, timeout_seconds=suite.timeout_seconds)
            found.append(replace(timed, digest=digest_of(timed)))
    names = [safe(item.name) for item in found]
    for item in found:
        if names.count(safe(item.name)) > 1:
            raise UsageError(f"two programs are called {item.name}; narrow one of the suites with programs = [...]")
    if not found:
        raise UsageError("the experiment has no programs; " + ("; ".join(notes) or "name a suite that has some"))
    return Gathered(tuple(found), tuple(notes))


def digest_of(item: BenchProgram) -> str:
    """Changes where the sources, the flags, the inputs or the wanted outputs do."""
    program = item.program
    digest = hashlib.blake2b(digest_size=16)
    files = [*program.sources, *program.harness]
    for workload in program.workloads:
        files += [file for file in (workload.stdin, workload.expected_stdout) if file is not None]
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\0".encode())
        digest.update(content)
    for source in program.sources:
        for header in sorted(source.parent.glob("*.h")):
            digest.update(header.read_bytes())
    digest.update(repr([_plain(flag, program) for flag in (*program.cflags, "", *program.ldflags)]).encode())
    return digest.hexdigest()


def _plain(flag: str, program: Program) -> str:
    """Without the place where the program happens to lie."""
    for parent in program.sources[0].parents[:-1]:
        flag = flag.replace(str(parent), "{dir}")
    return flag


def _chosen(programs: Sequence[BenchProgram], suite: SuiteSpec) -> list[BenchProgram]:
    if not suite.programs:
        return list(programs)
    by_name = {item.name: item for item in programs}
    for name in suite.programs:
        if name not in by_name:
            raise UsageError(f"suite {suite.label}: has no program {name!r}; it has {_some(list(by_name))}")
    return [by_name[name] for name in suite.programs]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "") or "none"


def _included(suite: SuiteSpec, place: Path) -> list[BenchProgram]:
    found = []
    for program in included_programs(suite.split or None):
        cflags, ldflags = program.cflags + suite.cflags, program.ldflags + suite.ldflags
        found.append(BenchProgram(suite.label, replace(program, cflags=cflags, ldflags=ldflags)))
    return found


def _makers() -> Mapping[str, Callable[[SuiteSpec, Path], list[BenchProgram]]]:
    from colt_llvm.experiments.suites import bitcode_programs, csmith_programs, folder_programs, polybench_programs

    return {
        "included": _included,
        "folder": folder_programs,
        "polybench": polybench_programs,
        "bitcode": bitcode_programs,
        "csmith": csmith_programs,
    }


_EXIT = re.compile(rb"(?:\A|\n)exit (\d+)\n?\Z")


def folder_programs(suite: SuiteSpec, place: Path) -> list[BenchProgram]:
    """Every C and C++ file below the folder. ``x.reference_output`` holds what ``x.c`` prints, then ``exit N``."""
    found = []
    for source in _files(suite, C_SUFFIXES + CXX_SUFFIXES):
        name = _name(source, suite)
        reference = source.with_suffix(".reference_output")
        expected, status = _reference(reference, place / f"{name}.stdout") if reference.is_file() else (None, 0)
        program = Program(
            name, (source,), suite.cflags, suite.ldflags, (Workload("default", expected_stdout=expected),)
        )
        found.append(BenchProgram(suite.label, program, status))
    return found


def bitcode_programs(suite: SuiteSpec, place: Path) -> list[BenchProgram]:
    """Every .bc and .ll file below the folder. One without ``main`` is measured and not run."""
    return [
        BenchProgram(suite.label, Program(_name(file, suite), (file,), suite.cflags, suite.ldflags))
        for file in _files(suite, IR_SUFFIXES)
    ]


def _files(suite: SuiteSpec, suffixes: tuple[str, ...]) -> list[Path]:
    assert suite.path is not None
    root = suite.path.resolve()
    found = sorted(path for path in root.rglob("*") if path.suffix in suffixes and path.is_file())
    if not found:
        raise UsageError(f"suite {suite.label}: {suite.path} holds no {', '.join(suffixes)} file; fix path")
    return found


def _name(file: Path, suite: SuiteSpec) -> str:
    """The file's own name; with its folders in front where that is there twice."""
    assert suite.path is not None
    root = suite.path.resolve()
    relative = file.relative_to(root).with_suffix("")
    twins = [other for other in root.rglob(f"{file.stem}.*") if other != file and other.suffix == file.suffix]
    return "-".join(relative.parts) if twins else file.stem


def _reference(file: Path, place: Path) -> tuple[Path, int]:
    """The expected output in a file of its own, and the exit status. Without a last line ``exit N`` it is 0."""
    text = file.read_bytes()
    match = _EXIT.search(text)
    status = int(match[1]) if match else 0
    if match:
        # The newline before "exit" may be the program's own or, where its output ends without one, the suite's.
        text = text[: match.start() + (text[match.start() : match.start() + 1] == b"\n")]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(text)
    return place, status


_HARNESS = """\
#include <stdio.h>
#include <unistd.h>
static char buffer[1 << 16];
__attribute__((constructor)) static void error_to_output(void) {
    dup2(1, 2);
    setvbuf(stderr, buffer, _IOFBF, sizeof buffer);
}
"""


def polybench_programs(suite: SuiteSpec, place: Path) -> list[BenchProgram]:
    """Every ``NAME/NAME.c`` below the folder."""
    assert suite.path is not None
    root = suite.path.resolve()
    shared = root / "utilities" / "polybench.c"
    if not shared.is_file():
        raise UsageError(f"suite {suite.label}: {suite.path} has no utilities/polybench.c; name PolyBench's own folder")
    place.mkdir(parents=True, exist_ok=True)
    harness = place / "error_to_output.c"
    harness.write_text(_HARNESS, encoding="utf-8")
    found = []
    for kernel in sorted(root.rglob("*.c")):
        if kernel.stem != kernel.parent.name or shared.parent in kernel.parents:
            continue
        flags = (
            "-I", str(shared.parent), "-I", str(kernel.parent), f"-D{suite.dataset}_DATASET",
            "-DPOLYBENCH_DUMP_ARRAYS", *suite.cflags,
        )  # fmt: skip
        program = Program(
            kernel.stem, (kernel,), flags, ("-lm", *suite.ldflags), harness=(shared, harness), family="polybench"
        )
        found.append(BenchProgram(suite.label, program))
    if not found:
        raise UsageError(f"suite {suite.label}: {suite.path} holds no kernel NAME/NAME.c; fix path")
    return found


#: Debian has csmith's headers in the first (libcsmith-dev). compiler_gym brings the same ones.
_HEADERS = (Path("/usr/include/csmith"), Path("/usr/local/include/csmith"))
_BROUGHT = "third_party/csmith/csmith/include"
_LIMITS = process.Limits(wall_seconds=60.0, output_bytes=64 << 20)


def csmith_programs(suite: SuiteSpec, place: Path) -> list[BenchProgram]:
    """``csmith-SEED``. Raises SuiteLeftOut where there is no csmith."""
    command = shutil.which("csmith")
    headers = suite.path or next((folder for folder in _headers(command) if (folder / "csmith.h").is_file()), None)
    if command is None or headers is None:
        raise SuiteLeftOut(
            f"suite {suite.label}: left out, as there is no csmith; install it (Debian: csmith, libcsmith-dev)"
        )
    place.mkdir(parents=True, exist_ok=True)
    found = []
    for seed in suite.seeds:
        source = place / f"csmith-{seed}.c"
        if not source.is_file():
            _generate(command, seed, source)
        flags = ("-I", str(headers), "-w", *suite.cflags)
        program = Program(source.stem, (source,), flags, suite.ldflags, family="csmith")
        found.append(BenchProgram(suite.label, program))
    return found


def _generate(command: str, seed: int, source: Path) -> None:
    with replacing(source) as temporary:
        try:
            done = process.run([command, "--seed", str(seed), "--output", temporary], limits=_LIMITS, cwd=source.parent)
            said = f"it ends with {done.describe_status()}" if done.status else ""
        except ProcessTimeout as error:
            said = str(error)
        if said or not temporary.stat().st_size:
            raise SuiteLeftOut(
                f"suite csmith: left out, as csmith makes no program of seed {seed} ({said}); leave it out"
            )


def _headers(command: str | None) -> list[Path]:
    beside = [] if command is None else sorted(Path(command).resolve().parents[1].glob("include/csmith*"))
    package = importlib.util.find_spec("compiler_gym")
    places = list(package.submodule_search_locations or []) if package is not None else []
    brought = [folder for place in places for folder in sorted(Path(place, _BROUGHT).glob("csmith*"))]
    return [*_HEADERS, *beside, *brought]
