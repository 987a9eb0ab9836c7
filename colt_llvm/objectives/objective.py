"""Objectives: from the figures of a candidate and of the baseline to one reward.

    reward = ln(baseline / candidate)         0 is the baseline, ln 2 is twice as good

Ours: logs add up over programs, and a speedup of 2 weighs as much as a slowdown of 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from colt_llvm.core.errors import ColtError, UsageError

RUNTIME, SIZE, INSTRUCTIONS, BALANCED = "runtime", "size", "instructions", "balanced"
OBJECTIVES = (RUNTIME, SIZE, BALANCED, INSTRUCTIONS)
TEXT = "text"
#: What is measured of a candidate: CPU seconds, loaded bytes, bytes of code, IR instructions. Less is better.
FIGURES = (RUNTIME, SIZE, TEXT, INSTRUCTIONS)

#: Relative. What gains less is not called better: four digits would show it as 1.0000, and any change of the program
#: or of LLVM moves it by more.
SMALLEST_GAIN = 0.0005


def is_gain(ratio: float) -> bool:
    """Whether baseline / candidate is past what counts as an improvement at all."""
    return ratio >= 1 + SMALLEST_GAIN


class MissingFigureError(ColtError, LookupError):
    """A figure that the objective needs was not measured."""


class BadFigureError(ColtError, ValueError):
    """A figure is not a finite number above 0, so it has no logarithm."""


@dataclass(frozen=True)
class Objective:
    """One of OBJECTIVES. ``weights`` (figure name to weight) is for ``balanced`` alone. Raises UsageError."""

    name: str
    weights: Mapping[str, float] = field(default_factory=dict)  # empty: runtime and size alike

    def __post_init__(self) -> None:
        if self.name not in OBJECTIVES:
            raise UsageError(f"unknown objective {self.name!r}: give one of {', '.join(OBJECTIVES)}")
        if self.weights and self.name != BALANCED:
            raise UsageError(f"weights do not apply to {self.name!r}: leave them out, or ask for {BALANCED!r}")
        values = self.shares.values()
        if not all(math.isfinite(value) and value >= 0 for value in values) or not sum(values) > 0:
            raise UsageError("weights must be 0 or more, with one above 0: for example runtime=2, size=1")

    @property
    def shares(self) -> Mapping[str, float]:
        """Figure name to weight, before normalisation."""
        if self.name != BALANCED:
            return {self.name: 1.0}
        return self.weights or {RUNTIME: 1.0, SIZE: 1.0}

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures that have to be measured: those with a weight above 0."""
        return tuple(name for name, weight in self.shares.items() if weight > 0)

    def reward(self, figures: Mapping[str, float], baseline: Mapping[str, float]) -> float:
        """The weighted mean of ln(baseline / candidate). Raises MissingFigureError or BadFigureError."""
        total = sum(self.shares.values())
        return sum(self.shares[name] / total * _log_ratio(name, figures, baseline) for name in self.figures)


def _log_ratio(name: str, figures: Mapping[str, float], baseline: Mapping[str, float]) -> float:
    """ln(baseline / candidate) of one figure: above 0 when the candidate costs less."""
    return math.log(figure(baseline, name, "baseline") / figure(figures, name, "candidate"))


def figure(figures: Mapping[str, float], name: str, owner: str) -> float:
    """The figure of ``owner`` ("baseline" or "candidate"). Raises MissingFigureError or BadFigureError."""
    if name not in figures:
        raise MissingFigureError(f"the {owner} has no figure {name!r}: measure it, or choose another objective")
    value = figures[name]
    if not (math.isfinite(value) and value > 0):
        raise BadFigureError(f"the {owner}'s {name} is {value}: only a finite number above 0 will do; measure again")
    return value
