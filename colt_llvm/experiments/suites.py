"""From a suite to programs: each with its workloads, its limits, and what it is known to do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from colt_llvm.core.errors import UsageError
from colt_llvm.experiments.experiment import SuiteSpec, safe
from colt_llvm.program.program import Program, included_programs


@dataclass(frozen=True)
class BenchProgram:
    """One program of a suite, under a name that no other program of the experiment has.

    expected_status: what it exits with. timeout_seconds: of one run. digest: of its sources and how it is built.
    """

    suite: str
    program: Program
    expected_status: int = 0
    timeout_seconds: float = 60.0
    digest: str = ""

    @property
    def name(self) -> str:
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
    from colt_llvm.experiments.suites_csmith import csmith_programs
    from colt_llvm.experiments.suites_files import bitcode_programs, folder_programs
    from colt_llvm.experiments.suites_polybench import polybench_programs

    return {
        "included": _included,
        "folder": folder_programs,
        "polybench": polybench_programs,
        "bitcode": bitcode_programs,
        "csmith": csmith_programs,
    }
