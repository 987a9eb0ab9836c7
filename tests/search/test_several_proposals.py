"""An answer that holds several proposals: each is a trial of its own at the node where it was asked for."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from search_helpers import answer, asked, fair, noise, search_with, step

from colt_llvm.core.errors import UsageError
from colt_llvm.run.trials import proposal_from_dict, proposal_to_dict, request_from_dict, request_to_dict
from colt_llvm.search import ColtSearch, Outcome, Proposal, Request


def several(*passes: str, next_model: str = "small", model: str = "small") -> Proposal:
    """One answer, each of its proposals one pass."""
    first, *others = (answer(name, next_model=next_model, model=model) for name in passes)
    return replace(first, further=tuple(others))


def searching(**options: object) -> ColtSearch:
    return search_with(**{"seeds": 0, "branching": 4, "proposals": 4, "course_alteration_period": None, **options})  # type: ignore[arg-type]


def test_each_proposal_of_an_answer_is_tried_at_its_node_before_anything_else_is_asked() -> None:
    search = searching()
    first = step(search, several("a", "b", "c", model="large"), fair(0.1, "A"))
    requests = [step(search, answer(name, next_model="middle"), fair(0.2, name.upper())) for name in ("b", "c")]
    for request in requests:
        assert (request.node, request.kind, request.model) == (first.node, "expand", "large")
    assert [request.given and request.given.passes for request in requests] == [("b",), ("c",)]
    assert [node.delta for node in search.tree.nodes[1:]] == [("a",), ("b",), ("c",)]
    assert asked(search).given is None
    assert [node.next_model for node in search.tree.nodes[1:]] == ["small", "middle", "middle"]


def test_as_many_are_wanted_as_the_node_lacks() -> None:
    search = searching(proposals=3)
    request = asked(search)
    assert search.wanted(request) == 3, "of the four that it lacks"
    search.tell(request, several("a", "b", "c"), fair(0.0, "A"))
    for name in ("b", "c"):
        step(search, answer(name), fair(0.0, name))
    request = asked(search)
    assert (request.node, request.given, search.wanted(request)) == (0, None, 1)
    assert searching(proposals=1).wanted(Request(0, 0, (), "large", "expand")) == 1


def test_what_is_in_flight_or_waits_is_not_wanted_again() -> None:
    search = searching()
    first, second = asked(search), asked(search)
    assert (search.wanted(first), search.wanted(second)) == (3, 3)
    search.tell(first, several("a", "b"), fair(0.0, "A"))
    assert search.wanted(second) == 2, "a child, a request and a proposal are there"


def test_several_seeds_of_one_answer_count_as_seeds() -> None:
    search = searching(seeds=4)
    request = asked(search)
    assert (request.kind, search.wanted(request)) == ("seed", 4)
    search.tell(request, several("a", "b", "c", "d", model="large"), fair(0.0, "A"))
    kinds = [step(search, answer(name, model="large"), fair(0.0, name)).kind for name in ("b", "c", "d")]
    assert kinds == ["seed"] * 3
    assert asked(search).kind == "expand"


def test_where_the_node_is_full_the_rest_waits() -> None:
    search = searching(branching=2)
    first, second = asked(search), asked(search)
    search.tell(first, several("a", "b"), fair(0.0, "A"))
    search.tell(second, answer("c"), fair(0.1, "C"))
    assert asked(search).given is None, "two children are there"


def test_a_proposal_that_was_taken_back_is_tried_again() -> None:
    search = searching(seeds=3)
    step(search, several("a", "b"), fair(0.0, "A"))
    request = asked(search)
    search.abandon(request)
    again = asked(search)
    assert again == replace(request, id=request.id + 1)
    search.tell(again, answer("b"), fair(0.0, "B"))
    assert [asked(search).kind for _ in range(2)] == ["seed", "expand"], "one seed is left, as if nothing had happened"


def test_hits_are_counted_by_proposal_and_a_regression_counts_as_any_other() -> None:
    search = searching(course_alteration_period=2, next_model="fixed:small")
    step(search, several("a", "b", "c"), fair(0.1, "A"))
    step(search, answer("b"), fair(-0.1, "B"))
    step(search, answer("c"), fair(-0.1, "C"))
    record = search.statistics.by_model["small"]
    assert (record.calls, record.hits) == (3, 1)
    correction = asked(search)
    assert (correction.kind, correction.rejected) == ("correct", answer("c"))
    assert search.wanted(correction) == 1


@pytest.mark.parametrize("cut", range(1, 24, 3))
def test_a_run_that_was_killed_goes_on_alike(cut: int) -> None:
    """From the journal's text, wherever it ends: what was proposed and not tried yet is not asked for again."""

    def proposed(request: Request, search: ColtSearch) -> Proposal:
        if request.given is not None:
            return request.given
        letters = [chr(97 + (request.id * 7 + step) % 26) for step in range(search.wanted(request))]
        return several(*letters, model=request.model)

    def go_on(search: ColtSearch, count: int) -> list[str]:
        lines = []
        for _ in range(count):
            request = asked(search)
            proposal = proposed(request, search)
            outcome = noise(request.sequence + proposal.passes)
            search.tell(request, proposal, outcome)
            record = [request_to_dict(request), proposal_to_dict(proposal), vars(outcome)]
            lines.append(json.dumps(record))
        return lines

    options = {"seeds": 3, "branching": 3, "proposals": 3, "course_alteration_period": 2, "max_expansion_failures": 30}
    whole = go_on(search_with(**options), 24)  # type: ignore[arg-type]
    assert sum('"given"' in line for line in whole) > 8
    again = search_with(**options)  # type: ignore[arg-type]
    for line in whole[:cut]:
        request, proposal, outcome = json.loads(line)
        again.restore(request_from_dict(request), proposal_from_dict(proposal), Outcome(**outcome))
    assert go_on(again, 24 - cut) == whole[cut:]


def test_what_no_answer_proposed_is_refused() -> None:
    search = searching()
    step(search, answer("a"), fair(0.1, "A"))
    with pytest.raises(UsageError, match="first run"):
        search.restore(Request(1, 0, (), "small", "expand", given=answer("z")), answer("z"), fair(0.2))
