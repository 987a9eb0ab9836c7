"""The statistics, on simulated hosts: what is proved, what is not, and that figures mean what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colt_llvm.measure.intervals import (
    MIN_ROUNDS,
    Interval,
    Noise,
    Verdict,
    block_length,
    bootstrap_ratio,
    corrected_confidence,
    interquartile_mean,
    noise_of,
    student_quantile,
    verdict_of,
)

from .simulate import Host

QUIET = Noise(0.0, 0.99, 20)
times = st.lists(st.floats(1e-4, 1e3), min_size=1, max_size=30)


def rounds(host: Host, count: int) -> tuple[list[float], list[float]]:
    pairs = [(host.time("baseline"), host.time("candidate")) for _ in range(count)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def test_a_ratio_above_one_means_a_faster_candidate() -> None:
    interval = bootstrap_ratio([2.0] * 10, [1.0] * 10)
    assert interval == Interval(2.0, 2.0, 2.0, 0.99, 10)


def test_the_same_seed_gives_the_same_interval() -> None:
    samples = rounds(Host({"baseline": 1.0, "candidate": 1.0}, 1), 12)
    assert bootstrap_ratio(*samples, seed=3) == bootstrap_ratio(*samples, seed=3)
    assert bootstrap_ratio(*samples, seed=3) != bootstrap_ratio(*samples, seed=4)


@given(times, st.floats(0.1, 10))
def test_a_constant_factor_is_found_exactly_whatever_the_drift(baseline: list[float], factor: float) -> None:
    interval = bootstrap_ratio(baseline, [seconds / factor for seconds in baseline], resamples=50)
    assert interval.ratio == pytest.approx(factor)
    if len(baseline) >= MIN_ROUNDS:
        assert interval.low == pytest.approx(factor)
        assert interval.high == pytest.approx(factor)


@given(times, st.integers(0, 2**31))
def test_swapping_the_arms_inverts_the_ratio(baseline: list[float], seed: int) -> None:
    candidate = list(np.random.default_rng(seed).permutation(baseline))
    there, back = bootstrap_ratio(baseline, candidate, resamples=20), bootstrap_ratio(candidate, baseline, resamples=20)
    assert there.ratio * back.ratio == pytest.approx(1)


def test_three_rounds_give_no_interval() -> None:
    interval = bootstrap_ratio([2.0] * 3, [1.0] * 3)
    assert (interval.low, interval.high, interval.half_width) == (0.0, math.inf, math.inf)
    assert verdict_of(interval, QUIET) is Verdict.TOO_NOISY


@pytest.mark.parametrize(
    ("baseline", "candidate"),
    [([], []), ([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([1.0], [-1.0]), ([1.0], [math.nan]), ([math.inf], [1.0])],
)
def test_refuses_times_that_mean_nothing(baseline: list[float], candidate: list[float]) -> None:
    with pytest.raises(ValueError):
        bootstrap_ratio(baseline, candidate)


def test_a_quarter_of_outliers_does_not_move_the_ratio_far() -> None:
    baseline = [1.0] * 20
    candidate = [0.9] * 15 + [9.0] * 5
    assert bootstrap_ratio(baseline, candidate).ratio == pytest.approx(1 / 0.9)


def test_the_interquartile_mean_is_the_mean_of_the_middle_half() -> None:
    assert interquartile_mean(np.array([100.0, 1, 2, 3, 4, 5, 6, -100])) == pytest.approx((2 + 3 + 4 + 5) / 4)


@pytest.mark.parametrize(
    ("probability", "degrees", "exact"),
    [(0.975, 9, 2.262), (0.995, 9, 3.250), (0.995, 19, 2.861), (0.995, 7, 3.499), (0.9995, 29, 3.659)],
)
def test_student_quantiles_agree_with_the_tables(probability: float, degrees: int, exact: float) -> None:
    assert student_quantile(probability, degrees) == pytest.approx(exact, rel=0.01)


def test_few_rounds_widen_the_interval_more_than_the_plain_bootstrap() -> None:
    baseline, candidate = rounds(Host({"baseline": 1.0, "candidate": 1.0}, 2, outliers=0), 8)
    logs = np.log(np.array(baseline) / np.array(candidate))
    resampled = np.random.default_rng(0).choice(logs, size=(4000, 8))
    low, high = np.quantile(interquartile_mean(resampled), [0.025, 0.975])
    interval = bootstrap_ratio(baseline, candidate, confidence=0.95)
    assert math.log(interval.high / interval.low) > 1.1 * (high - low)


def test_blocks_are_used_only_where_neighbours_are_alike() -> None:
    rng = np.random.default_rng(5)
    independent = rng.standard_normal(64)
    alike = np.repeat(rng.standard_normal(16), 4)
    assert block_length(independent) == 1
    assert block_length(alike) == 4
    assert block_length(alike[:20]) == 1
    assert block_length(np.zeros(64)) == 1


def test_bonferroni_divides_the_error_among_the_comparisons() -> None:
    assert corrected_confidence(0.99, 1) == 0.99
    assert corrected_confidence(0.99, 5) == pytest.approx(0.998)


@pytest.mark.parametrize(
    ("interval", "noise", "verdict"),
    [
        ((1.05, 1.02, 1.08), 0.01, Verdict.IMPROVED),
        ((1.05, 1.02, 1.08), 0.06, Verdict.TOO_NOISY),  # not past the noise floor
        ((1.05, 0.99, 1.11), 0.01, Verdict.TOO_NOISY),
        ((1.00, 0.995, 1.005), 0.01, Verdict.NO_IMPROVEMENT),
        ((0.90, 0.85, 0.95), 0.20, Verdict.NO_IMPROVEMENT),
        ((0.99, 0.90, 1.08), 0.01, Verdict.TOO_NOISY),  # a gain of 8% is still possible
        ((1.004, 1.002, 1.006), 0.001, Verdict.IMPROVED),
        ((1.004, 1.002, 1.006), 0.01, Verdict.NO_IMPROVEMENT),
    ],
)
def test_the_verdict(interval: tuple[float, float, float], noise: float, verdict: Verdict) -> None:
    assert verdict_of(Interval(*interval, 0.99, 20), Noise(noise, 0.99, 20)) is verdict


def test_noise_is_the_farther_end_of_the_control() -> None:
    assert noise_of(Interval(1.0, 0.98, 1.01, 0.99, 20)).ratio == pytest.approx(1 / 0.98 - 1)
    assert noise_of(Interval(1.0, 0.99, 1.04, 0.99, 20)).ratio == pytest.approx(0.04)
    assert noise_of(Interval(1.0, 0.0, math.inf, 0.99, 3)).ratio == math.inf


@pytest.mark.parametrize("count", [10, 30])
def test_the_interval_holds_the_true_ratio_about_as_often_as_it_says(count: int) -> None:
    held = 0
    for seed in range(400):
        samples = rounds(Host({"baseline": 1.1, "candidate": 1.0}, seed), count)
        interval = bootstrap_ratio(*samples, confidence=0.95, resamples=1000, seed=seed)
        held += interval.low <= 1.1 <= interval.high
    assert held / 400 >= 0.93
