"""A journal that does not belong to this search is refused."""

from __future__ import annotations

import pytest
from memoryless_search import MemorylessSearch
from search_helpers import MODELS, answer, asked, fair, search_with, step

from colt_llvm.core.errors import UsageError
from colt_llvm.search import Proposal, Request, Strategy


@pytest.mark.parametrize(
    "request_",
    [
        Request(1, 7, ("a",), "large", "expand"),  # no such node
        Request(1, 1, ("b",), "large", "expand"),  # another sequence
        Request(1, 1, ("a",), "gpt-9", "expand"),  # no such model
        Request(1, 1, ("a",), "large", "correct", Proposal(("x",), "small", "small")),  # nothing is due
    ],
)
def test_an_entry_that_does_not_fit_is_refused_and_changes_nothing(request_: Request) -> None:
    search = search_with(seeds=1)
    step(search, answer("a"), fair(0.1))
    with pytest.raises(UsageError, match="first run"):
        search.restore(request_, answer("c"), fair(0.2))
    assert len(search.tree.nodes) == 2
    assert asked(search).id == 1


def test_ids_go_on_after_the_greatest_in_the_journal() -> None:
    search = search_with(seeds=3)
    search.restore(Request(5, 0, (), "large", "seed"), answer("a"), fair(0.1))
    search.restore(Request(2, 0, (), "large", "seed"), answer("b"), fair(0.1))
    assert [node.request for node in search.tree.nodes] == [None, 5, 2]
    assert asked(search).id == 6


def test_a_correction_that_was_due_at_the_cut_is_asked_first() -> None:
    search = search_with(seeds=0, course_alteration_period=1, next_model="fixed:small")
    search.restore(Request(0, 0, (), "small", "expand"), answer("a"), fair(-0.1))
    request = asked(search)
    assert (request.id, request.kind, request.rejected) == (1, "correct", answer("a"))


def test_an_entry_below_a_child_that_waits_for_its_correction_is_refused() -> None:
    search = search_with(seeds=0, course_alteration_period=1, next_model="fixed:small")
    search.restore(Request(0, 0, (), "small", "expand"), answer("a"), fair(-0.1))
    with pytest.raises(UsageError, match="no such leaf"):
        search.restore(Request(1, 1, ("a",), "small", "expand"), answer("b"), fair(0.1))


@pytest.mark.parametrize("strategy", [search_with(), MemorylessSearch(MODELS, 0)])
def test_restoring_an_entry_twice_is_harmless(strategy: Strategy) -> None:
    request = Request(0, 0, (), "large", "seed")
    strategy.restore(request, answer("a"), fair(0.1))
    strategy.restore(request, answer("b"), fair(0.9))
    best = strategy.best()
    assert best is not None
    assert best.sequence == ("a",)
