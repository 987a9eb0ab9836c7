"""One measurement inside the search: just as many runs as the search needs to know.

What comes out guides the search and claims nothing: looking at the interval after each pair and stopping when it
suits bends it a little. The claim is made apart, by ``contest``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from colt_llvm.measure.compare import MIN_ROUNDS, Interval, bootstrap_ratio

_RESAMPLES = 500


@dataclass(frozen=True)
class TrialPolicy:
    """When a trial ends.

    warmup_runs: runs of the candidate beforehand, not counted: its file is new, and not in memory yet.
    hopeless_ratio: slower than this times the baseline in the very first pair: cut.
    target_half_width: relative; the ratio is known well enough (0.01: to about 1%).
    confidence: of the interval that decides both.
    screens: (pairs, margin): after so many pairs, go on only with a ratio above (1 + margin) times the best known
        (or 1). Most candidates are no better than the best, and need not be known well.
    min_pairs, max_pairs: pairs of one candidate and one baseline run.
    max_seconds: wall-clock, checked between runs.
    """

    warmup_runs: int = 1
    hopeless_ratio: float = 1.5
    target_half_width: float = 0.01
    confidence: float = 0.95
    screens: tuple[tuple[int, float], ...] = ()
    min_pairs: int = 5
    max_pairs: int = 15
    max_seconds: float = 30.0

    def __post_init__(self) -> None:
        if not (self.hopeless_ratio > 1 and 0 < self.confidence < 1 and 1 <= self.min_pairs <= self.max_pairs):
            raise ValueError(f"{self}: need hopeless_ratio > 1, 0 < confidence < 1 and 1 <= min_pairs <= max_pairs")


@dataclass(frozen=True)
class TrialMeasurement:
    """Raw times, in seconds; element i of both was timed in pair i.

    interval: of baseline / candidate; above 1 the candidate is faster.
    cut: ended early, because the candidate is hopeless or surely not better than the best known.
    """

    candidate: tuple[float, ...]
    baseline: tuple[float, ...]
    warmup: tuple[float, ...]
    interval: Interval
    cut: bool

    @property
    def ratio(self) -> float:
        """Of a few pairs the best times: noise only ever adds, and one disturbed run would move a mean far."""
        if len(self.candidate) < MIN_ROUNDS:
            return min(self.baseline) / min(self.candidate)
        return self.interval.ratio


def measure_trial(
    time_candidate: Callable[[], float],
    time_baseline: Callable[[], float],
    policy: TrialPolicy | None = None,
    *,
    best_ratio: float | None = None,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> TrialMeasurement:
    """Time the candidate against fresh runs of the baseline, in turn; each callable returns one run's seconds.

    best_ratio: of the best candidate so far; one that is surely slower needs no more runs.

    What the callables raise (a candidate that never ends, say) passes through.
    """
    policy = policy or TrialPolicy()
    started = clock()
    warmup = tuple(time_candidate() for _ in range(policy.warmup_runs))
    candidate: list[float] = []
    baseline: list[float] = []
    while True:
        # The order alternates, so that neither arm always comes after the other.
        for arm in ("cb", "bc")[len(baseline) % 2]:
            candidate.append(time_candidate()) if arm == "c" else baseline.append(time_baseline())
        interval = bootstrap_ratio(baseline, candidate, confidence=policy.confidence, resamples=_RESAMPLES, seed=seed)
        # The luckiest run so far, warm-up included: one disturbed run does not condemn a candidate.
        hopeless = len(candidate) == 1 and min(*warmup, *candidate, candidate[0]) > policy.hopeless_ratio * baseline[0]
        beaten = best_ratio is not None and len(candidate) >= policy.min_pairs and interval.high < best_ratio
        mark, quick = max(1.0, best_ratio or 1.0), min(baseline) / min(candidate)
        screened = any(len(candidate) == pairs and quick < mark * (1 + margin) for pairs, margin in policy.screens)
        out_of_budget = len(candidate) >= policy.max_pairs or clock() - started >= policy.max_seconds
        known = len(candidate) >= policy.min_pairs and interval.half_width <= policy.target_half_width
        if hopeless or beaten or screened or known or out_of_budget:
            return TrialMeasurement(
                tuple(candidate), tuple(baseline), warmup, interval, cut=hopeless or beaten or screened
            )
