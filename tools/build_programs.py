#!/usr/bin/env python3
"""Build every included program with plain clang -O3 and check what it prints: ``make programs``."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.compilation import baseline_objects, link
from colt_llvm.errors import ColtError
from colt_llvm.measure.check import judge_baseline
from colt_llvm.program import Program, included_programs
from colt_llvm.toolchain import Toolchain, find_toolchain


def build_and_check(toolchain: Toolchain, program: Program) -> str:
    with TemporaryDirectory(prefix="colt-") as folder:
        executable = link(toolchain, program, baseline_objects(toolchain, program, "O3"), Path(folder, program.name))
        observations = judge_baseline(executable, program.workloads, check=program.check, next_second=False)
    return f"{len(observations)} workloads, the first takes {observations[0].wall_seconds:.2f} s"


def main() -> int:
    toolchain = find_toolchain()
    print(f"clang {toolchain.version} -O3")
    failures = 0
    programs = included_programs()
    for program in programs:
        try:
            result = build_and_check(toolchain, program)
        except ColtError as error:
            result, failures = f"FAILED: {error}", failures + 1
        print(f"{program.name:20} {result}", flush=True)
    print(f"{len(programs)} programs, {failures} failed")
    return 1 if failures or not programs else 0


if __name__ == "__main__":
    sys.exit(main())
