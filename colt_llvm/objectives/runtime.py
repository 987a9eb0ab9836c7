"""``runtime``: CPU seconds of the program's timed workload, against plain ``clang -O3``.

Candidates are timed beside the baseline, at once, and the finalists once more apart from the search: the gain is an
interval. One core is kept free of everything else.
"""

from colt_llvm.objectives.base import RUN_TIME, Objective

RUNTIME = Objective(
    RUN_TIME,
    combines={RUN_TIME: 1.0},
    level="O3",
    goal="Run time: CPU seconds of the program's workload, fewer is better.",
    improved="runs {ratio:.4f} times as fast as with {baseline}",
)
