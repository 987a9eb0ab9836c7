"""``balanced``: run time and size, by the weighted mean of their logarithms, against plain ``clang -O3``.

Without weights of the user's own both count alike: 1% less of one makes up for 1% more of the other.
"""

from colt_llvm.objectives.base import RUN_TIME, SIZE, Objective

BALANCED = Objective(
    "balanced",
    combines={RUN_TIME: 1.0, SIZE: 1.0},
    takes_weights=True,
    level="O3",
    goal="Run time and loaded bytes together: the weighted mean of their logs, less is better.",
    improved="is, run time and size weighed together, {ratio:.4f} times as good as with {baseline}",
)
