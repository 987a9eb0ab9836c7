"""What is compared of two runs, as the line that is told."""

from __future__ import annotations

from colt_llvm.measure.check import OwnCheck, first_difference
from colt_llvm.measure.runner import Observation
from colt_llvm.program.program import Check


def difference(
    expected: Observation, actual: Observation, check: Check | None = None, own: OwnCheck | None = None
) -> str | None:
    """One line that says where ``actual`` first differs, or None."""
    found = first_difference("w", expected, actual, check, own)
    return found.text if found else None
