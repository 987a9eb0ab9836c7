"""Arms timed in rounds: one run of each in a round, each round in its own order, so that drift hits all alike.

The best of a hundred noisy times are the lucky ones, and the A/B test has time for three. So more finalists are
re-ranked first, briefly, by new times; that proves nothing. What it gains: docs/decisions/0030-rerank-finalists.md.

A trial inside the search has just as many runs as the search needs to know (``measure_trial``). What comes out guides
the search and proves nothing: looking at the interval after each pair and stopping when it suits bends it a little.
The proof is made apart, by ``ab_test``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from colt_llvm.measure.intervals import MIN_ROUNDS, Interval, bootstrap_ratio, interquartile_mean, log_ratios

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


_RESAMPLES = 500


@dataclass(frozen=True)
class TrialPolicy:
    """When a trial ends. A pair is one run of the candidate and one of the baseline."""

    warmup_runs: int = 1  #: of the candidate beforehand, not counted: its file is new, and not in memory yet
    hopeless_ratio: float = 1.5  #: slower than this times the baseline in the very first pair: cut
    target_half_width: float = 0.01  #: relative; the ratio is known well enough (0.01: to about 1%)
    confidence: float = 0.95  #: of the interval that says whether it is known, and whether it is beaten
    #: (pairs, margin): after so many pairs, go on only with a ratio above (1 + margin) times the best known (or 1).
    screens: tuple[tuple[int, float], ...] = ()
    min_pairs: int = 5  #: before a known ratio ends it
    max_pairs: int = 15  #: more are not run
    max_seconds: float = 30.0  #: wall-clock, checked between runs

    def __post_init__(self) -> None:
        if not (self.hopeless_ratio > 1 and 0 < self.confidence < 1 and 1 <= self.min_pairs <= self.max_pairs):
            raise ValueError(f"{self}: need hopeless_ratio > 1, 0 < confidence < 1 and 1 <= min_pairs <= max_pairs")


@dataclass(frozen=True)
class TrialMeasurement:
    """Raw times in seconds."""

    candidate: tuple[float, ...]  #: element i from pair i
    baseline: tuple[float, ...]  #: element i from pair i
    warmup: tuple[float, ...]  #: of the candidate, not counted
    interval: Interval  #: of baseline / candidate; above 1 the candidate is faster
    cut: bool  #: ended early: hopeless, or surely not better than the best known

    @property
    def ratio(self) -> float:
        """Of a few pairs the best times: noise only ever adds, and one disturbed run would move a mean far."""
        if len(self.candidate) < MIN_ROUNDS:
            return min(self.baseline) / min(self.candidate)
        return self.interval.ratio


def measure_trial(
    arms: tuple[T, T],
    time_round: TimeRound[T],
    policy: TrialPolicy | None = None,
    *,
    best_ratio: float | None = None,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> TrialMeasurement:
    """Time the candidate against fresh runs of the baseline; ``time_round`` gives the seconds of one run of each.

    arms: candidate and baseline.
    best_ratio: of the best candidate so far; one that is surely slower needs no more runs.

    What ``time_round`` raises (a candidate that never ends, say) passes through.
    """
    policy = policy or TrialPolicy()
    started = clock()
    warmup = tuple(time_round([arms[0]])[0] for _ in range(policy.warmup_runs))
    times: tuple[list[float], list[float]] = ([], [])
    of_candidate, of_baseline = times
    while True:
        # The order alternates, so that neither arm always comes after the other.
        order = ((0, 1), (1, 0))[len(of_baseline) % 2]
        for index, spent in zip(order, time_round([arms[index] for index in order]), strict=True):
            times[index].append(spent)
        interval = bootstrap_ratio(
            of_baseline, of_candidate, confidence=policy.confidence, resamples=_RESAMPLES, seed=seed
        )
        # The luckiest run so far, warm-up included: one disturbed run does not condemn a candidate.
        luckiest = min(*warmup, *of_candidate, of_candidate[0])
        hopeless = len(of_candidate) == 1 and luckiest > policy.hopeless_ratio * of_baseline[0]
        beaten = best_ratio is not None and len(of_candidate) >= policy.min_pairs and interval.high < best_ratio
        least, quick = max(1.0, best_ratio or 1.0), min(of_baseline) / min(of_candidate)
        screened = any(len(of_candidate) == pairs and quick < least * (1 + margin) for pairs, margin in policy.screens)
        out_of_budget = len(of_candidate) >= policy.max_pairs or clock() - started >= policy.max_seconds
        known = len(of_candidate) >= policy.min_pairs and interval.half_width <= policy.target_half_width
        if hopeless or beaten or screened or known or out_of_budget:
            return TrialMeasurement(
                tuple(of_candidate), tuple(of_baseline), warmup, interval, cut=hopeless or beaten or screened
            )
