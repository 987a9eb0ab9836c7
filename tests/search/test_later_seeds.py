"""Seed proposals that are asked for beside a search that has long gone deeper."""

from __future__ import annotations

import pytest
from search_helpers import MODELS, answer, asked, fair, search_with, step

from colt_llvm.core.errors import UsageError
from colt_llvm.search import ColtOptions, ColtSearch, Outcome, Proposal, Request, preset


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_refuses_a_share_that_leaves_no_search(share: float) -> None:
    with pytest.raises(UsageError, match="seed_share"):
        ColtOptions(seed_share=share)


def test_a_share_of_the_requests_after_the_seeds_is_at_the_root() -> None:
    search = search_with(seeds=3, branching=4, seed_share=0.3)
    told = [step(search, answer(f"{number}"), fair(number / 1000)) for number in range(203)]
    assert [request.kind for request in told[:3]] == ["seed"] * 3
    later = [request.kind for request in told[3:]]
    assert set(later) == {"seed", "expand"}
    assert 40 < later.count("seed") < 80
    assert {request.node for request in told if request.kind == "seed"} == {0}


def test_the_share_thins_out_after_the_hundredth_request() -> None:
    search = search_with(seeds=3, branching=4, seed_share=0.5)
    kinds = [step(search, answer(f"{number}"), fair(number / 1000)).kind for number in range(1600)]
    counts = [kinds[start:end].count("seed") for start, end in ((3, 100), (200, 400), (400, 800), (800, 1600))]
    assert counts[0] > 35
    assert all(20 < count < 50 for count in counts[1:])  # as many in each doubling


def test_none_of_them_before_the_seeds_are_over_or_where_the_share_is_none() -> None:
    with_share, without = search_with(seeds=8, seed_share=0.9), search_with(seeds=8)
    for number in range(8):
        assert step(with_share, answer(f"{number}"), fair(0.1)) == step(without, answer(f"{number}"), fair(0.1))
    kinds = [step(without, answer(f"later {number}"), fair(0.1)).kind for number in range(20)]
    assert "seed" not in kinds


def test_later_seeds_that_give_nothing_do_not_close_the_root() -> None:
    search = search_with(seeds=1, seed_share=0.99, max_expansion_failures=2)
    step(search, answer("a", model="large"), fair(0.1))
    kinds = [
        step(search, Proposal((f"{number}",), "small", "small"), Outcome(None, failure="crash")).kind
        for number in range(10)
    ]
    assert kinds.count("seed") > 5
    assert not search.tree.root.terminal


def test_taking_one_back_leaves_the_seeds_as_they_were() -> None:
    search = search_with(seeds=1, seed_share=0.99)
    step(search, answer("a"), fair(0.1))
    later = asked(search)
    assert later.kind == "seed"
    search.abandon(later)
    assert [asked(search).id for _ in range(3)] == [later.id + 1, later.id + 2, later.id + 3]


def course(search: ColtSearch, trials: int) -> list[tuple[Request, Proposal, Outcome]]:
    told = []
    for _ in range(trials):
        request = asked(search)
        proposal, outcome = answer(f"{request.id}"), fair((request.id * 37 % 50) / 1000)
        search.tell(request, proposal, outcome)
        told.append((request, proposal, outcome))
    return told


def test_a_resumed_search_goes_on_as_if_it_had_not_been_interrupted() -> None:
    options = ColtOptions(branching=3, seeds=5, seed_share=0.3)
    told = course(ColtSearch(MODELS, options, 7), 60)
    assert any(request.kind == "seed" for request, _, _ in told[30:])
    search = ColtSearch(MODELS, options, 7)
    for entry in told[:30]:
        search.restore(*entry)
    assert course(search, 30) == told[30:]


def test_the_share_of_later_seeds_is_read_under_its_older_name() -> None:
    assert preset("broad", {"idea_share": 0.3}) == preset("broad", {"seed_share": 0.3})
