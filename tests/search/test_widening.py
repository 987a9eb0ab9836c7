"""Progressive widening: nodes that are visited more have room for more children."""

from __future__ import annotations

import pytest
from search_helpers import answer, asked, fair, search_with, step

from colt_llvm.search import ColtSearch
from colt_llvm.search.options import PLAIN, Widening


@pytest.mark.parametrize(
    ("exponent", "factor", "places"),
    [
        (0.5, 1.0, {0: 0, 1: 1, 4: 2, 5: 3, 9: 3, 10: 4, 100: 10}),
        (0.5, 2.0, {1: 2, 2: 3, 4: 4, 100: 20}),
        (1 / 3, 1.0, {8: 2, 9: 3, 27: 3, 1000: 10}),  # a power that is whole but for its last bits
    ],
)
def test_places_are_the_power_of_the_visits_rounded_up(exponent: float, factor: float, places: dict[int, int]) -> None:
    assert {visits: Widening(exponent, factor).places(visits) for visits in places} == places


def test_no_places_beside_b_where_it_is_off() -> None:
    assert not PLAIN.on
    assert PLAIN.places(10**6) == 0


def chain(search: ColtSearch, rewards: list[float]) -> None:
    """One more proposal each, wherever the search asks for it."""
    for number, reward in enumerate(rewards):
        step(search, answer(f"p{len(search.tree.nodes)}-{number}"), fair(reward))


def test_a_full_node_opens_again_when_it_was_visited_enough() -> None:
    search = search_with(seeds=1, branching=1, widening=0.5, course_alteration_period=None)
    root = search.tree.root
    chain(search, [0.1])
    assert (root.visits, root.live_children) == (1, 1)
    assert not search.tree.has_room(root)
    assert step(search, answer("b"), fair(0.1)).node == 1  # full: below it
    assert search.tree.has_room(root)  # two visits: ceil(sqrt(2)) = 2 children
    assert step(search, answer("c"), fair(0.1)).node == 0
    assert (root.visits, root.live_children) == (3, 2)
    assert not search.tree.has_room(root)


def test_without_widening_it_stays_full() -> None:
    search = search_with(seeds=1, branching=1, course_alteration_period=None)
    chain(search, [0.1] * 12)
    assert search.tree.root.live_children == 1


def test_b_is_the_least() -> None:
    search = search_with(seeds=1, branching=3, widening=0.1, course_alteration_period=None)
    assert [step(search, answer(name), fair(0.1)).node for name in "abc"] == [0, 0, 0]
    assert not search.tree.has_room(search.tree.root)


def test_requests_in_flight_are_no_visits_and_take_places() -> None:
    search = search_with(seeds=1, branching=1, widening=0.5, course_alteration_period=None)
    chain(search, [0.1])
    below = asked(search)
    assert below.node == 1
    assert search.tree.root.pending == 1
    assert not search.tree.has_room(search.tree.root)  # one visit, whatever is in flight
    search.tell(below, answer("b"), fair(0.1))
    wide = asked(search)
    assert wide.node == 0
    assert not search.tree.has_room(search.tree.root)  # its place is taken before it is told
    search.abandon(wide)
    assert search.tree.has_room(search.tree.root)


def test_a_closed_path_opens_up_to_the_root() -> None:
    # a and its child are terminal or full, so all is closed; a visit below a opens a again, and the root with it.
    search = search_with(seeds=1, branching=1, widening=0.5, max_expansion_failures=1, course_alteration_period=None)
    chain(search, [0.1])
    pending = asked(search)
    assert (pending.node, search.tree.root.open) == (1, False)
    search.tell(pending, answer("b"), fair(0.1))
    assert search.tree.root.open
    assert search.tree.nodes[1].visits == 2
    assert search.tree.nodes[1].open


def test_a_terminal_node_does_not_open_again() -> None:
    search = search_with(seeds=1, branching=2, widening=0.9, max_expansion_failures=1, course_alteration_period=None)
    chain(search, [0.1])
    search.tree.root.terminal = True
    search.tree.refresh(search.tree.root)
    chain(search, [0.1] * 10)
    assert search.tree.root.visits > 5
    assert search.tree.root.live_children == 1
