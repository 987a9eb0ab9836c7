"""The front: what no other point covers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colt_llvm.core.errors import UsageError
from colt_llvm.search import ParetoFront, pareto_front

points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30)


def test_the_front_of_five_points_by_hand() -> None:
    assert pareto_front([(1.0, 5.0), (2.0, 2.0), (3.0, 3.0), (5.0, 1.0), (2.0, 4.0)]) == [0, 1, 3]


def test_equal_points_are_kept_once() -> None:
    assert pareto_front([(1.0, 1.0), (1.0, 1.0)]) == [0]


def test_a_new_point_drives_out_those_that_it_covers() -> None:
    front = ParetoFront()
    assert [front.add(point) for point in [(3.0, 3.0), (1.0, 4.0), (2.0, 3.0), (2.0, 5.0)]] == [True, True, True, False]
    assert front.members == [(1, (1.0, 4.0)), (2, (2.0, 3.0))]


def test_no_points_have_no_front() -> None:
    assert pareto_front([]) == []


@pytest.mark.parametrize("second", [(1.0,), (math.nan, 1.0)])
def test_points_that_cannot_be_compared_are_refused(second: tuple[float, ...]) -> None:
    with pytest.raises(UsageError):
        pareto_front([(1.0, 2.0), second])


@given(points)
def test_the_front_is_what_no_other_point_dominates(given_points: list[tuple[int, int]]) -> None:
    def dominated(point: tuple[int, int]) -> bool:
        return any(a <= point[0] and b <= point[1] and (a, b) != point for a, b in given_points)

    front = {given_points[i] for i in pareto_front(given_points)}
    assert front == {point for point in given_points if not dominated(point)}
