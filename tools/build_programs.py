#!/usr/bin/env python3
"""The included programs as programs/Makefile builds them: its rules, and the check of what was built.

--rules prints the rules for make, read from the program.toml files. Without it every program in build/programs is run
on all its workloads, and its output compared with what it must print.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from os.path import relpath
from pathlib import Path

from colt_llvm.core.errors import ColtError, ProgramError
from colt_llvm.measure.check import BaselineRuns, verify_baseline
from colt_llvm.program.program import Program, load_program

# Of this tree, wherever the package is installed from.
ROOT = Path(__file__).resolve().parents[1]
PROGRAMS, BUILT = ROOT / "programs", ROOT / "build" / "programs"


def rules(program: Program) -> Iterator[str]:
    """Lines of a makefile; paths are relative to programs/, where make runs."""
    out = relpath(BUILT, PROGRAMS)
    compiler = "$(CXX)" if program.is_cxx else "$(CC)"
    executable = f"{out}/{program.name}"
    objects = []
    for source in (*program.sources, *program.harness):
        name = relpath(source, PROGRAMS)
        objects.append(f"{out}/objects/{program.name}/{source.name}.o")
        yield f"{objects[-1]}: {name} {program.name}/program.toml"
        yield "\t@mkdir -p $(@D)"
        yield f"\t{compiler} $(CFLAGS) {words(program.cflags)} -MMD -MP -c -o $@ {words([name])}"
    yield f"{executable}: {' '.join(objects)}"
    yield f"\t{compiler} -o $@ {' '.join(objects)} {words(program.ldflags)}"
    workload = program.timed_workload
    yield f"run_{program.name} := {words([executable, *workload.command[1:]])}"
    if workload.stdin:
        yield f"flags_{program.name} := {words(['--stdin', relpath(workload.stdin, PROGRAMS)])}"
    yield f"ALL_PROGRAMS += {program.name}"
    yield ""


def words(arguments: Sequence[str]) -> str:
    """As a shell reads them, written for make."""
    return shlex.join(arguments).replace("$", "$$").replace("#", "\\#")


def check(program: Program) -> str:
    """What to say of the built program. Raises ColtError."""
    executable = BUILT / program.name
    if not executable.is_file():
        raise ProgramError(f"{executable}: is not there; type make programs")
    observations = verify_baseline(executable, program.workloads, program.check, runs=BaselineRuns(next_second=False))
    return f"{len(observations)} workloads, the first takes {observations[0].wall_seconds:.2f} s"


def main(arguments: Sequence[str]) -> int:
    programs = [load_program(file) for file in sorted(PROGRAMS.glob("*/program.toml"))]
    if list(arguments) == ["--rules"]:
        print("\n".join(line for program in programs for line in rules(program)))
        return 0
    failures = 0
    for program in programs:
        try:
            result = check(program)
        except ColtError as error:
            result, failures = f"FAILED: {error}", failures + 1
        print(f"{program.name:20} {result}", flush=True)
    print(f"{len(programs)} programs, {failures} failed")
    return 1 if failures or not programs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
