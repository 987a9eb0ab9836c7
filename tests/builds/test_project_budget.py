"""Which units are worth the time, and how much of it each gets."""

from __future__ import annotations

import pytest

from colt_llvm.builds.project.search import shares


def test_gives_all_the_time_by_weight() -> None:
    found = shares({"a": 0.6, "b": 0.3, "c": 0.1}, 100.0, 10.0, timed=False)
    assert list(found) == ["a", "b", "c"]
    assert sum(found.values()) == pytest.approx(100.0)
    assert found["a"] > found["b"] > found["c"] >= 10.0


def test_leaves_cold_units_out_where_the_program_is_timed() -> None:
    weights = {"hot": 0.9, "warm": 0.08, "cold": 0.015}
    assert list(shares(weights, 1000.0, 10.0, timed=True)) == ["hot", "warm"]
    assert list(shares(weights, 1000.0, 10.0, timed=False)) == ["hot", "warm", "cold"]


def test_stops_where_nearly_all_of_the_run_time_is_covered() -> None:
    weights = {"a": 0.5, "b": 0.45, "c": 0.05}
    assert list(shares(weights, 1000.0, 10.0, timed=True)) == ["a", "b"]


def test_takes_as_many_as_get_the_least_that_is_worth_it() -> None:
    weights = dict.fromkeys("abcdefghij", 0.1)
    assert list(shares(weights, 35.0, 10.0, timed=False)) == ["a", "b", "c"]


def test_gives_the_heaviest_all_where_the_time_is_short() -> None:
    assert shares({"a": 0.5, "b": 0.5}, 3.0, 10.0, timed=True) == {"a": 3.0}


@pytest.mark.parametrize(("weights", "seconds"), [({}, 10.0), ({"a": 0.0}, 10.0), ({"a": 1.0}, 0.0)])
def test_plans_nothing_where_there_is_nothing(weights: dict[str, float], seconds: float) -> None:
    assert shares(weights, seconds, 1.0, timed=True) == {}
