"""Arms timed in rounds: one run of each in a round, each round in its own order, so that drift hits all alike.

The best of a hundred noisy times are the lucky ones, and the A/B test has time for three. So more finalists are
re-ranked first, briefly, by new times; that proves nothing. What it gains: docs/decisions/0030-rerank-finalists.md.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from colt_llvm.measure.intervals import interquartile_mean, log_ratios

T = TypeVar("T")

#: One run of each arm; their seconds in the same order. The runs may go on at once.
TimeRound = Callable[[Sequence[T]], Sequence[float]]

#: Fewer rounds order little; more are better spent in the A/B test.
LEAST_ROUNDS, MOST_ROUNDS = 6, 20
_BASELINE = ""


@dataclass(frozen=True)
class RoundLimits:
    """When rounds end. The round under way is finished, and one is run in any case."""

    seconds: float  # of wall-clock time, warm-up included
    rounds: int  # the most of them
    warmup_runs: int  # of each arm beforehand, not counted


@dataclass(frozen=True)
class Rounds:
    """Times by arm."""

    seconds: Mapping[str, list[float]]  # element i from round i
    warmup: Mapping[str, tuple[float, ...]] = field(repr=False)  # seconds
    orders: tuple[tuple[str, ...], ...] = field(repr=False)  # the arms of each round in the order they ran


def time_in_rounds(
    arms: Mapping[str, T],
    time_round: TimeRound[T],
    limits: RoundLimits,
    *,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> Rounds:
    """Time all ``arms`` (by name) in rounds of random order. seed: of the orders."""
    rng = np.random.default_rng(seed)
    deadline = clock() + limits.seconds
    warmup = {name: tuple(time_round([arm])[0] for _ in range(limits.warmup_runs)) for name, arm in arms.items()}
    times: dict[str, list[float]] = {name: [] for name in arms}
    orders: list[tuple[str, ...]] = []
    names = list(arms)
    while not orders or (len(orders) < limits.rounds and clock() < deadline):
        orders.append(tuple(names[index] for index in rng.permutation(len(names))))
        for name, spent in zip(orders[-1], time_round([arms[name] for name in orders[-1]]), strict=True):
            times[name].append(spent)
    return Rounds(times, warmup, tuple(orders))


def affordable(most: int, seconds: float, run_seconds: float) -> int:
    """How many candidates, at most ``most``, can run ``LEAST_ROUNDS`` times beside the baseline, warm-up included."""
    arms = int(seconds / max(run_seconds, 1e-9) / (LEAST_ROUNDS + 1))
    return max(0, min(most, arms - 1))


def rerank(
    candidates: Mapping[str, T],
    baseline: T,
    time_round: TimeRound[T],
    seconds: float,
    *,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Baseline time / candidate time by name, after one run of each to warm up.

    time_round: infinity for a candidate that does not stand, which then has the ratio 0.
    seconds: wall-clock budget, as of ``RoundLimits``.
    Raises ValueError for a candidate without a name.
    """
    if _BASELINE in candidates:
        raise ValueError("a candidate has the empty name; give it another")
    held = time_in_rounds(
        {_BASELINE: baseline, **candidates},
        time_round,
        RoundLimits(seconds, MOST_ROUNDS, warmup_runs=1),
        seed=seed,
        clock=clock,
    )
    times = held.seconds
    return {name: _ratio(times[_BASELINE], times[name]) for name in candidates}


def _ratio(baseline: list[float], candidate: list[float]) -> float:
    if math.inf in candidate:
        return 0.0
    return math.exp(float(interquartile_mean(log_ratios(baseline, candidate))))
