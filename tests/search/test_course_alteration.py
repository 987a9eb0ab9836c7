"""Persistent regressions by small models bring in the largest one."""

from __future__ import annotations

import pytest
from search_helpers import SMALL, answer, asked, fair, search_with, step

from colt_llvm.search import ColtSearch, Outcome
from colt_llvm.search.colt import RegressionRun, is_regression, replaces


def corrections(period: int | None, regressions: str) -> list[int]:
    """At which of the children, "-" for a regression and "+" for none, a correction is due."""
    run = RegressionRun(period)
    return [i for i, sign in enumerate(regressions) if run.observe(sign == "-", by_small_model=True)]


def test_a_child_below_its_leaf_is_a_regression_and_an_equal_one_is_not() -> None:
    assert is_regression(0.1, 0.2)
    assert not is_regression(0.2, 0.2)


def test_a_correction_replaces_unless_it_is_worse() -> None:
    assert replaces(0.2, 0.1)
    assert replaces(0.1, 0.1)
    assert not replaces(0.0, 0.1)


def test_corrections_are_due_at_each_multiple_of_k() -> None:
    assert corrections(2, "------") == [1, 3, 5]
    assert corrections(3, "------") == [2, 5]


def test_any_non_regression_ends_the_run() -> None:
    assert corrections(2, "-+-+--") == [5]


def test_k_of_one_corrects_each_regression_and_none_never() -> None:
    assert corrections(1, "-+--") == [0, 2, 3]
    assert corrections(None, "----") == []


def test_a_regression_of_the_largest_model_neither_lengthens_nor_ends_the_run() -> None:
    run = RegressionRun(2)
    assert not run.observe(True, by_small_model=True)
    assert not run.observe(True, by_small_model=False)
    assert run.observe(True, by_small_model=True)


def regressed_twice() -> ColtSearch:
    """A search whose small model has just regressed for the second time, at the root; the child is node 2."""
    search = search_with(seeds=0, next_model="fixed:small")
    step(search, answer("a"), fair(-0.1, "A"))
    step(search, answer("b"), fair(-0.2, "B"))
    return search


def test_the_correction_asks_the_largest_model_at_the_same_leaf_and_shows_what_regressed() -> None:
    request = asked(regressed_twice())
    assert (request.kind, request.model, request.node, request.sequence) == ("correct", "large", 0, ())
    assert request.rejected == answer("b")


def test_nothing_is_backed_up_until_the_correction_is_settled() -> None:
    search = regressed_twice()
    assert search.tree.root.visits == 1
    step(search, answer("c", model="large"), fair(0.3, "C"))
    assert search.tree.root.visits == 2
    assert search.tree.root.value_sum == pytest.approx(-0.1 + 0.3)


def test_a_correction_that_is_not_worse_replaces_the_small_models_child() -> None:
    search = regressed_twice()
    step(search, answer("c", model="large"), fair(-0.2, "C"))
    small, correction = search.tree.nodes[2], search.tree.nodes[3]
    assert (small.live, small.failure) == (False, "corrected")
    assert (correction.live, correction.made_by, correction.visits) == (True, "large", 1)
    assert search.tree.by_key == {"A": 1, "C": 3}
    assert search.tree.root.live_children == 2


def test_a_worse_correction_leaves_the_small_models_child() -> None:
    search = regressed_twice()
    step(search, answer("c", model="large"), fair(-0.3, "C"))
    small, correction = search.tree.nodes[2], search.tree.nodes[3]
    assert (small.live, small.visits, small.held) == (True, 1, False)
    assert not correction.live
    assert search.tree.root.value_sum == pytest.approx(-0.3)
    assert search.tree.by_key == {"A": 1, "B": 2}
    assert search.tree.least == -0.2  # the loser is not in the tree


def test_a_correction_that_cannot_be_evaluated_leaves_the_small_models_child() -> None:
    search = regressed_twice()
    step(search, answer("c", model="large"), Outcome(None, failure="crash"))
    assert search.tree.nodes[2].visits == 1
    assert search.tree.root.failures == 1


def test_a_correction_may_change_the_next_model_alone() -> None:
    search = search_with(seeds=1)
    step(search, answer("s"), fair(0.0))
    step(search, answer("a", model="small", next_model="small"), fair(-0.1, "A"))
    step(search, answer("b", model="small", next_model="small"), fair(-0.2, "B"))
    request = step(search, answer("b", model="large", next_model="middle"), fair(-0.25, "B"))
    assert request.kind == "correct"
    correction = search.tree.nodes[4]
    assert (correction.live, correction.next_model) == (True, "middle")
    assert correction.reward == -0.2  # the first measurement of this code
    assert search.tree.by_key["B"] == 4


def test_a_correction_to_another_known_state_is_no_child() -> None:
    search = regressed_twice()
    step(search, answer("a", model="large"), fair(-0.1, "A"))
    assert search.tree.nodes[2].live
    assert not search.tree.nodes[3].live


def test_a_good_correction_ends_the_run_and_a_regressing_one_does_not() -> None:
    good, bad = regressed_twice(), regressed_twice()
    step(good, answer("c", model="large"), fair(0.1))
    step(bad, answer("c", model="large"), fair(-0.1))
    assert (good.run.length, bad.run.length) == (0, 2)


def test_the_child_that_waits_for_its_correction_is_not_selected() -> None:
    search = regressed_twice()
    correction = asked(search)
    in_flight = [asked(search) for _ in range(2)]
    assert {request.node for request in in_flight} == {1}
    search.tell(correction, answer("c", model="large"), fair(-0.5))
    assert asked(search).node == 2


def test_corrections_are_counted_apart_from_ordinary_calls() -> None:
    search = regressed_twice()
    step(search, answer("c", model="large"), fair(0.3))
    large, small = search.statistics.by_model["large"], search.statistics.by_model["small"]
    assert (large.calls, large.corrections, large.corrections_kept, large.hits) == (0, 1, 1, 0)
    assert (small.calls, small.corrections) == (2, 0)


def test_seeds_and_the_largest_model_are_not_corrected() -> None:
    search = search_with(seeds=4, course_alteration_period=1)
    for i in range(4):
        assert step(search, answer(str(i), model="small"), fair(-0.1)).kind == "seed"
    assert step(search, answer("x", model="large"), fair(-0.2)).kind == "expand"
    assert asked(search).kind == "expand"


def test_a_single_model_is_never_corrected() -> None:
    search = search_with(models=(SMALL,), seeds=0, course_alteration_period=1)
    step(search, answer("a"), fair(-0.1))
    assert asked(search).kind == "expand"


def test_a_stand_ins_regression_is_the_acting_small_models() -> None:
    search = search_with(seeds=0, next_model="fixed:small", course_alteration_period=1)
    step(search, answer("a", model="random", error="not_json"), fair(-0.1))
    assert asked(search).kind == "correct"


def test_a_failed_child_neither_lengthens_nor_ends_the_run() -> None:
    search = search_with(seeds=0, next_model="fixed:small")
    search.set_root_key("R")
    step(search, answer("a"), fair(-0.1))
    step(search, answer("b"), Outcome(None, failure="crash"))
    step(search, answer("b"), fair(0.0, "R"))
    step(search, answer("c"), fair(-0.1))
    assert asked(search).kind == "correct"
