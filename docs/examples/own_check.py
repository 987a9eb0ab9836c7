"""A program of your own, and a Python function that says whether its output is right.

``newton.c`` prints the time, so its output differs from run to run and cannot be compared as text.
"""

from pathlib import Path

import colt_llvm


def roots_are_right(run):
    """None where the run is right, else the reason why not."""
    lines = run.stdout.decode().splitlines()
    if len(lines) != 41:
        return f"{len(lines)} lines in place of 41"
    for line in lines[:40]:
        number, root = map(float, line.split())
        if abs(root * root - number) > 1e-9 * number:
            return f"the root of {number:g} is not {root}"
    return None


program = colt_llvm.program_from_files(
    [Path(__file__).with_name("newton.c")],
    cflags=["-ffast-math"],
    workloads=[colt_llvm.Workload("roots", ("{exe}",))],
)
check = colt_llvm.OwnCheck(roots_are_right, replaces=True)
result = colt_llvm.tune(program, objective="size", check=check, trials=12, workers=1)
print(f"{result.verdict}, {result.ratio:.4f}x; {sum(result.failures.values())} candidates were refused")
