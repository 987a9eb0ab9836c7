"""``size``: bytes of the object's loaded sections, against plain ``clang -Oz``.

The object tells the bytes of each function, so that one build tries a decision on every function.
"""

from colt_llvm.objectives.base import SIZE, Objective

LOADED_SIZE = Objective(
    SIZE,
    combines={SIZE: 1.0},
    level="Oz",
    additive=True,
    plain_flags=True,
    excerpt="largest",
    goal="Size: loaded bytes of the object (code, constants, unwind tables), fewer is better.",
    improved="is {share} smaller than with {baseline}: {new:,.0f} loaded bytes instead of {old:,.0f}, an exact count",
)
