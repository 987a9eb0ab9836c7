"""Intervals of means over programs and seeds, and tests of paired differences. Pure: numbers in, numbers out.

Programs are drawn first, with replacement, then seeds within each drawn program: both are samples of what might have
been tried. Every statistic here is linear in the cells, so a resample is a row of weights (shape (resamples, cells)),
and one product serves a whole curve. Resampling both levels is a little conservative: the spread of the programs'
means holds that of the seeds already (Davison & Hinkley 1997, section 3.8). Intervals are percentiles, or BCa (Efron
1987, "Better Bootstrap Confidence Intervals", with the jackknife over programs), both widened for few programs by
Student's t (Hesterberg 2015, "What Teachers Should Know about the Bootstrap"): skewed gains of 8 programs, simulated,
were covered by 85% of the plain 95% intervals, and by 91% of these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from colt_llvm.measure.intervals import student_quantile

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Seeds of one program, one such sequence a program.
ByProgram = Sequence[Sequence[float]]

RESAMPLES = 5_000
CONFIDENCE = 0.95
_LARGEST_BATCH = 1 << 22
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Estimate:
    """A mean of natural logs with its interval. Unbounded where one program has one seed."""

    value: float
    low: float
    high: float
    confidence: float  # of the interval, such as 0.95
    programs: int  # how many there were

    @property
    def bounded(self) -> bool:
        """Whether there is an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def negated(self) -> Estimate:
        """Of the same thing seen from the other side."""
        return replace(self, value=-self.value, low=-self.high, high=-self.low)

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def mean_of(values: ByProgram) -> float:
    """The mean over programs of the mean over seeds: every program weighs the same."""
    return float(np.mean([np.mean(seeds) for seeds in values]))


def mean_interval(
    values: ByProgram,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
    method: str = "percentile",
) -> Estimate:
    """The mean log gain with its interval. values: [program][seed]. method: ``percentile`` or ``bca``."""
    rng = np.random.default_rng(seed)
    picks = draw_programs(len(values), resamples, rng)
    means = draw_weights([len(seeds) for seeds in values], picks, rng) @ _padded(values)
    jackknife = [mean_of(rest) for rest in _leave_one_out(values)]
    return _estimate(mean_of(values), means, jackknife, confidence, method, [values])


def difference_interval(
    first: ByProgram,
    second: ByProgram,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
    method: str = "percentile",
) -> Estimate:
    """mean(first) - mean(second), paired by program: element i of both is of one program.

    The same programs are drawn for both, seeds apart: seed 3 of one strategy has nothing to do with seed 3 of another.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} programs against {len(second)}: pair them first")
    rng = np.random.default_rng(seed)
    picks = draw_programs(len(first), resamples, rng)
    means = draw_weights([len(seeds) for seeds in first], picks, rng) @ _padded(first)
    means -= draw_weights([len(seeds) for seeds in second], picks, rng) @ _padded(second)
    jackknife = [mean_of(a) - mean_of(b) for a, b in zip(_leave_one_out(first), _leave_one_out(second), strict=True)]
    return _estimate(mean_of(first) - mean_of(second), means, jackknife, confidence, method, [first, second])


def draw_programs(programs: int, resamples: int, rng: np.random.Generator) -> Integers:
    """Which programs each resample takes, shape (resamples, programs)."""
    if programs < 1:
        raise ValueError("no program to draw from")
    return rng.integers(0, programs, size=(resamples, programs))


def draw_weights(seeds: Sequence[int], picks: Integers, rng: np.random.Generator) -> Floats:
    """The weight of each cell in each resample, shape (resamples, programs * max(seeds)); rows add up to 1.

    seeds: how many seeds each program has; the places past that number have the weight 0.
    """
    counts = np.asarray(seeds, dtype=np.int64)
    if counts.min() < 1:
        raise ValueError("a program without a seed")
    resamples, programs = picks.shape
    most = int(counts.max())
    width = programs * most
    weights = np.empty((resamples, width))
    batch = max(1, _LARGEST_BATCH // width)
    for start in range(0, resamples, batch):
        drawn = picks[start : start + batch]
        rows = len(drawn)
        size = counts[drawn][:, :, None]
        chosen = (rng.random((rows, programs, most)) * size).astype(np.int64)
        place = drawn[:, :, None] * most + chosen + np.arange(rows)[:, None, None] * width
        share = np.where(np.arange(most) < size, 1.0 / (programs * size), 0.0)
        flat = np.bincount(place.ravel(), weights=share.ravel(), minlength=rows * width)
        weights[start : start + rows] = flat.reshape(rows, width)
    return weights


def percentile_band(draws: Floats, confidence: float = CONFIDENCE) -> tuple[Floats, Floats]:
    """Low and high of ``draws`` (shape (resamples, ...)) along the first axis."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, (tail, 1 - tail), axis=0)
    return low, high


def pad_cells(values: Sequence[Floats]) -> Floats:
    """Cells as ``draw_weights`` counts them: [program] of shape (seeds, k) to (programs * max(seeds), k), 0 between."""
    most = max(len(seeds) for seeds in values)
    padded = np.zeros((len(values), most, *values[0].shape[1:]))
    for index, seeds in enumerate(values):
        padded[index, : len(seeds)] = seeds
    return padded.reshape(len(values) * most, *values[0].shape[1:])


def widened_tail(tail: float, count: int) -> float:
    """The normal tail that reaches as far as Student's t of ``count - 1`` degrees times sqrt(n / (n - 1))."""
    reach = student_quantile(1 - tail, count - 1) * math.sqrt(count / (count - 1))
    return 1 - _NORMAL.cdf(reach)


def _padded(values: ByProgram) -> Floats:
    return pad_cells([np.asarray(seeds, dtype=np.float64) for seeds in values])


def _leave_one_out(values: ByProgram) -> list[ByProgram]:
    if len(values) < 2:
        return []
    return [[*values[:index], *values[index + 1 :]] for index in range(len(values))]


def _estimate(
    value: float,
    draws: Floats,
    jackknife: Sequence[float],
    confidence: float,
    method: str,
    samples: Sequence[ByProgram],
) -> Estimate:
    programs = len(samples[0])
    if programs == 1 and any(len(values[0]) < 2 for values in samples):
        return Estimate(value, -math.inf, math.inf, confidence, programs)
    count = programs if programs > 1 else min(len(values[0]) for values in samples)
    tail = widened_tail((1 - confidence) / 2, count)
    tails = tail, 1 - tail
    if method == "bca":
        tails = _bca_tails(value, draws, jackknife, tails)
    elif method != "percentile":
        raise ValueError(f"method {method!r}: use percentile or bca")
    low, high = np.quantile(draws, tails)
    return Estimate(value, float(low), float(high), confidence, programs)


def _bca_tails(
    value: float, draws: Floats, jackknife: Sequence[float], tails: tuple[float, float]
) -> tuple[float, float]:
    """Efron 1987, equations 6.7 and 6.8; the plain tails where the draws do not vary."""
    below = float(np.mean(draws < value) + np.mean(draws == value) / 2)
    if not 0 < below < 1:
        return tails
    bias = _NORMAL.inv_cdf(below)
    spread = np.mean(jackknife) - np.asarray(jackknife) if len(jackknife) else np.zeros(1)
    power = float(np.sum(spread**2))
    acceleration = float(np.sum(spread**3)) / (6 * power**1.5) if power > 0 else 0.0

    def moved(tail: float) -> float:
        z = bias + _NORMAL.inv_cdf(tail)
        return _NORMAL.cdf(bias + z / (1 - acceleration * z))

    return moved(tails[0]), moved(tails[1])


#: Differences of mean log gains up to this (0.1%) are a tie.
TIE = 0.001
_DIGITS = 12  # differences that agree to this many decimals are equal: the rest is rounding


@dataclass(frozen=True)
class Counts:
    """Programs on which the first is better, as good to within the tie width, and worse."""

    wins: int
    ties: int
    losses: int

    def __str__(self) -> str:
        return f"{self.wins}/{self.ties}/{self.losses}"


def count_outcomes(differences: Sequence[float], tie: float = TIE) -> Counts:
    """differences: first - second of the mean log gain, one a program. tie: in the same unit."""
    wins = sum(difference > tie for difference in differences)
    losses = sum(difference < -tie for difference in differences)
    return Counts(wins, len(differences) - wins - losses, losses)


def wilcoxon_signed_rank(differences: Sequence[float]) -> float:
    """Two-sided p of "the differences are symmetric around 0" (Wilcoxon 1945), exact at every size.

    Zeros are left out (Wilcoxon's own way), equal sizes share their mean rank, and the distribution is that of all
    2^n signs given these ranks, summed up by dynamic programming. 1.0 where all are zero.
    """
    values = np.round(np.asarray(differences, dtype=np.float64), _DIGITS)
    values = values[values != 0]
    if not len(values):
        return 1.0
    doubled = np.rint(2 * mean_ranks(np.abs(values))).astype(np.int64)  # mean ranks are halves: doubled, whole
    chances = np.ones(1)
    for rank in doubled:
        grown = np.zeros(len(chances) + int(rank))
        grown[: len(chances)] += chances / 2
        grown[int(rank) :] += chances / 2
        chances = grown
    positive = int(doubled[values > 0].sum())
    lower, upper = float(chances[: positive + 1].sum()), float(chances[positive:].sum())
    return min(1.0, 2 * min(lower, upper))


def sign_test(differences: Sequence[float], tie: float = TIE) -> float:
    """Two-sided exact binomial p of as many wins as losses; ties are left out. 1.0 where only ties are."""
    counts = count_outcomes(differences, tie)
    untied = counts.wins + counts.losses
    fewer = min(counts.wins, counts.losses)
    tail: float = sum(math.comb(untied, k) for k in range(fewer + 1)) / 2**untied
    return min(1.0, 2 * tail)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979), in the order given: below 0.05 means at most 5% of any false finding."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for step, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[index]))
        corrected[index] = largest
    return corrected


def mean_ranks(values: Sequence[float] | Floats) -> Floats:
    """Ranks from 1 for the least; equal values share the mean of their ranks. Shape as given."""
    array = np.asarray(values, dtype=np.float64)
    order = np.sort(array)
    first = np.searchsorted(order, array, side="left")
    past = np.searchsorted(order, array, side="right")
    ranks: Floats = (first + 1 + past) / 2
    return ranks
