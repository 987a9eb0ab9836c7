"""Rewards by hand."""

from __future__ import annotations

import math

import pytest

from colt_llvm.core.errors import ColtError, UsageError
from colt_llvm.objectives.base import BadFigureError, MissingFigureError, Objective

BASELINE = {"runtime": 2.0, "size": 1000.0, "instructions": 300.0}
CANDIDATE = {"runtime": 1.0, "size": 4000.0, "instructions": 100.0}


@pytest.mark.parametrize(("name", "ratio"), [("runtime", 2.0), ("size", 0.25), ("instructions", 3.0)])
def test_one_figure_gives_the_log_of_baseline_over_candidate(name: str, ratio: float) -> None:
    assert Objective(name).reward(CANDIDATE, BASELINE) == pytest.approx(math.log(ratio))


def test_the_baseline_itself_has_reward_zero() -> None:
    assert Objective("balanced").reward(BASELINE, BASELINE) == 0.0


def test_balanced_is_the_mean_of_both_logs() -> None:
    assert Objective("balanced").reward(CANDIDATE, BASELINE) == pytest.approx((math.log(2) - math.log(4)) / 2)


def test_weights_are_normalised_by_their_sum() -> None:
    by_hand = (6 * math.log(2) + 2 * math.log(0.25)) / 8
    assert Objective("balanced", {"runtime": 6, "size": 2}).reward(CANDIDATE, BASELINE) == pytest.approx(by_hand)


def test_a_figure_without_weight_need_not_be_measured() -> None:
    objective = Objective("balanced", {"runtime": 1, "size": 0})
    assert objective.figures == ("runtime",)
    assert objective.reward({"runtime": 1.0}, {"runtime": 2.0}) == pytest.approx(math.log(2))


@pytest.mark.parametrize(("figures", "baseline", "owner"), [({}, BASELINE, "candidate"), (CANDIDATE, {}, "baseline")])
def test_a_missing_figure_is_named(figures: dict[str, float], baseline: dict[str, float], owner: str) -> None:
    with pytest.raises(MissingFigureError, match=f"{owner} has no figure 'size'") as caught:
        Objective("size").reward(figures, baseline)
    assert isinstance(caught.value, ColtError)
    assert isinstance(caught.value, LookupError)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_figure_without_a_logarithm_is_refused(value: float) -> None:
    with pytest.raises(BadFigureError, match="runtime"):
        Objective("runtime").reward({"runtime": value}, BASELINE)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("speed", {}),
        ("size", {"size": 1.0}),
        ("balanced", {"size": -1.0, "runtime": 2.0}),
        ("balanced", {"size": 0.0}),
        ("balanced", {"size": math.nan}),
    ],
)
def test_an_objective_that_cannot_be_used_is_refused(name: str, weights: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Objective(name, weights)
