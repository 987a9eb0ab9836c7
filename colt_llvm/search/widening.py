"""Progressive widening: how many children a node may have grows with how often it was visited.

    max(B, ceil(k · N^α))            B = branching, k = factor, α = exponent, N = visits

Coulom 2007 (Computing Elo ratings of move patterns in the game of Go) and Chaslot et al. 2008 (Progressive strategies
for Monte-Carlo tree search). Here a node's children are not known beforehand: a new place is one more proposal. The
paper (arXiv 2602.01935) has B alone, which is an exponent of 0. Why so: docs/decisions/0012.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_DIGITS = 9  # a power is rounded, so that its last bits do not decide whether there is one more place


@dataclass(frozen=True)
class Widening:
    """exponent: α in [0, 1); 0 is off. factor: k > 0."""

    exponent: float = 0.0
    factor: float = 1.0

    @property
    def on(self) -> bool:
        """Whether visits count at all."""
        return self.exponent > 0

    def places(self, visits: int) -> int:
        """ceil(k · N^α), for N = ``visits`` >= 0; 0 where it is off. Requests in flight are no visits."""
        return math.ceil(round(self.factor * visits**self.exponent, _DIGITS)) if self.on else 0


PLAIN = Widening()
