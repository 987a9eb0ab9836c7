"""Counts of clang's own instrumentation: how often each basic block of each function ran.

IR is instrumented (``-fprofile-generate``), not the source: small functions are inlined first, so C++ templates count
where they are used, code from system headers counts too, and static functions carry their path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.builds.profile.result import CannotProfile
from colt_llvm.core import process
from colt_llvm.core.errors import ToolchainError
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.runner import run_workload
from colt_llvm.program.program import Workload

#: What the whole program is compiled and linked with.
INSTRUMENTATION_FLAGS = ("-fprofile-generate",)

_FUNCTION = re.compile(r"  (\S.*):")
_COUNT = re.compile(r"    (?:Function count: |Block counts: \[)([\d, ]*)\]?")


def check_instrumentation(toolchain: Toolchain) -> Path:
    """Build a program of one line, so that a missing runtime shows before the user's project is built.

    Returns llvm-profdata. Raises CannotProfile.
    """
    try:
        profdata = toolchain.profdata()
    except ToolchainError as error:
        raise CannotProfile(str(error)) from None
    with TemporaryDirectory(prefix="colt-counts-") as folder:
        command = (str(toolchain.clang), *INSTRUMENTATION_FLAGS, "-x", "c", "-", "-o", f"{folder}/probe")
        if process.run(command, stdin=b"int main(void) { return 0; }\n").status != 0:
            raise CannotProfile(
                f"clang {toolchain.major} cannot instrument: its runtime is missing; "
                f"install it (Debian, Ubuntu: libclang-rt-{toolchain.major}-dev)"
            )
    return profdata


def count_program(
    profdata: Path, executable: Path, workload: Workload, *, limits: process.Limits | None = None
) -> Mapping[tuple[str, str], int]:
    """Run an instrumented program once: (function, path of a static one's source or "") -> sum of its block counts.

    Raises CannotProfile, and what ``run_workload`` raises.
    """
    with TemporaryDirectory(prefix="colt-counts-") as folder:
        command = ("env", f"LLVM_PROFILE_FILE={folder}/%p-%m.profraw", *workload.command)
        run_workload(executable, replace(workload, command=command), limits=limits)
        raw = sorted(Path(folder).glob("*.profraw"))
        if not raw:
            raise CannotProfile("the instrumented program wrote no counts; let it end by itself, with exit or main")
        merged = Path(folder, "merged.profdata")
        _call(profdata, "merge", *map(str, raw), "-o", str(merged))
        return read_counts(_call(profdata, "show", "--all-functions", "--counts", str(merged)))


def read_counts(text: str) -> dict[tuple[str, str], int]:
    """The counts in what ``llvm-profdata show --all-functions --counts`` prints; see ``count_program``."""
    counts: dict[tuple[str, str], int] = {}
    for name, numbers in _entries(text.splitlines()):
        # file:name up to LLVM 16, file;name after it.
        path, _, function = name.replace(";", ":").rpartition(":")
        key = (function, path)
        counts[key] = counts.get(key, 0) + numbers
    return counts


def _entries(lines: list[str]) -> Iterator[tuple[str, int]]:
    name, total = "", 0
    for line in lines:
        if found := _FUNCTION.fullmatch(line):
            if name:
                yield name, total
            name, total = found[1], 0
        elif found := _COUNT.fullmatch(line):
            total += sum(int(number) for number in found[1].split(",") if number.strip())
    if name:
        yield name, total


def _call(*command: str | Path) -> str:
    done = process.run(command)
    if done.status != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CannotProfile(
            f"{Path(command[0]).name}: {lines[0] if lines else done.describe_status()}; install LLVM again"
        )
    return done.stdout.decode("utf-8", "replace")
