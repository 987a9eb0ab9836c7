"""Selection by PUCT: its formula by hand, and what confidences do and do not change."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_helpers import MODELS, answer, asked, fair, noise, run, search_with, stand_in, step

from colt_llvm.core.errors import UsageError
from colt_llvm.search import ColtOptions, ColtSearch, Node, Proposal, RandomProposer, Request, Tree
from colt_llvm.search.selection import Weighting, choose_child, priors, puct_score
from colt_llvm.search.tree import add_virtual_loss

PHI = {"small": 1.0, "large": 0.0}


def puct(**options: object) -> ColtOptions:
    return ColtOptions(selection="puct", **options)  # type: ignore[arg-type]


def tree_of(*children: tuple[str, int, float, float | None]) -> Tree:
    """A root whose children are (next model, visits, value sum, confidence); rewards from 0 to 1."""
    tree = Tree("large", branching=2)
    tree.greatest = 1.0
    for model, visits, value_sum, prior in children:
        node = Node(len(tree.nodes), 0, ("p",), model, "small", 0.0, live=True, visits=visits, value_sum=value_sum)
        node.prior = prior
        tree.add(node)
        tree.root.visits += visits
    return tree


def test_score_adds_value_model_and_prior_by_the_formula() -> None:
    by_hand = 0.5 * 0.4 + 0.5 * 1.0 + 1.25 * 0.6 * math.sqrt(16) / (1 + 4)
    assert by_hand == pytest.approx(1.3)
    assert puct_score(0.4, 1.0, 0.6, 16, 4, Weighting(0.5, 1.25)) == pytest.approx(by_hand)


def test_score_without_exploration_is_value_and_model_alone() -> None:
    assert puct_score(0.8, 0.25, 1.0, 9, 1, Weighting(0.25, 0.0)) == pytest.approx(0.75 * 0.8 + 0.25 * 0.25)


def test_priors_are_parts_of_their_sum() -> None:
    assert priors([0.6, 0.2]) == pytest.approx([0.75, 0.25])


def test_who_says_nothing_has_the_mean_of_those_that_do() -> None:
    assert priors([0.6, None, 0.2]) == pytest.approx([0.5, 1 / 3, 1 / 6])  # as if 0.6, 0.4, 0.2


@pytest.mark.parametrize("said", [[None] * 4, [0.0] * 4, [0.0, None, None, 0.0], [0.3] * 4])
def test_priors_are_uniform_where_nothing_tells_siblings_apart(said: list[float | None]) -> None:
    assert priors(said) == pytest.approx([0.25] * 4)


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=30), st.randoms())
def test_priors_sum_to_one_whatever_the_order(said: list[float | None], random: object) -> None:
    shares = priors(said)
    assert math.fsum(shares) == pytest.approx(1.0)
    order = list(range(len(said)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert priors([said[place] for place in order]) == [shares[place] for place in order]


def test_the_child_with_the_greater_confidence_wins_at_equal_value() -> None:
    tree = tree_of(("small", 2, 1.0, 0.2), ("small", 2, 1.0, 0.6))
    assert choose_child(tree, tree.root, PHI, puct()).id == 2
    assert choose_child(tree, tree.root, PHI, ColtOptions()).id == 1  # uct knows no confidence


def test_value_wins_where_it_outweighs_the_prior() -> None:
    # Q 0.9 and 0.5; P 1/4 and 3/4; the term is C · P · sqrt(4) / 3: apart by C / 3.
    tree = tree_of(("small", 2, 1.8, 0.2), ("small", 2, 1.0, 0.6))
    assert choose_child(tree, tree.root, PHI, puct(exploration=1.19)).id == 1
    assert choose_child(tree, tree.root, PHI, puct(exploration=1.21)).id == 2


def test_the_smaller_models_child_is_favoured_as_in_uct() -> None:
    tree = tree_of(("large", 2, 1.0, None), ("small", 2, 1.0, None))
    assert choose_child(tree, tree.root, PHI, puct()).next_model == "small"
    assert choose_child(tree, tree.root, PHI, puct(model_bias=0.0)).next_model == "large"  # the older one


def test_visits_use_a_prior_up() -> None:
    # 0.75 · 4 / (1 + 15) against 0.25 · 4 / (1 + 1): the one that was promised less is due.
    tree = tree_of(("small", 15, 7.5, 0.9), ("small", 1, 0.5, 0.3))
    assert choose_child(tree, tree.root, PHI, puct()).id == 2


def test_an_unvisited_child_competes_by_its_prior() -> None:
    tree = tree_of(("small", 1, 1.0, 0.9), ("small", 0, 0.0, 0.1))
    assert choose_child(tree, tree.root, PHI, puct()).id == 1


def test_virtual_loss_sends_the_next_request_elsewhere() -> None:
    tree = tree_of(("small", 2, 1.1, 0.5), ("small", 2, 1.0, 0.5))
    assert choose_child(tree, tree.root, PHI, puct()).id == 1
    add_virtual_loss(tree, tree.nodes[1], 1)
    assert choose_child(tree, tree.root, PHI, puct()).id == 2
    add_virtual_loss(tree, tree.nodes[1], -1)
    assert choose_child(tree, tree.root, PHI, puct()).id == 1


def test_ties_go_to_the_older_node_however_the_list_is_ordered() -> None:
    tree = tree_of(*[("small", 1, 0.5, None)] * 3)
    tree.root.candidates.reverse()
    assert choose_child(tree, tree.root, PHI, puct()).id == 1


def test_a_node_keeps_the_confidence_of_its_proposal() -> None:
    search = search_with(seeds=2)
    step(search, Proposal(("a",), "small", "large", confidence=0.25), fair(0.1))
    step(search, answer("b"), fair(0.2))
    assert [node.prior for node in search.tree.nodes] == [None, 0.25, None]


@pytest.mark.parametrize("confidence", [-0.1, 1.1, math.nan, math.inf])
def test_a_confidence_that_is_no_chance_is_refused(confidence: float) -> None:
    with pytest.raises(UsageError, match="0 to 1"):
        Proposal(("a",), "small", "small", confidence=confidence)


def confident(request: Request, proposer: RandomProposer) -> Proposal:
    """A proposal with some confidence, or with none, that follows from the request."""
    proposal = proposer.propose(request)
    said = (None, 0.0, 0.2, 0.9)[request.id % 4]
    return Proposal(proposal.passes, proposal.next_model, proposal.model, confidence=said)


@pytest.mark.parametrize("cut", [1, 40, 119])
def test_a_journal_goes_on_alike(cut: int) -> None:
    def grown(search: ColtSearch, count: int) -> list[tuple[Request, Proposal]]:
        told = []
        for _ in range(count):
            request = asked(search)
            proposal = confident(request, stand_in(3))
            search.tell(request, proposal, noise(request.sequence + proposal.passes))
            told.append((request, proposal))
        return told

    options = {"selection": "puct", "widening": 0.5, "branching": 2}
    told = grown(search_with(3, **options), 120)
    resumed = search_with(3, **options)
    for request, proposal in told[:cut]:
        resumed.restore(request, proposal, noise(request.sequence + proposal.passes))
    assert grown(resumed, 120 - cut) == told[cut:]


def test_confidences_change_nothing_of_the_papers_rule() -> None:
    plain, told = search_with(5), search_with(5)
    run(plain, stand_in(5), noise, 150)
    for _ in range(150):
        request = told.ask()
        if request is None:
            break
        proposal = confident(request, stand_in(5))
        told.tell(request, proposal, noise(request.sequence + proposal.passes))
    assert [(node.parent, node.delta) for node in told.tree.nodes] == [
        (node.parent, node.delta) for node in plain.tree.nodes
    ]
    assert len({model.name for model in MODELS} & {node.next_model for node in told.tree.nodes}) > 1
