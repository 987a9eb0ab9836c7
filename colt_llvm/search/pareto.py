"""The Pareto front of costs: lower is better in each. Equal points are kept once, the first one found."""

from __future__ import annotations

import math
from collections.abc import Sequence

from colt_llvm.core.errors import UsageError

Point = tuple[float, ...]


def covers(first: Point, second: Point) -> bool:
    """Whether ``first`` is at least as good in each cost: then ``second`` adds nothing to a front."""
    return all(a <= b for a, b in zip(first, second, strict=True))


class ParetoFront:
    """A front that grows point by point; ``members`` are (index of the ``add`` call, point), in that order."""

    def __init__(self) -> None:
        self.members: list[tuple[int, Point]] = []
        self._added = 0

    def add(self, point: Point) -> bool:
        """Whether the point is on the front now; those that it covers leave. O(size of the front).

        Raises UsageError for NaN, or for another number of costs than the members have.
        """
        if any(math.isnan(cost) for cost in point):
            raise UsageError(f"a cost is not a number in {point}: leave out what was not measured")
        if self.members and len(point) != len(self.members[0][1]):
            raise UsageError(
                f"{point} has {len(point)} costs, the front {len(self.members[0][1])}: use one set of figures"
            )
        index = self._added
        self._added += 1
        if any(covers(member, point) for _, member in self.members):
            return False
        self.members = [(i, member) for i, member in self.members if not covers(point, member)]
        self.members.append((index, point))
        return True


def pareto_front(points: Sequence[Point]) -> list[int]:
    """Indices of the points that no other point covers, in order. Raises UsageError as ``ParetoFront.add``."""
    front = ParetoFront()
    for point in points:
        front.add(point)
    return [index for index, _ in front.members]
