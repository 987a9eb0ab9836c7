"""A folder with PolyBench's conventions: kernels in folders of their own name, and ``utilities/polybench.c``.

The arrays that a kernel computes are what is checked (POLYBENCH_DUMP_ARRAYS). PolyBench prints them on standard
error, so a harness of ours sends that to standard output; it is linked in and not tuned, as polybench.c is.
"""

from __future__ import annotations

from pathlib import Path

from colt_llvm.core.errors import UsageError
from colt_llvm.experiments.experiment import SuiteSpec
from colt_llvm.experiments.suites import BenchProgram
from colt_llvm.program.program import Program

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
        raise UsageError(f"suite {suite.label}: {suite.path} holds no kernel NAME/NAME.c; mend path")
    return found
