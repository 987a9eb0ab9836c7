"""An objective of your own: a page of flash costs the same whether it is full or not, and code is read twice."""

from pathlib import Path

import colt_llvm

SOURCE = Path(__file__).with_name("words.c")
PAGE_BYTES = 64


def flash(figures):
    pages = -(-figures["size"] // PAGE_BYTES)
    return pages + 0.001 * figures["text"]


result = colt_llvm.tune(SOURCE, objective=flash, trials=12, workers=1)
before, after = result.figures["size"]
print(f"{result.objective}: {result.verdict}, cost {1 / result.ratio:.4f} of the baseline's")
print(f"size {before:.0f} -> {after:.0f} bytes")

# With run time in it, candidates are timed, and the gain is proved by an interval.
energy = colt_llvm.CostObjective(
    "energy",
    cost=lambda figures: figures["runtime"] * 3.5 + figures["size"] * 1e-6,
    needs=("runtime", "size"),
)
print(f"{energy.name} needs {' and '.join(energy.needs)}")
