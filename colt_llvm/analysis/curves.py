"""Best-so-far curves: how much was found by when. Pure: cells in, numbers out.

What counts is what was proved in the end: a curve is cut at that gain, so that a candidate that failed its checks adds
nothing, and ends at it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from colt_llvm.analysis.cells import Cell, Point
from colt_llvm.analysis.groups import Group
from colt_llvm.analysis.statistics import (
    CONFIDENCE,
    Estimate,
    Floats,
    difference_interval,
    draw_programs,
    draw_weights,
    pad_cells,
    percentile_band,
)

_RESAMPLES = 2_000


@dataclass(frozen=True)
class Curve:
    """One strategy over a group: arrays of shape (grid,). It ends where half of the searches had ended."""

    strategy: str
    axis: str  # trials, seconds, money (dollars) or work (parameters x answers)
    at: Floats  # what had been used up of the axis
    mean: Floats  # of the log gains
    low: Floats
    high: Floats


def steps(cell: Cell, axis: str) -> tuple[Floats, Floats]:
    """Where the proved best-so-far gain rises, and to what: both of shape (points,), from (0, 0) on."""
    where = np.array([0.0, *(getattr(point, axis) for point in _points(cell))])
    gains = np.array([0.0, *(min(point.gain, cell.gain) for point in _points(cell))])
    gains = np.maximum.accumulate(gains)
    gains[-1] = max(cell.gain, 0.0)
    return where, gains


def best_so_far(cell: Cell, axis: str, grid: Floats) -> Floats:
    """The proved gain at each place of ``grid``; shape (grid,). 0 before the first point; kept after the last."""
    where, gains = steps(cell, axis)
    found: Floats = gains[np.searchsorted(where, grid, side="right") - 1]
    return found


def end_of(cell: Cell, axis: str) -> float:
    """How much the search used up in all."""
    return float(getattr(_points(cell)[-1], axis))


def _points(cell: Cell) -> tuple[Point, ...]:
    """What was not searched step by step (one build from a profile, say) has its end alone."""
    return cell.curve or (Point(cell.trials, cell.seconds, 0.0, 0.0, cell.gain),)


def strategy_curve(
    group: Group, strategy: str, axis: str, *, points: int = 121, confidence: float = CONFIDENCE, seed: int = 0
) -> Curve | None:
    """The mean over programs and seeds with a bootstrap band. None where nothing of the axis was used (no money)."""
    cells = group.all_cells(strategy)
    end = float(np.median([end_of(cell, axis) for cell in cells]))
    if axis == group.key.budget.unit:
        end = max(end, group.key.budget.amount)
    if end <= 0:
        return None
    grid = np.linspace(0.0, end, points)
    programs = group.programs_of(strategy)
    values = [
        np.array([best_so_far(cell, axis, grid) for cell in group.cells[strategy][program]]) for program in programs
    ]
    rng = np.random.default_rng(seed)
    picks = draw_programs(len(programs), _RESAMPLES, rng)
    draws = draw_weights([len(seeds) for seeds in values], picks, rng) @ pad_cells(values)
    low, high = percentile_band(draws, confidence)
    return Curve(strategy, axis, grid, np.mean([seeds.mean(axis=0) for seeds in values], axis=0), low, high)


def area_under(cell: Cell, axis: str, amount: float, best: float) -> float:
    """Mean share of the best known gain that was held over the budget: 0 to 1, nan where nothing is known to gain.

    The integral of the best-so-far curve from 0 to ``amount`` over ``amount * best``. A search that ended early keeps
    what it had.
    """
    if best <= 0 or amount <= 0:
        return math.nan
    where, gains = steps(cell, axis)
    edges = np.append(np.clip(where, 0.0, amount), amount)
    return float(np.sum(gains * np.diff(edges)) / (amount * best))


def mean_area(group: Group, strategy: str) -> float:
    """``area_under`` over the group's own budget: the mean over programs of that over seeds. nan: no program gains."""
    unit, amount = group.key.budget.unit, group.key.budget.amount
    by_program = [
        np.mean([area_under(cell, unit, amount, group.best[program]) for cell in group.cells[strategy][program]])
        for program in group.programs_of(strategy)
        if group.best[program] > 0
    ]
    return float(np.mean(by_program)) if by_program else math.nan


@dataclass(frozen=True)
class Reached:
    """How soon a share of each program's best known gain was reached."""

    share: float  # of that gain
    axis: str
    searches: int
    reached: int  # searches that reached it
    median: float  # of what they had used up then; those that never did are later than all; inf where half never did


def time_to_reach(cell: Cell, axis: str, level: float) -> float:
    """What had been used up when the proved gain was first ``level`` or more; inf where it never was (censored)."""
    where, gains = steps(cell, axis)
    enough = np.flatnonzero(gains >= level * (1 - 1e-12))
    return float(where[enough[0]]) if len(enough) else math.inf


def reach(group: Group, strategy: str, axis: str, share: float = 0.9) -> Reached:
    """Over all searches of programs that are known to gain."""
    times = [
        time_to_reach(cell, axis, share * group.best[cell.subject])
        for cell in group.all_cells(strategy)
        if group.best[cell.subject] > 0
    ]
    ordered = sorted(times)
    # The upper of the two middle ones: between a number and never there is no mean.
    median = ordered[len(ordered) // 2] if ordered else math.inf
    return Reached(share, axis, len(times), sum(map(math.isfinite, times)), median)


def efficiency(
    group: Group, first: str, first_amount: float, second: str, second_amount: float, axis: str = "trials"
) -> Estimate:
    """Mean log gain of ``first`` after ``first_amount`` less that of ``second`` after ``second_amount``, paired."""
    programs = group.programs_of(first, second)

    def gains(strategy: str, amount: float) -> list[list[float]]:
        return [
            [float(best_so_far(cell, axis, np.array([amount]))[0]) for cell in group.cells[strategy][program]]
            for program in programs
        ]

    return difference_interval(gains(first, first_amount), gains(second, second_amount))
