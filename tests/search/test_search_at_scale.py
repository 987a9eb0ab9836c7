"""The cost of an iteration, and whether the tree is worth having."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import mean
from typing import Any

import pytest
from memoryless_search import MemorylessSearch
from search_helpers import ACTIONS, MODELS, HiddenSequence, iterations, run, search_with, stand_in

from colt_llvm.search import ColtSearch, DrawOptions, Node, Outcome, RandomProposer, Strategy


class CountingList(list[Node]):
    """Counts the nodes that are looked at; refuses to be walked through."""

    looks = 0

    def __getitem__(self, index: Any) -> Any:
        self.looks += 1
        return super().__getitem__(index)

    def __iter__(self) -> Any:
        raise AssertionError("an iteration walked through the whole tree")


def rough(sequence: Sequence[str]) -> Outcome:
    """Rewards that differ, keys that never collide."""
    reward = random.Random(" ".join(sequence)).uniform(-0.1, 0.4)
    return Outcome(reward, " ".join(sequence))


@pytest.mark.parametrize("options", [{}, {"selection": "puct", "exploration": 0.5, "widening": 0.4}])
def test_an_iteration_in_a_tree_of_10000_nodes_looks_at_no_more_than_the_path_and_its_children(
    options: dict[str, Any],
) -> None:
    search = search_with(0, **options)
    proposer = RandomProposer(ACTIONS, MODELS, 0, DrawOptions(signed=None))
    for _ in iterations(search, proposer, rough, 10_000):
        pass
    assert len(search.tree.nodes) > 9_000
    branching = max(node.live_children for node in search.tree.nodes) + 1
    assert branching < 50
    nodes = search.tree.nodes = CountingList(search.tree.nodes)
    for request, _, _ in iterations(search, proposer, rough, 300):
        depth = sum(1 for _ in search.tree.path(nodes[request.node]))
        # Down once, and up a few times: sequence, virtual loss on and off, refresh, back up; some constant work.
        assert nodes.looks <= depth * (branching + 6) + 20
        nodes.looks = 0


def best_reward(strategy: Strategy, proposer: RandomProposer, world: HiddenSequence) -> float:
    run(strategy, proposer, world, 400)
    best = strategy.best()
    assert best is not None
    return best.reward


def hidden_world(seed: int) -> HiddenSequence:
    return HiddenSequence(tuple(random.Random(seed).choices(ACTIONS, k=16)))


@pytest.mark.parametrize("longest", [6, 20])
def test_the_tree_beats_random_search_on_a_hidden_sequence(longest: int) -> None:
    """At equal evaluations, with the same steps (6) or with longer ones for random search (20).

    What is shown goes no further. With steps of up to 60 passes, which cost next to nothing here, random search is
    level with the tree; and where each needless pass costs 0.05 the narrow tree (B = 2, 4 seeds) loses to it,
    because a prefix is never taken back.
    """
    worlds = range(12)
    tree = [best_reward(search_with(seed), stand_in(seed), hidden_world(seed)) for seed in worlds]
    blind = [
        best_reward(MemorylessSearch(MODELS, seed), stand_in(seed, max_passes=longest), hidden_world(seed))
        for seed in worlds
    ]
    assert mean(tree) > mean(blind) + 0.1
    assert sum(a > b for a, b in zip(tree, blind, strict=True)) >= 9


def test_a_tree_of_seeds_alone_is_random_search() -> None:
    for seed in range(3):
        seeded = best_reward(search_with(seed, seeds=400), stand_in(seed), hidden_world(seed))
        assert seeded == best_reward(MemorylessSearch(MODELS, seed), stand_in(seed), hidden_world(seed))


def test_the_bias_sends_more_calls_to_small_models() -> None:
    def share_of_the_largest(bias: float) -> float:
        calls = []
        for seed in range(5):
            search = ColtSearch(MODELS, search_with(model_bias=bias).options, seed)
            run(search, stand_in(seed), rough, 300)
            counts = {name: record.calls for name, record in search.statistics.by_model.items()}
            calls.append(counts["large"] / sum(counts.values()))
        return mean(calls)

    assert share_of_the_largest(0.9) < share_of_the_largest(0.0)
