"""The tree policy, its formula by hand."""

from __future__ import annotations

import math

import pytest
from search_helpers import answer, asked, fair, search_with, step

from colt_llvm.search import ColtOptions, Node, Tree
from colt_llvm.search.selection import Weighting, choose_child, effective_bias, scaled_value, score, smallness
from colt_llvm.search.tree import add_virtual_loss

PHI = {"small": 1.0, "middle": 0.5, "large": 0.0}


def tree_of(*children: tuple[str, int, float], least: float = 0.0, greatest: float = 1.0) -> Tree:
    """A root whose children are (next model, visits, value sum)."""
    tree = Tree("large", branching=2)
    tree.least, tree.greatest = least, greatest
    for model, visits, value_sum in children:
        node = Node(len(tree.nodes), 0, ("p",), model, "small", 0.0, live=True, visits=visits, value_sum=value_sum)
        tree.add(node)
        tree.root.visits += visits
    return tree


def test_smallness_is_one_for_the_smallest_and_zero_for_the_largest() -> None:
    assert smallness(1e9, 1e9, 1e11) == 1.0
    assert smallness(1e11, 1e9, 1e11) == 0.0


def test_smallness_is_linear_in_the_logarithm_of_the_parameter_count() -> None:
    assert smallness(1e10, 1e9, 1e11) == pytest.approx(0.5)
    assert smallness(2e9, 1e9, 8e9) == pytest.approx(2 / 3)  # (ln 8 - ln 2) / (ln 8 - ln 1)


def test_smallness_of_equally_large_models_is_zero() -> None:
    assert smallness(7e9, 7e9, 7e9) == 0.0


def test_score_adds_value_model_and_exploration_by_the_formula() -> None:
    by_hand = 0.5 * 0.4 + 0.5 * 1.0 + math.sqrt(2) * math.sqrt(math.log(10) / 4)
    assert score(0.4, 1.0, 10, 4, Weighting(0.5, math.sqrt(2))) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(1.77299, abs=1e-5)


def test_score_weighs_value_by_one_minus_lambda() -> None:
    assert score(0.8, 0.25, 1, 1, Weighting(0.25, 9.0)) == pytest.approx(0.75 * 0.8 + 0.25 * 0.25)  # ln 1 = 0


def test_value_is_the_mean_scaled_by_the_least_and_greatest_reward() -> None:
    assert scaled_value(0.6, 3, 0, least=-0.2, greatest=0.6) == pytest.approx(0.5)  # (0.2 + 0.2) / 0.8


def test_value_is_zero_while_all_rewards_are_equal() -> None:
    assert scaled_value(0.0, 3, 0, least=0.0, greatest=0.0) == 0.0


def test_a_pending_request_counts_as_a_visit_with_the_least_reward() -> None:
    assert scaled_value(0.6, 2, 1, least=-0.3, greatest=0.6) == pytest.approx((0.3 / 3 + 0.3) / 0.9)


def test_lambda_counts_as_zero_where_all_siblings_have_the_same_phi() -> None:
    assert effective_bias([0.5, 0.5, 0.5], 0.7) == 0.0
    assert effective_bias([0.5, 1.0], 0.7) == 0.7


def test_the_smaller_models_child_wins_at_equal_value() -> None:
    tree = tree_of(("large", 2, 1.0), ("small", 2, 1.0))
    assert choose_child(tree, tree.root, PHI, ColtOptions()).next_model == "small"


def test_value_wins_over_a_small_model_when_lambda_is_zero() -> None:
    tree = tree_of(("large", 2, 1.2), ("small", 2, 1.0))
    assert choose_child(tree, tree.root, PHI, ColtOptions(model_bias=0.0)).next_model == "large"


def test_value_has_its_full_weight_among_siblings_of_one_model() -> None:
    # Q = 0.9 against 0.5. With (1-λ) = 0.5 the difference of 0.2 would lose to exploration; with 1 it wins.
    tree = tree_of(("small", 4, 3.6), ("small", 3, 1.5))
    exploration = 1.0
    bonus = math.sqrt(math.log(7) / 3) - math.sqrt(math.log(7) / 4)
    assert 0.2 * 0.5 < bonus < 0.4
    assert choose_child(tree, tree.root, PHI, ColtOptions(exploration=exploration)).id == 1


def test_exploration_prefers_the_less_visited_child() -> None:
    tree = tree_of(("small", 9, 4.5), ("small", 1, 0.5))
    assert choose_child(tree, tree.root, PHI, ColtOptions()).id == 2
    tree = tree_of(("small", 9, 4.59), ("small", 1, 0.5))
    assert choose_child(tree, tree.root, PHI, ColtOptions(exploration=0.0)).id == 1


def test_unvisited_children_come_first_the_smaller_models_before_the_larger() -> None:
    tree = tree_of(("small", 5, 5.0), ("large", 0, 0.0), ("middle", 0, 0.0))
    assert choose_child(tree, tree.root, PHI, ColtOptions()).next_model == "middle"


def test_ties_go_to_the_older_node_however_the_list_is_ordered() -> None:
    tree = tree_of(("small", 1, 0.5), ("small", 1, 0.5))
    tree.root.candidates.reverse()
    assert choose_child(tree, tree.root, PHI, ColtOptions()).id == 1


def test_virtual_loss_sends_the_next_request_elsewhere() -> None:
    tree = tree_of(("small", 2, 1.1), ("small", 2, 1.0))
    options = ColtOptions()
    assert choose_child(tree, tree.root, PHI, options).id == 1
    add_virtual_loss(tree, tree.nodes[1], 1)
    assert choose_child(tree, tree.root, PHI, options).id == 2
    add_virtual_loss(tree, tree.nodes[1], -1)
    assert choose_child(tree, tree.root, PHI, options).id == 1


def test_a_node_with_fewer_than_b_live_children_is_expanded_before_its_children() -> None:
    search = search_with(seeds=1, branching=3)
    assert [step(search, answer(f"p{i}"), fair(0.1 * (i + 1))).node for i in range(3)] == [0, 0, 0]
    assert asked(search).node != 0


def test_the_sequence_of_a_request_runs_from_the_root_to_the_leaf() -> None:
    search = search_with(seeds=2, branching=2)
    step(search, answer("a", "b"), fair(1.0))
    step(search, answer("c"), fair(-1.0))
    first = step(search, answer("d"), fair(1.0))
    assert (first.node, first.sequence) == (1, ("a", "b"))
    grandchild = search.tree.nodes[3]
    assert search.tree.sequence(grandchild) == ("a", "b", "d")
