"""One measurement inside the search: just as many runs as the search needs to know.

What comes out guides the search and proves nothing: looking at the interval after each pair and stopping when it
suits bends it a little. The proof is made apart, by ``ab_test``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from colt_llvm.measure.intervals import MIN_ROUNDS, Interval, bootstrap_ratio
from colt_llvm.measure.rounds import TimeRound

T = TypeVar("T")

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
