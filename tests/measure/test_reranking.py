"""The re-ranking: who goes on to the A/B test, on a host that is simulated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from colt_llvm.measure.rounds import LEAST_ROUNDS, MOST_ROUNDS, affordable, rerank

from .simulate import Host, in_turn

#: Seconds of a run, of candidates of which two are truly faster than the baseline's 1.0.
SPEEDS = {"good": 1 / 1.08, "better": 1 / 1.12, **{f"same-{number}": 1.0 for number in range(10)}}


def hold(seed: int, seconds: float = 200.0, speeds: dict[str, float] = SPEEDS, **noise: float) -> dict[str, float]:
    host = Host({"baseline": 1.0, **speeds}, seed, **noise)
    return rerank({name: name for name in speeds}, "baseline", in_turn(host.time), seconds, seed=seed, clock=host.clock)


def test_the_truly_faster_come_first_though_the_host_is_noisy() -> None:
    firsts = [sorted(ratios, key=ratios.__getitem__)[-2:] for ratios in (hold(seed, noise=0.03) for seed in range(50))]
    assert sum(names == ["good", "better"] for names in firsts) >= 40
    assert sum("better" in names for names in firsts) >= 49


def test_three_that_go_on_after_it_are_better_than_the_three_that_looked_best() -> None:
    speeds = {f"c{number}": 1 / (1.08 - 0.01 * number) if number < 5 else 1.0 for number in range(100)}
    kept: list[tuple[float, float]] = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        looks = {name: seconds * math.exp(0.05 * random.standard_normal()) for name, seconds in speeds.items()}
        first = sorted(looks, key=looks.__getitem__)[:12]
        ratios = hold(seed, 90.0, {name: speeds[name] for name in first}, noise=0.03)
        by_ratio = sorted(first, key=lambda name: -ratios[name])
        kept.append((max(1 / speeds[name] for name in first[:3]), max(1 / speeds[name] for name in by_ratio[:3])))
    without, after = np.mean(kept, axis=0)
    assert after > without + 0.01


def test_ratios_are_of_the_baseline_and_near_the_truth() -> None:
    ratios = hold(3, seconds=1e9, noise=0.001, outliers=0.0)
    assert ratios == {name: pytest.approx(1 / seconds, rel=0.01) for name, seconds in SPEEDS.items()}


def test_each_runs_once_a_round_and_rounds_are_limited() -> None:
    host = Host({"baseline": 1.0, "a": 1.0}, 0)
    rerank({"a": "a"}, "baseline", in_turn(host.time), 1e9, clock=host.clock)
    assert host.order.count("a") == host.order.count("baseline") == MOST_ROUNDS + 1


def test_one_round_is_run_when_there_is_no_time() -> None:
    host = Host({"baseline": 1.0, "a": 0.5}, 0)
    assert rerank({"a": "a"}, "baseline", in_turn(host.time), 0.0, clock=host.clock)["a"] > 1.5
    assert host.order.count("a") == 2


def test_what_does_not_stand_has_the_ratio_nothing() -> None:
    host = Host({"baseline": 1.0, "a": 0.5, "wrong": 0.1}, 0)

    def time_run(arm: str) -> float:
        return math.inf if arm == "wrong" else host.time(arm)

    ratios = rerank({"wrong": "wrong", "a": "a"}, "baseline", in_turn(time_run), 10.0, clock=host.clock)
    assert ratios["wrong"] == 0.0
    assert ratios["a"] > 1.5


def test_refuses_the_name_of_the_baseline() -> None:
    with pytest.raises(ValueError, match="give it another"):
        rerank({"": 1.0}, 1.0, in_turn(lambda seconds: seconds), 1.0)


@pytest.mark.parametrize(
    ("seconds", "run_seconds", "count"),
    [(0.0, 0.1, 0), (0.69, 0.1, 0), (1.4001, 0.1, 1), (18.0, 0.15, 12), (6.0, 0.15, 4), (1.0, 0.0, 12), (5.0, 60.0, 0)],
)
def test_as_many_take_part_as_can_run_often_enough(seconds: float, run_seconds: float, count: int) -> None:
    assert affordable(12, seconds, run_seconds) == count
    assert (count + 1) * (LEAST_ROUNDS + 1) * run_seconds <= max(seconds, run_seconds * (LEAST_ROUNDS + 1))
