"""``instructions``: LLVM IR instructions after all passes, against ``opt -Oz``.

As in the literature the front end runs at -O3, so that no function is marked minsize: an easier baseline than clang's
own -Oz, which a strict run has. No table may mix the two. No object is made in the search.
"""

from colt_llvm.objectives.base import INSTRUCTIONS, Objective

INSTRUCTION_COUNT = Objective(
    INSTRUCTIONS,
    combines={INSTRUCTIONS: 1.0},
    level="Oz",
    opt_baseline=True,
    builds_objects=False,
    goal="Count of LLVM IR instructions after all passes, fewer is better.",
    improved="has {share} fewer IR instructions than with {baseline}: {new:,.0f} instead of {old:,.0f}, an exact count",
)
