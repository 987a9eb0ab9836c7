"""Objectives that are Python functions, and how a timed one is proved."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from colt_llvm.core.errors import UsageError
from colt_llvm.measure.ab_test import ABTest, Arm
from colt_llvm.measure.intervals import Interval, Noise, Verdict, verdict_of
from colt_llvm.objectives.base import MissingFigureError
from colt_llvm.objectives.cost import CostError, CostObjective
from colt_llvm.run.proof import Prover

BASELINE = {"runtime": 2.0, "size": 1000.0, "text": 500.0, "instructions": 100.0}


def pages(figures: Mapping[str, float]) -> float:
    return -(-figures["size"] // 64)


def timed(cost: Callable[[Mapping[str, float]], float]) -> CostObjective:
    return CostObjective("timed", cost=cost, needs=("runtime", "size"))


def test_the_reward_is_the_logarithm_of_the_ratio_of_costs() -> None:
    objective = CostObjective.of(pages)
    assert (objective.name, objective.base, objective.figures) == ("pages", "size", ("size", "text", "instructions"))
    assert objective.reward({**BASELINE, "size": 512.0}, BASELINE) == pytest.approx(math.log(16 / 8))
    assert objective.reward(BASELINE, BASELINE) == 0.0


def test_run_time_makes_it_one_that_is_timed() -> None:
    objective = timed(lambda figures: figures["runtime"])
    assert objective.base == "balanced"
    assert "runtime" in objective.figures


def test_only_declared_figures_are_given() -> None:
    objective = CostObjective("greedy", cost=lambda figures: figures["runtime"], needs=("size",))
    with pytest.raises(CostError, match=r"KeyError.*'runtime'.*name every figure that it reads in needs"):
        objective.reward(BASELINE, BASELINE)
    with pytest.raises(MissingFigureError):
        timed(lambda figures: 1.0).reward({"size": 1.0}, BASELINE)


@pytest.mark.parametrize("cost", [0, -1.0, math.nan, math.inf, "3", None, True])
def test_refuses_what_is_no_cost(cost: Any) -> None:
    with pytest.raises(CostError, match="a cost is a finite number above 0"):
        CostObjective("odd", cost=lambda figures: cost).try_out(BASELINE)


def test_a_function_that_raises_is_told_in_one_line() -> None:
    def broken(figures: Mapping[str, float]) -> float:
        raise ValueError("no\nsuch thing")

    with pytest.raises(CostError, match=r"raised ValueError: no such thing, for size=1000") as caught:
        CostObjective.of(broken).try_out(BASELINE)
    assert "\n" not in str(caught.value)


def test_refuses_two_costs_for_one_candidate() -> None:
    costs = iter(range(1, 100))
    with pytest.raises(CostError, match="two costs"):
        CostObjective("odd", cost=lambda figures: next(costs)).try_out(BASELINE)


def test_refuses_a_cost_that_falls_where_run_time_rises() -> None:
    with pytest.raises(CostError, match="falls where run time rises"):
        timed(lambda figures: abs(figures["runtime"] - 2.1) + 1).try_out(BASELINE)
    timed(lambda figures: max(figures["runtime"], 2.0)).try_out(BASELINE)


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ({"name": "size", "cost": pages}, "no other objective has"),
        ({"name": "", "cost": pages}, "no other objective has"),
        ({"name": "mine"}, "cost=..."),
        ({"name": "mine", "cost": pages, "needs": ()}, "one or more of"),
        ({"name": "mine", "cost": pages, "needs": ("speed",)}, "'speed' is no figure"),
        ({"name": "mine", "cost": pages, "weights": {"size": 1.0}}, "no weights"),
    ],
)
def test_refuses_what_means_nothing(given: dict[str, Any], remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        CostObjective(**given)
    assert remedy in str(caught.value)


class Built:
    figures = MappingProxyType({key: value for key, value in BASELINE.items() if key != "runtime"})


class Finalist:
    built = Built


def scored(objective: CostObjective, times: Interval, noise_ratio: float) -> Arm:
    """The proof of a finalist whose run times have this interval."""
    noise = Noise(noise_ratio, 0.99, 30)
    arm = Arm("0", (), times, verdict_of(times, noise))
    held = ABTest((arm,), arm, noise, (), {}, ())
    prover = Prover(SimpleNamespace(objective=objective), None, BASELINE, None)  # type: ignore[arg-type]
    return prover._scored(held, arm, Finalist())  # type: ignore[arg-type]


def test_an_interval_of_times_becomes_one_of_costs() -> None:
    arm = scored(timed(lambda figures: figures["runtime"] ** 2), Interval(1.1, 1.05, 1.2, 0.99, 30), 0.01)
    assert arm.interval.ratio == pytest.approx(1.21)
    assert (arm.interval.low, arm.interval.high) == pytest.approx((1.05**2, 1.2**2))
    assert arm.verdict is Verdict.IMPROVED


def test_a_cost_that_magnifies_time_magnifies_noise_too() -> None:
    times = Interval(1.009, 1.001, 1.02, 0.99, 30)
    arm = scored(timed(lambda figures: figures["runtime"] ** 4), times, 0.01)
    assert arm.interval.ratio > 1.03
    assert arm.verdict is Verdict.TOO_NOISY


def test_a_step_of_the_cost_within_the_noise_is_no_gain() -> None:
    def step(figures: Mapping[str, float]) -> float:
        return 1.0 if figures["runtime"] < 1.99 else 10.0

    arm = scored(timed(step), Interval(1.02, 1.006, 1.03, 0.99, 30), 0.01)
    assert arm.interval.ratio == pytest.approx(10.0)
    assert arm.verdict is Verdict.TOO_NOISY


def test_what_a_function_does_between_the_ends_counts() -> None:
    def dip(figures: Mapping[str, float]) -> float:
        return 5.0 if 1.8 < figures["runtime"] < 1.82 else figures["runtime"]

    arm = scored(timed(dip), Interval(1.15, 1.05, 1.25, 0.99, 30), 0.001)
    assert arm.interval.low < 1
    assert arm.verdict is not Verdict.IMPROVED
