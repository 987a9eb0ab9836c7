"""The A/B test: what it says of equals, of true gains, and that nothing decides it but the times."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from colt_llvm.measure.ab_test import BASELINE, CONTROL, ABTest, ABTestPolicy, ab_test
from colt_llvm.measure.intervals import Verdict

from .simulate import Host, in_turn

POLICY = ABTestPolicy(seconds=1e9, max_rounds=20, resamples=2000)


def hold(speeds: dict[str, float], seed: int, policy: ABTestPolicy = POLICY, **noise: float) -> ABTest:
    host = Host({"baseline": 1.0, **speeds}, seed, **noise)
    return ab_test(
        {name: name for name in speeds},
        ("baseline", "baseline"),
        in_turn(host.time),
        policy,
        seed=seed,
        clock=host.clock,
    )


def arms_of_equals(policy: ABTestPolicy, **noise: float) -> tuple[int, int]:
    """How many A/A tests report a gain, and how many arms there were: over 1000."""
    tests = [hold({"a": 1.0, "b": 1.0, "c": 1.0}, seed, policy, **noise) for seed in range(334)]
    improved = [arm for held in tests for arm in held.arms if arm.verdict is Verdict.IMPROVED]
    return len(improved), sum(len(held.arms) for held in tests)


@pytest.mark.parametrize("rounds", [10, 20, 40])
def test_equals_are_called_improved_in_less_than_one_arm_of_a_hundred(rounds: int) -> None:
    policy = ABTestPolicy(seconds=1e9, max_rounds=rounds, resamples=2000)
    improved, arms = arms_of_equals(policy)
    assert arms > 1000
    assert improved / arms < 0.01


def test_equals_are_not_called_improved_on_a_very_disturbed_host() -> None:
    improved, arms = arms_of_equals(POLICY, noise=0.05, outliers=0.3, outlier_size=0.4, drift=0.2)
    assert improved / arms < 0.01


def test_a_gain_of_three_percent_under_one_percent_of_noise_is_found_most_of_the_time() -> None:
    policy = ABTestPolicy(seconds=1e9, max_rounds=30, resamples=2000)
    found = [hold({"better": 1 / 1.03}, seed, policy).arms[0].verdict for seed in range(200)]
    assert found.count(Verdict.IMPROVED) >= 160


def test_a_slower_finalist_is_no_improvement() -> None:
    assert hold({"worse": 1.1}, 0).arms[0].verdict is Verdict.NO_IMPROVEMENT


def test_the_best_is_the_improved_one_with_the_greatest_lower_bound() -> None:
    held = hold({"good": 1 / 1.1, "best": 1 / 1.3, "same": 1.0}, 1)
    assert held.best is not None
    assert held.best.name == "best"
    assert hold({"same": 1.0}, 1).best is None


def test_every_round_runs_every_arm_once_in_an_order_of_its_own() -> None:
    host = Host({"baseline": 1.0, "a": 1.0, "b": 1.0}, 0)
    held = ab_test({"a": "a", "b": "b"}, ("baseline", "baseline"), in_turn(host.time), POLICY, clock=host.clock)
    assert all(sorted(order) == sorted(("", "control", "a", "b")) for order in held.orders)
    assert len(set(held.orders)) > 10
    assert len(held.orders) == POLICY.max_rounds


def test_all_raw_times_are_kept_and_the_warm_up_is_apart() -> None:
    host = Host({"baseline": 1.0, "a": 1.0}, 0)
    spent: list[float] = []

    def time_run(arm: str) -> float:
        spent.append(host.time(arm))
        return spent[-1]

    held = ab_test({"a": "a"}, ("baseline", "baseline"), in_turn(time_run), POLICY, clock=host.clock)
    kept = [*held.baseline_seconds, *held.control.seconds, *held.arms[0].seconds]
    assert sorted(kept + [s for arm in held.warmup.values() for s in arm]) == sorted(spent)
    by_arm = {BASELINE: held.baseline_seconds, CONTROL: held.control.seconds, "a": held.arms[0].seconds}
    replayed = [by_arm[name][index] for index, order in enumerate(held.orders) for name in order]
    assert replayed == spent[3:]


def test_the_time_budget_ends_the_rounds() -> None:
    held = hold({"a": 1.0}, 0, ABTestPolicy(seconds=40, max_rounds=1000))
    assert 10 <= len(held.orders) <= 14


def test_too_few_rounds_prove_nothing_however_great_the_gain() -> None:
    held = hold({"a": 0.5}, 0, ABTestPolicy(seconds=15))
    assert len(held.orders) < ABTestPolicy().min_rounds
    assert held.arms[0].verdict is Verdict.TOO_NOISY
    assert held.best is None


def test_the_least_budget_is_enough_for_the_fewest_rounds() -> None:
    policy = ABTestPolicy()
    seconds = policy.least_seconds(finalists=2, run_seconds=1.0)
    held = hold({"a": 1.0, "b": 1.0}, 0, ABTestPolicy(seconds=seconds), noise=0.0, outliers=0.0, drift=0.0)
    assert len(held.orders) == policy.min_rounds


def test_there_is_room_for_the_fewest_rounds_where_runs_take_longer_than_alone() -> None:
    alone = 1 / 1.4  # of a run that takes 1 s beside others
    policy = ABTestPolicy(seconds=1.0)
    held = hold({"a": 0.5}, 0, policy.with_room(1, alone), noise=0.0, outliers=0.0, drift=0.0)
    assert len(held.orders) >= policy.min_rounds
    assert held.arms[0].verdict is Verdict.IMPROVED
    assert ABTestPolicy(seconds=1e3).with_room(1, alone).seconds == 1e3


def test_one_round_is_run_even_without_a_budget() -> None:
    assert len(hold({"a": 1.0}, 0, ABTestPolicy(seconds=0)).orders) == 1


def test_more_finalists_need_stronger_evidence() -> None:
    alone, among_four = hold({"a": 0.9}, 3), hold({"a": 0.9, "b": 1.0, "c": 1.0, "d": 1.0}, 3)
    assert alone.arms[0].interval.confidence == 0.99
    assert among_four.arms[0].interval.confidence == pytest.approx(0.9975)
    assert among_four.noise.confidence == pytest.approx(0.9975)


def test_a_copy_of_the_baseline_can_be_the_control() -> None:
    host = Host({"baseline": 1.0, "copy": 1.0, "a": 1.0}, 0)
    ab_test({"a": "a"}, ("baseline", "copy"), in_turn(host.time), POLICY, clock=host.clock)
    assert host.order.count("copy") == host.order.count("baseline") == POLICY.max_rounds + 1


def test_a_control_that_differs_is_reported_and_forbids_small_gains() -> None:
    host = Host({"baseline": 1.0, "copy": 0.9, "a": 0.95}, 0)
    held = ab_test({"a": "a"}, ("baseline", "copy"), in_turn(host.time), POLICY, clock=host.clock)
    assert held.control.verdict is Verdict.IMPROVED
    assert held.noise.ratio > 0.1
    assert held.arms[0].verdict is Verdict.TOO_NOISY


@pytest.mark.parametrize("name", [BASELINE, CONTROL])
def test_a_finalist_cannot_take_the_name_of_the_baseline_or_control(name: str) -> None:
    with pytest.raises(ValueError, match="rename"):
        ab_test({name: "a"}, ("baseline", "baseline"), in_turn(lambda arm: 1.0))


@pytest.mark.parametrize(("gain", "verdict"), [(1.003, Verdict.NO_IMPROVEMENT), (1.008, Verdict.IMPROVED)])
def test_what_turns_on_one_core_may_cost_is_not_proved_however_well_it_is_measured(
    gain: float, verdict: Verdict
) -> None:
    held = hold({"better": 1 / gain}, 0, noise=0.0002, outliers=0.0, drift=0.0)
    assert held.arms[0].interval.low > 1
    assert held.arms[0].verdict is verdict
    assert held.noise.ratio == POLICY.least_noise


def test_a_round_is_asked_for_as_a_whole() -> None:
    """So that all of its runs can go on at once."""
    asked: list[int] = []

    def time_round(arms: Sequence[str]) -> list[float]:
        asked.append(len(arms))
        return [1.0] * len(arms)

    ab_test({"a": "a", "b": "b"}, ("baseline", "baseline"), time_round, ABTestPolicy(max_rounds=10), clock=lambda: 0.0)
    assert asked == [1] * 4 + [4] * 10  # each alone to warm up
