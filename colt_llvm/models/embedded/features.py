"""What the small and the base model see of a program: its instruction counts, as shares and sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

#: Names of InstCount, without "Count". The first is a size, all others become shares of it.
NAMES = (
    "TotalInsts", "TotalBlocks", "TotalFuncs", "Ret", "Br", "Switch", "Add", "FAdd", "Sub", "FSub", "Mul", "FMul",
    "FDiv", "Shl", "LShr", "AShr", "And", "Or", "Xor", "Alloca", "Load", "Store", "GetElementPtr", "Trunc", "ZExt",
    "SExt", "ICmp", "FCmp", "PHI", "Call", "Select", "SIToFP", "Unreachable", "ShuffleVector",
)  # fmt: skip

_KEYS = tuple(f"{name}Count" for name in NAMES)


def program_vector(program: Mapping[str, float]) -> Vector:
    """Shape [len(NAMES)], logarithms: of the size, and of each count against the size. Zeros for no program."""
    return vector_of(counts_of(program))


def counts_of(program: Mapping[str, float]) -> tuple[float, ...]:
    """In the order of NAMES; 0 for what is not told."""
    return tuple([float(program.get(key, 0.0)) for key in _KEYS])


def vector_of(counts: Sequence[float]) -> Vector:
    """As ``program_vector``, of the counts in the order of NAMES."""
    total = counts[0]
    if not total > 0:
        return np.zeros(len(NAMES))
    return np.array([math.log1p(total), *(math.log1p(1000.0 * max(0.0, count) / total) for count in counts[1:])])
