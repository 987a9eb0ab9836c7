"""Random proposals and random search."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from memoryless_search import MemorylessSearch
from search_helpers import ACTIONS, MODELS, answer, asked, fair

from colt_llvm.core.errors import UsageError
from colt_llvm.search import DrawOptions, RandomProposer, Request


def request(number: int, model: str = "small") -> Request:
    return Request(number, 0, (), model, "expand")


def test_a_proposal_depends_on_the_seed_and_the_request_alone() -> None:
    first, second = RandomProposer(ACTIONS, MODELS, 3), RandomProposer(ACTIONS, MODELS, 3)
    for number in (5, 1, 9):
        first.propose(request(number))
    assert first.propose(request(7)) == second.propose(request(7))
    assert first.propose(request(7)) != RandomProposer(ACTIONS, MODELS, 4).propose(request(7))


def test_a_proposal_is_the_same_on_every_python() -> None:
    assert RandomProposer(ACTIONS, MODELS, 0).propose(request(0)) == answer(
        "d", "c", "h", "c", "c", next_model="middle", model="random"
    )


def test_lengths_span_the_range() -> None:
    proposer = RandomProposer(ACTIONS, MODELS, 0, DrawOptions(min_passes=2, max_passes=4))
    lengths = Counter(len(proposer.propose(request(i)).passes) for i in range(300))
    assert set(lengths) == {2, 3, 4}
    assert min(lengths.values()) > 60


def test_weights_decide_how_often_an_action_is_drawn() -> None:
    proposer = RandomProposer("abc", MODELS, 0, DrawOptions(weights=[3, 1, 0]))
    counts = Counter(name for i in range(500) for name in proposer.propose(request(i)).passes)
    assert counts["a"] / counts["b"] == pytest.approx(3, rel=0.25)
    assert counts["c"] == 0


def test_half_of_the_proposals_stay_with_the_acting_model_and_half_draw_one() -> None:
    proposer = RandomProposer(ACTIONS, MODELS, 0)
    counts = Counter(proposer.propose(request(i)).next_model for i in range(600))
    assert counts["small"] / 600 == pytest.approx(1 / 2 + 1 / 6, abs=0.07)
    assert set(counts) == {"small", "middle", "large"}


def test_it_signs_as_random_or_for_the_model_that_it_stands_in_for() -> None:
    assert RandomProposer(ACTIONS, MODELS, 0).propose(request(0)).model == "random"
    assert RandomProposer(ACTIONS, MODELS, 0, DrawOptions(signed=None)).propose(request(0, "middle")).model == "middle"


@pytest.mark.parametrize(
    "options",
    [
        {"actions": ()},
        {"min_passes": 0},
        {"min_passes": 4, "max_passes": 3},
        {"weights": [1.0]},
        {"weights": [0.0] * 8},
        {"weights": [math.nan] * 8},
        {"switch_probability": 2.0},
    ],
)
def test_a_proposer_that_cannot_draw_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        RandomProposer(options.pop("actions", ACTIONS), MODELS, 0, DrawOptions(**options))


def test_random_search_asks_at_the_root_alone_with_any_number_in_flight() -> None:
    search = MemorylessSearch(MODELS, 0)
    requests = [asked(search) for _ in range(100)]
    assert [r.id for r in requests] == list(range(100))
    assert {(r.node, r.sequence) for r in requests} == {(0, ())}
    assert {r.model for r in requests} == {"small", "middle", "large"}


def test_random_search_remembers_the_best_and_ignores_what_is_told_twice_or_late() -> None:
    search = MemorylessSearch(MODELS, 0)
    first, second, third = (asked(search) for _ in range(3))
    search.tell(first, answer("a"), fair(0.2))
    search.tell(second, answer("b"), fair(0.1))
    search.abandon(third)
    for told in (second, third):
        search.tell(told, answer("c"), fair(0.9))
    best = search.best()
    assert best is not None
    assert (best.sequence, best.reward) == (("a",), 0.2)


def test_random_search_refuses_what_was_never_asked() -> None:
    with pytest.raises(UsageError):
        MemorylessSearch(MODELS, 0).tell(request(0), answer("a"), fair(0.2))
