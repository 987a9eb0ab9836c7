"""What holds in every tree, whatever is proposed, in whatever order it is told."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memoryless_search import MemorylessSearch
from search_helpers import ACTIONS, MODELS, noise, run, search_with, stand_in

from colt_llvm.search import ColtSearch, Node, RandomProposer, Request, Strategy

seeds = st.integers(0, 2**32)
periods = st.sampled_from([None, 1, 2, 3])
widenings = st.sampled_from([{}, {"widening": 0.5}, {"widening": 0.7, "widening_factor": 2.0}])
selections = st.sampled_from(["uct", "puct"])
policies = st.sampled_from(["model", "random", "round_robin", "largest", "fixed:small"])


def children_of(search: ColtSearch) -> dict[int, list[Node]]:
    children: dict[int, list[Node]] = {node.id: [] for node in search.tree.nodes}
    for node in search.tree.nodes[1:]:
        assert node.parent is not None
        if node.live:
            children[node.parent].append(node)
    return children


def check_invariants(search: ColtSearch, in_flight: list[Request]) -> None:
    tree, children = search.tree, children_of(search)
    below = [0] * len(tree.nodes)
    for request in in_flight:
        for node in tree.path(tree.nodes[request.node]):
            below[node.id] += 1
    for node in tree.nodes:
        backed_up = [node] if node.parent is not None and node.live and not node.held else []
        rewards = [own.reward for own in backed_up if own.reward is not None]
        assert node.visits == len(rewards) + sum(child.visits for child in children[node.id])
        total = math.fsum(rewards) + math.fsum(child.value_sum for child in children[node.id])
        assert node.value_sum == pytest.approx(total, abs=1e-9)
        assert node.pending == below[node.id]
        assert node.live_children == len(children[node.id])
        assert sorted(node.candidates) == [child.id for child in children[node.id] if child.open]
        places = sum(request.node == node.id and request.kind != "correct" for request in in_flight)
        assert node.expanding == places
        room = not node.terminal and node.live_children + places < most_children(search, node)
        assert node.open == (node.live and not node.held and (room or any(c.open for c in children[node.id])))
        assert node.live == (node.failure is None)
        assert tree.least <= (node.reward if node.visits and node.reward is not None else 0.0) <= tree.greatest
    assert tree.by_key == {node.key: node.id for node in tree.nodes if node.live and node.key is not None}


def most_children(search: ColtSearch, node: Node) -> int:
    options = search.options
    wide = math.ceil(round(options.widening_factor * node.visits**options.widening, 9)) if options.widening else 0
    return max(options.branching, wide)


def check_request(search: ColtSearch, request: Request) -> None:
    leaf = search.tree.nodes[request.node]
    assert leaf.live
    assert not leaf.held
    assert request.sequence == search.tree.sequence(leaf)
    if request.kind == "expand":
        assert not leaf.terminal
        assert leaf.live_children + leaf.expanding <= most_children(search, leaf)  # its own place included
        assert request.model == leaf.next_model
    else:
        assert request.model == ("small" if search.options.fixed_model and request.kind == "seed" else "large")


@settings(max_examples=60, deadline=None)
@given(
    seed=seeds, period=periods, policy=policies, branching=st.integers(1, 3), widening=widenings,
    selection=selections, data=st.data(),
)  # fmt: skip
def test_invariants_hold_with_several_in_flight_told_in_any_order(
    seed: int,
    period: int | None,
    policy: str,
    branching: int,
    widening: dict[str, float],
    selection: str,
    data: st.DataObject,
) -> None:
    search = search_with(
        seed, course_alteration_period=period, next_model=policy, branching=branching, max_expansion_failures=2,
        selection=selection, **widening,
    )  # fmt: skip
    search.set_root_key("0")
    proposer = stand_in(seed, min_passes=1, max_passes=2)
    in_flight: list[Request] = []
    for _ in range(data.draw(st.integers(1, 80))):
        move = data.draw(st.sampled_from(["ask", "ask", "ask", "tell", "tell", "abandon"]))
        if move == "ask" or not in_flight:
            request = search.ask()
            assert request is not None or in_flight or search.exhausted
            if request is not None:
                check_request(search, request)
                in_flight.append(request)
        else:
            request = in_flight.pop(data.draw(st.integers(0, len(in_flight) - 1)))
            proposal = proposer.propose(request)
            if move == "tell":
                search.tell(request, proposal, noise(request.sequence + proposal.passes))
            else:
                search.abandon(request)
        check_invariants(search, in_flight)


def colt(seed: int) -> Strategy:
    search = search_with(seed, max_expansion_failures=2)
    search.set_root_key("0")
    return search


def random_search(seed: int) -> Strategy:
    return MemorylessSearch(MODELS, seed)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, cut=st.integers(0, 120), make=st.sampled_from([colt, random_search]))
def test_restoring_a_journal_at_any_cut_gives_the_same_following_requests(
    seed: int, cut: int, make: Callable[[int], Strategy]
) -> None:
    proposer = stand_in(seed, min_passes=1, max_passes=2)
    whole = make(seed)
    told = run(whole, proposer, noise, 120)
    resumed = make(seed)
    for entry in told[:cut]:
        resumed.restore(*entry)
    assert run(resumed, proposer, noise, 120 - min(cut, len(told))) == told[cut:]
    assert resumed.best() == whole.best()


@settings(max_examples=40, deadline=None)
@given(seed=seeds, widening=widenings, selection=selections, data=st.data())
def test_a_journal_of_overlapping_requests_restores_the_same_tree(
    seed: int, widening: dict[str, float], selection: str, data: st.DataObject
) -> None:
    search, resumed = (search_with(seed, selection=selection, **widening) for _ in range(2))
    proposer = stand_in(seed, min_passes=1, max_passes=2)
    in_flight: list[Request] = []
    for _ in range(60):
        request = search.ask() if len(in_flight) < 4 else None
        if request is not None:
            in_flight.append(request)
        elif in_flight:
            request = in_flight.pop(data.draw(st.integers(0, len(in_flight) - 1)))
            proposal = proposer.propose(request)
            entry = (request, proposal, noise(request.sequence + proposal.passes))
            search.tell(*entry)
            resumed.restore(*entry)
            resumed.restore(*entry)  # twice is harmless
    for request in in_flight:
        search.abandon(request)
    assert [fields(node) for node in resumed.tree.nodes] == [fields(node) for node in search.tree.nodes]
    check_invariants(resumed, [])


def fields(node: Node) -> tuple[object, ...]:
    names = [name for name in Node.__slots__ if name != "candidates"]
    return (*(getattr(node, name) for name in names), sorted(node.candidates))


def test_the_same_seed_gives_the_same_tree_and_another_seed_another() -> None:
    def grown(seed: int) -> list[tuple[object, ...]]:
        search = search_with(seed, next_model="random")
        run(search, stand_in(seed), noise, 200)
        return [fields(node) for node in search.tree.nodes]

    assert grown(1) == grown(1)
    assert grown(1) != grown(2)


def test_one_model_alone_is_a_search_too() -> None:
    search = ColtSearch(MODELS[:1], search_with().options, 0)
    told = run(search, RandomProposer(ACTIONS, MODELS[:1], 0), noise, 100)
    assert {request.model for request, _, _ in told} == {"small"}
    assert all(request.kind != "correct" for request, _, _ in told)
