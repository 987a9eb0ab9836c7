"""Policies and language models in one tree: who begins, who corrects, and how often the largest is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from search_helpers import ACTIONS, answer, asked, fair, noise, step

from colt_llvm.search import PRESETS, ColtOptions, ColtSearch, Model, Outcome, Proposal, Request, preset
from colt_llvm.search.protocol import derived

POLICIES = (Model("nano", 2e3, policy=True), Model("base", 1e5, policy=True))
SMALL, MIDDLE, LARGE = Model("small", 1e9), Model("middle", 1e10), Model("large", 1e11)


def together(*models: Model, **changes: object) -> ColtSearch:
    return ColtSearch((*POLICIES, *models), preset("together", changes), seed=3)


def proposed(search: ColtSearch, request: Request) -> Proposal:
    """Policies name the smallest language model now and then; language models name whom they like."""
    if request.given is not None:
        return request.given
    draw = derived(search.seed, "test", request.id)
    policy = search.models.is_policy(request.model)
    names = ["nano", "base", "small"] if policy else ["small", "middle", "large", "nano"]
    count = 1 if policy else search.wanted(request)
    first, *others = (
        Proposal(tuple(draw.choices(ACTIONS, k=2)), draw.choice([name for name in names if name in search.models]),
                 request.model)
        for _ in range(count)
    )  # fmt: skip
    return replace(first, further=tuple(others))


def run(search: ColtSearch, count: int) -> list[Request]:
    requests = []
    for _ in range(count):
        requests.append(request := asked(search))
        proposal = proposed(search, request)
        search.tell(request, proposal, noise(request.sequence + proposal.passes))
    return requests


def calls(requests: Sequence[Request]) -> Counter[str]:
    return Counter(request.model for request in requests if request.given is None and request.kind != "refine")


@pytest.mark.parametrize("models", [(SMALL, MIDDLE, LARGE), (SMALL, LARGE)])
def test_the_largest_gives_at_most_a_quarter_of_the_language_models_answers(models: tuple[Model, ...]) -> None:
    search = together(*models)
    requests = run(search, 160)
    asked_of = calls(requests)
    language = sum(asked_of[model.name] for model in models)
    assert language >= 12, "they are asked at all"
    assert 0 < asked_of["large"] <= 0.25 * language
    corrections = [request for request in requests if request.kind == "correct"]
    assert {request.model for request in corrections} <= {model.name for model in models}
    assert len(corrections) >= 3
    assert sum(record.answers for record in search.statistics.by_model.values()) == sum(asked_of.values())


def test_where_it_is_the_only_one_it_gives_at_most_a_quarter_of_all_answers() -> None:
    asked_of = calls(run(together(LARGE), 160))
    assert 10 <= asked_of["large"] <= 0.25 * sum(asked_of.values())


def test_the_policies_begin_and_the_rest_of_the_seeds_are_theirs_too() -> None:
    search = together(SMALL, LARGE)
    requests = run(search, 160)
    assert requests[0].model == "base"
    seeds = [request for request in requests if request.kind == "seed"]
    assert len(seeds) > PRESETS["together"].seeds
    assert {request.model for request in seeds} <= {"nano", "base"}
    assert "small" in {node.next_model for node in search.tree.nodes}, "named at the root too"


def test_a_correction_goes_to_the_next_larger_one_while_the_largest_is_not_due() -> None:
    search = together(MIDDLE, LARGE, seeds=0, refine_share=0.0, seed_share=0.0)
    search.tree.root.next_model = "nano"
    for name in "ab":
        step(search, answer(name, next_model="nano", model="nano"), fair(-0.1, name))
    correction = asked(search)
    assert (correction.kind, correction.model) == ("correct", "middle")


def test_where_nobody_may_correct_the_child_is_kept_as_it_is() -> None:
    search = together(LARGE, seeds=0, refine_share=0.0, seed_share=0.0)
    for name in "ab":
        step(search, answer(name, next_model="nano", model="nano"), fair(-0.1, name))
    assert asked(search).kind == "expand"
    assert not any(node.held for node in search.tree.nodes)
    assert search.tree.root.visits == 2


def test_the_presets_of_before_know_no_share_and_one_proposal_an_answer() -> None:
    assert PRESETS["paper"] == ColtOptions()
    for name in ("paper", "broad", "retrieval"):
        options = PRESETS[name]
        assert (options.largest_share, options.proposals) == (1.0, 1)
        assert options.seed_models in ("largest", "named")


def test_where_a_step_gives_no_new_state_whoever_it_names_is_asked_there() -> None:
    for preset_, expected in (("together", "small"), ("retrieval", "nano")):
        changes = {"seeds": 0, "refine_share": 0.0, "seed_share": 0.0}
        search = ColtSearch((*POLICIES, SMALL, LARGE), preset(preset_, changes), seed=3)
        search.tree.root.next_model = "nano"
        step(search, answer("a", next_model="small", model="nano"), Outcome(None, None, "crash"))
        assert asked(search).model == expected


def test_where_a_step_is_no_better_whoever_it_names_is_asked_at_the_same_state() -> None:
    for preset_, expected in (("together", "small"), ("retrieval", "nano")):
        changes = {"seeds": 0, "refine_share": 0.0, "seed_share": 0.0}
        search = ColtSearch((*POLICIES, SMALL, LARGE), preset(preset_, changes), seed=3)
        search.tree.root.next_model = "nano"
        step(search, answer("a", next_model="small", model="nano"), fair(-0.1, "a"))
        request = asked(search)
        assert (request.node, request.model) == (0, expected)
