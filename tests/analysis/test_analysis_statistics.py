"""Statistics against values that are known: by hand, from published tables, or by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colt_llvm.analysis.statistics import (
    count_outcomes,
    difference_interval,
    draw_programs,
    draw_weights,
    holm,
    mean_interval,
    mean_of,
    mean_ranks,
    sign_test,
    wilcoxon_signed_rank,
)

DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]  # heights of Zea mays, in eighths of an inch


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 2, 3, 4, 5, 6], 0.03125),
        ([-1, -2, 3, 4, 5, 6, 7, 8], 0.0390625),  # T = 3 at n = 8, the tabled critical value at 5%
        ([-8, 1, 2, 3, 4, 5, 6, 7, 9, 10], 0.048828125),  # T = 8 at n = 10
        (DARWIN, 0.041259765625),
        ([1, 1, 1, 1], 0.125),
        ([0, 0, 0], 1.0),
    ],
)
def test_the_signed_rank_test_gives_the_published_values(differences: list[float], p: float) -> None:
    assert wilcoxon_signed_rank(differences) == pytest.approx(p, abs=1e-12)
    assert wilcoxon_signed_rank([-value for value in differences]) == pytest.approx(p, abs=1e-12)


def test_the_signed_rank_test_with_ties_counts_all_signs() -> None:
    differences = [0.5, 0.5, -0.5, 1.0, 1.0, 2.0]
    ranks = mean_ranks(np.abs(differences))
    signs = np.array(np.meshgrid(*[[0, 1]] * 6)).reshape(6, -1).T
    sums, seen = signs @ ranks, ranks[np.array(differences) > 0].sum()
    assert wilcoxon_signed_rank(differences) == pytest.approx(2 * np.mean(sums >= seen))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40))
def test_the_signed_rank_p_is_a_probability_whatever_the_scale(differences: list[float]) -> None:
    p = wilcoxon_signed_rank(differences)
    assert 0 < p <= 1
    assert wilcoxon_signed_rank(list(reversed(differences))) == pytest.approx(p)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_lowers_a_p_and_keeps_the_order(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, corrected, strict=True))
    ordered = [q for _, q in sorted(zip(p_values, corrected, strict=True))]
    assert ordered == sorted(ordered)


def test_wins_ties_losses_and_the_sign_test_leave_the_tie_width_out() -> None:
    counts = count_outcomes([0.01, 0.02, 0.0005, -0.001, -0.03], tie=0.001)
    assert str(counts) == "2/2/1"
    assert sign_test([1.0] * 5) == pytest.approx(2 / 32)
    assert sign_test([0.0, 0.0005]) == 1.0


def test_every_program_weighs_the_same_however_many_seeds_it_has() -> None:
    assert mean_of([[1.0, 1.0, 1.0, 1.0], [3.0]]) == 2.0
    estimate = mean_interval([[1.0, 1.0, 1.0, 1.0], [3.0]])
    assert estimate.value == 2.0
    assert (estimate.low, estimate.high) == (1.0, 3.0)


def test_weights_add_up_and_leave_the_places_without_a_seed_empty() -> None:
    rng = np.random.default_rng(0)
    weights = draw_weights([3, 1, 2], draw_programs(3, 5000, rng), rng)
    assert weights.shape == (5000, 9)
    assert weights.sum(axis=1) == pytest.approx(np.ones(5000))
    assert not weights[:, [4, 5, 8]].any()
    assert weights.mean(axis=0)[[0, 3, 6]] == pytest.approx([1 / 9, 1 / 3, 1 / 6], abs=0.01)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_the_interval_covers_the_truth_as_often_as_it_says(method: str) -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for trial in range(200):
        values = 0.1 + rng.normal(0, 0.05, (12, 1)) + rng.normal(0, 0.02, (12, 3))
        found = mean_interval(values.tolist(), resamples=400, seed=trial, method=method)
        covered += found.low <= 0.1 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_what_programs_share_cancels_in_a_paired_difference() -> None:
    rng = np.random.default_rng(3)
    own = rng.normal(0, 1.0, (10, 1))
    first, second = own + 0.02 + rng.normal(0, 0.01, (10, 5)), own + rng.normal(0, 0.01, (10, 5))
    found = difference_interval(first.tolist(), second.tolist())
    assert found.value == pytest.approx(0.02, abs=0.01)
    assert found.high - found.low < 0.03
    assert found.excludes_zero
    assert found.negated().low == -found.high


def test_one_search_has_no_interval_and_equal_seeds_give_equal_intervals() -> None:
    assert not mean_interval([[0.1]]).bounded
    assert math.isinf(difference_interval([[0.1]], [[0.2]]).high)
    values = np.random.default_rng(1).normal(0, 1, (9, 4)).tolist()
    assert mean_interval(values, seed=4) == mean_interval(values, seed=4)
    assert mean_interval(values, seed=4) != mean_interval(values, seed=5)
