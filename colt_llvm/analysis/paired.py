"""Tests of paired differences, one number a program. Pure: numbers in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

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
    """Holm's step-down correction (1979), in the order given: below 0.05 means at most 5% of any wrong claim."""
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
