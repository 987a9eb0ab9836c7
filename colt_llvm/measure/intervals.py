"""Is the candidate faster? Pure statistics: numbers in, numbers out, one seed.

Only times of the same round are compared, so drift cancels; noise is one-sided, hence the interquartile mean of log
ratios (docs/decisions/0031-interval-of-a-ratio.md has what was tried). The interval is a percentile bootstrap (Efron &
Tibshirani 1993, ch. 13), widened for few rounds (Hesterberg 2015), over blocks of rounds where neighbours resemble each
other (Künsch 1989); of the ratio, as Kalibera & Jones 2013 argue.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Fewer rounds than this give no interval: the trimmed part would be all there is.
MIN_ROUNDS = 4
_TRIMMED_FRACTION = 0.25
_BLOCKS_FROM_ROUNDS = 24
_LARGEST_BATCH = 1 << 20


@dataclass(frozen=True)
class Interval:
    """Of baseline time / candidate time: above 1 the candidate is faster."""

    ratio: float  #: the estimate
    low: float  #: 0 where there are too few rounds
    high: float  #: infinity where there are too few rounds
    confidence: float  #: 0.99: that the true ratio is from ``low`` to ``high``
    rounds: int  #: that it is made of

    @property
    def half_width(self) -> float:
        """Relative: 0.01 means that the ratio is known to about 1%."""
        return math.log(self.high / self.low) / 2 if self.low > 0 else math.inf


@dataclass(frozen=True)
class Noise:
    """The noise floor, from the A/A control: what this host shows between a program and itself."""

    ratio: float  #: 0.01: up to 1% either way
    confidence: float  #: of the control's interval
    rounds: int  #: of the control


class Verdict(str, Enum):
    """What can be said of a candidate."""

    IMPROVED = "improved"
    NO_IMPROVEMENT = "no improvement"
    TOO_NOISY = "too noisy"


def bootstrap_ratio(
    baseline_seconds: Sequence[float],
    candidate_seconds: Sequence[float],
    *,
    confidence: float = 0.99,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """The ratio of two arms; element i of both was timed in round i. Raises ValueError for unusable samples.

    With fewer than MIN_ROUNDS rounds the interval is everything (0 to infinity).
    """
    logs = log_ratios(baseline_seconds, candidate_seconds)
    rounds = len(logs)
    ratio = math.exp(float(interquartile_mean(logs)))
    if rounds < MIN_ROUNDS:
        return Interval(ratio, 0.0, math.inf, confidence, rounds)
    block = block_length(logs)
    means = _resampled_means(logs, block, resamples, np.random.default_rng(seed))
    tail = _widened_tail((1 - confidence) / 2, degrees=max(rounds // block - 1, 2))
    low, high = np.exp(np.quantile(means, [tail, 1 - tail]))
    return Interval(ratio, float(low), float(high), confidence, rounds)


def log_ratios(baseline_seconds: Sequence[float], candidate_seconds: Sequence[float]) -> Floats:
    """ln(baseline / candidate) of each round, shape (rounds,). Raises ValueError."""
    baseline = np.asarray(baseline_seconds, dtype=np.float64)
    candidate = np.asarray(candidate_seconds, dtype=np.float64)
    if baseline.shape != candidate.shape or baseline.ndim != 1 or not len(baseline):
        raise ValueError(f"need one time of each arm a round, got {baseline.shape} and {candidate.shape}")
    if not (np.all(np.isfinite(baseline) & (baseline > 0)) and np.all(np.isfinite(candidate) & (candidate > 0))):
        raise ValueError("a time is not a positive number of seconds; give a longer workload")
    return np.log(baseline / candidate)


def interquartile_mean(values: Floats) -> Floats:
    """Mean of the middle half along the last axis: a quarter of outliers at either end does not move it far."""
    count = values.shape[-1]
    cut = int(_TRIMMED_FRACTION * count)
    middle: Floats = np.sort(values, axis=-1)[..., cut : count - cut].mean(axis=-1)
    return middle


def block_length(logs: Floats) -> int:
    """Rounds a block: 1, or about the cube root of the rounds where neighbours are alike beyond chance.

    They are alike when something disturbs one arm more than the other for a while (a full cache, say). With
    few rounds blocks do harm: simulated, 8 rounds in blocks of two give 3.8% false gains instead of 0.5%.
    """
    rounds = len(logs)
    if rounds < _BLOCKS_FROM_ROUNDS:
        return 1
    clipped = np.clip(logs, *np.quantile(logs, [0.1, 0.9]))
    centred = clipped - clipped.mean()
    power = float(centred @ centred)
    alike = float(centred[1:] @ centred[:-1]) / power if power > 0 else 0.0
    return math.ceil(rounds ** (1 / 3)) if alike > 2 / math.sqrt(rounds) else 1


def _resampled_means(logs: Floats, block: int, resamples: int, rng: np.random.Generator) -> Floats:
    """Interquartile means of ``resamples`` circular block resamples, shape (resamples,)."""
    rounds = len(logs)
    blocks = -(-rounds // block)
    batch = max(1, _LARGEST_BATCH // (blocks * block))
    parts = []
    for start in range(0, resamples, batch):
        count = min(batch, resamples - start)
        first = rng.integers(0, rounds, size=(count, blocks, 1))
        index = ((first + np.arange(block)) % rounds).reshape(count, -1)[:, :rounds]
        parts.append(interquartile_mean(logs[index]))
    return np.concatenate(parts)


def _widened_tail(tail: float, degrees: int) -> float:
    """The normal tail that reaches as far as Student's t does, times sqrt(n / (n - 1)) (Hesterberg 2015)."""
    reach = student_quantile(1 - tail, degrees) * math.sqrt((degrees + 1) / degrees)
    return 1 - NormalDist().cdf(reach)


def student_quantile(probability: float, degrees: int) -> float:
    """Student's t by its expansion around the normal (Abramowitz & Stegun 26.7.5); good to 1% from 7 degrees on."""
    z = NormalDist().inv_cdf(probability)
    return (
        z
        + (z**3 + z) / (4 * degrees)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    )


def corrected_confidence(confidence: float, intervals: int) -> float:
    """Bonferroni: the confidence of each of ``intervals``, so that all hold together at ``confidence``."""
    return 1 - (1 - confidence) / max(intervals, 1)


def noise_of(control: Interval) -> Noise:
    """The noise that an A/A control shows: how far from 1 the ratio of a program to itself may be."""
    reach = max(abs(math.log(control.low)) if control.low > 0 else math.inf, abs(math.log(control.high)))
    return Noise(math.expm1(reach) if math.isfinite(reach) else math.inf, control.confidence, control.rounds)


def verdict_of(interval: Interval, noise: Noise, *, smallest_gain: float = 0.01) -> Verdict:
    """Improved: the whole interval is above 1 and the ratio is past the noise floor, from the A/A control.

    No improvement: a gain of ``smallest_gain`` or more is ruled out. Otherwise the times cannot tell.
    """
    if interval.low > 1 and interval.ratio > 1 + noise.ratio:
        return Verdict.IMPROVED
    if interval.high < 1 + smallest_gain:
        return Verdict.NO_IMPROVEMENT
    return Verdict.TOO_NOISY
