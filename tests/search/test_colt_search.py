"""One iteration after another: seeds, expansion, failures, transpositions, restarts, the protocol's promises."""

from __future__ import annotations

import math

import pytest
from search_helpers import LARGE, MODELS, SMALL, answer, asked, fair, search_with, step

from colt_llvm.core.errors import UsageError
from colt_llvm.search import ColtOptions, ColtSearch, Model, Outcome, Proposal, Request

CRASH = Outcome(None, failure="crash")


def test_the_first_requests_are_seeds_at_the_root_for_the_largest_model() -> None:
    search = search_with(seeds=3)
    requests = [step(search, answer(str(i)), fair(0.1 * i)) for i in range(4)]
    assert [request.kind for request in requests] == ["seed", "seed", "seed", "expand"]
    assert {(request.node, request.model, request.sequence) for request in requests[:3]} == {(0, "large", ())}


def test_seeded_children_ask_the_largest_model_next() -> None:
    search = search_with(seeds=2)
    step(search, answer("a", next_model="small"), fair(0.1))
    assert search.tree.nodes[1].next_model == "large"


def test_seeds_may_be_asked_of_whom_the_last_answer_at_the_root_named() -> None:
    search = search_with(seeds=3, seed_models="named")
    first = step(search, answer("a", next_model="small", model="large"), fair(0.1))
    second = step(search, answer("b", next_model="middle"), Outcome(None, failure="crash"))
    assert [first.model, second.model, asked(search).model] == ["large", "small", "middle"]
    assert search.tree.nodes[1].next_model == "small"


def test_the_leaf_asks_the_model_that_its_proposal_named() -> None:
    search = search_with(seeds=0)
    step(search, answer("a", next_model="middle", model="large"), fair(0.2))
    step(search, answer("b", next_model="small", model="large"), fair(0.1))
    asked_models = {request.node: request.model for request in (asked(search), asked(search))}
    assert asked_models == {1: "middle", 2: "small"}


def test_a_reward_is_added_to_every_node_on_its_path() -> None:
    search = search_with(seeds=0, branching=1)
    for name, reward in (("a", 0.5), ("b", 0.25), ("c", -0.5)):
        step(search, answer(name, model="large"), fair(reward))
    assert [node.visits for node in search.tree.nodes] == [3, 3, 2, 1]
    assert [node.value_sum for node in search.tree.nodes] == [0.25, 0.25, -0.25, -0.5]
    assert (search.tree.least, search.tree.greatest) == (-0.5, 0.5)


def test_the_root_has_the_baselines_own_reward() -> None:
    assert search_with().tree.root.reward == 0.0


def test_a_failing_outcome_is_a_dead_child_and_an_expansion_failure() -> None:
    search = search_with(seeds=0)
    step(search, answer("a"), CRASH)
    child = search.tree.nodes[1]
    assert (child.live, child.failure, child.reward) == (False, "crash", None)
    assert (search.tree.root.failures, search.tree.root.visits) == (1, 0)


def test_a_node_that_failed_five_times_is_terminal_and_left_alone() -> None:
    search = search_with(seeds=2, branching=2)
    step(search, answer("a"), fair(0.9))
    step(search, answer("b"), fair(-0.9))
    failed = [step(search, answer("x"), CRASH).node for _ in range(5)]
    assert failed == [1] * 5
    assert search.tree.nodes[1].terminal
    assert asked(search).node == 2


def test_a_terminal_node_is_still_passed_on_the_way_to_its_child() -> None:
    search = search_with(seeds=0, branching=2, max_expansion_failures=2)
    step(search, answer("a"), fair(0.1))
    step(search, answer("x"), CRASH)
    step(search, answer("x"), CRASH)
    assert search.tree.root.terminal
    assert asked(search).node == 1


def test_a_childs_code_that_is_known_is_a_failure_of_its_leaf_and_no_new_state() -> None:
    search = search_with(seeds=2)
    step(search, answer("a"), fair(0.1, "A"))
    step(search, answer("b"), fair(0.2, "A"))
    assert [node.live for node in search.tree.nodes] == [True, True, False]
    assert search.tree.nodes[2].failure == "transposition"
    assert (search.tree.root.failures, search.tree.root.visits) == (1, 1)


def test_giving_the_baseline_again_is_a_transposition() -> None:
    search = search_with(seeds=1)
    search.set_root_key("R")
    step(search, answer("a"), fair(0.0, "R"))
    assert not search.tree.nodes[1].live


def test_a_transposition_shares_the_first_measurement() -> None:
    search = search_with(seeds=2)
    step(search, answer("a"), fair(0.1, "A"))
    step(search, answer("b"), fair(0.5, "A"))
    best = search.best()
    assert best is not None
    assert (best.reward, best.sequence) == (0.1, ("a",))


def test_best_prefers_the_shorter_of_two_sequences_with_one_code() -> None:
    search = search_with(seeds=2)
    assert search.best() is None
    step(search, answer("a", "b"), fair(0.1, "A"))
    step(search, answer("b"), fair(0.1, "A"))
    best = search.best()
    assert best is not None
    assert best.sequence == ("b",)


def test_a_proposal_without_passes_is_no_new_state() -> None:
    search = search_with(seeds=1)
    step(search, answer(), fair(0.0))
    assert not search.tree.nodes[1].live


def test_an_exhausted_subtree_does_not_trap_the_search() -> None:
    search = search_with(seeds=2, branching=1, max_expansion_failures=1)
    step(search, answer("a"), fair(0.9))
    step(search, answer("b"), fair(-0.9))
    step(search, answer("c"), fair(0.9))  # below the better one
    step(search, answer("x"), CRASH)  # its only descendant is terminal
    assert not search.tree.nodes[1].open
    assert asked(search).node == 2


def test_an_exhausted_tree_is_seeded_again_and_ends_after_restarts_without_news() -> None:
    search = search_with(seeds=2, max_expansion_failures=1, max_restarts_without_news=3)
    kinds = []
    while (request := search.ask()) is not None:
        kinds.append((request.kind, request.node))
        search.tell(request, answer("x"), CRASH)
    assert kinds == [("seed", 0)] * 2 * (1 + 3)
    assert search.exhausted
    assert search.ask() is None


def test_a_restart_that_finds_a_new_state_goes_on() -> None:
    search = search_with(seeds=1, max_expansion_failures=1, max_restarts_without_news=1)
    step(search, answer("x"), CRASH)
    step(search, answer("a"), fair(0.1))
    request = asked(search)
    assert (request.kind, request.node) == ("expand", 2)
    search.tell(request, answer("x"), CRASH)
    assert asked(search).kind == "seed"


def test_ask_gives_none_while_all_that_is_left_is_pending() -> None:
    search = search_with(seeds=2)
    first, second = asked(search), asked(search)
    assert search.ask() is None
    assert not search.exhausted
    search.tell(first, answer("a"), fair(0.1))
    assert asked(search).node == 1
    search.tell(second, answer("b"), fair(0.1))


def test_places_in_flight_count_against_the_branching() -> None:
    search = search_with(seeds=1, branching=2)
    step(search, answer("a"), fair(0.1))
    assert sorted(asked(search).node for _ in range(3)) == [0, 1, 1]
    assert search.ask() is None


def test_telling_twice_is_harmless() -> None:
    search = search_with(seeds=2)
    request = step(search, answer("a"), fair(0.1))
    search.tell(request, answer("b"), fair(0.7))
    assert len(search.tree.nodes) == 2
    assert search.tree.root.visits == 1


def test_telling_what_was_never_asked_names_the_remedy() -> None:
    with pytest.raises(UsageError, match="restore"):
        search_with().tell(Request(3, 0, (), "large", "seed"), answer("a"), fair(0.1))


def test_an_abandoned_request_leaves_no_trace_but_its_id() -> None:
    search = search_with(seeds=1)
    step(search, answer("a"), fair(0.1))
    request = asked(search)
    search.abandon(request)
    search.abandon(request)
    assert [node.pending for node in search.tree.nodes] == [0, 0]
    again = asked(search)
    assert (again.id, again.node, again.kind) == (request.id + 1, request.node, request.kind)
    search.tell(request, answer("late"), fair(9.9))
    assert len(search.tree.nodes) == 2


def test_an_abandoned_seed_and_an_abandoned_correction_are_asked_again() -> None:
    search = search_with(seeds=1, course_alteration_period=1)
    search.abandon(asked(search))
    assert step(search, answer("s"), fair(0.1)).kind == "seed"
    step(search, answer("a", model="small"), fair(-0.1))
    first = asked(search)
    search.abandon(first)
    second = asked(search)
    assert (first.kind, second.kind, second.rejected) == ("correct", "correct", first.rejected)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("model", ["middle"] * 4),
        ("largest", ["large"] * 4),
        ("round_robin", ["small", "middle", "large", "small"]),
        ("fixed:small", ["small"] * 4),
    ],
)
def test_the_next_model_policy_says_who_is_asked_at_a_new_child(policy: str, expected: list[str]) -> None:
    search = search_with(seeds=0, branching=4, next_model=policy, course_alteration_period=None)
    for i in range(4):
        step(search, answer(str(i), next_model="middle", model="large"), fair(0.1))
    assert [node.next_model for node in search.tree.nodes[1:]] == expected


def test_round_robin_takes_turns_over_children_not_over_failures() -> None:
    search = search_with(seeds=0, branching=3, next_model="round_robin", course_alteration_period=None)
    for outcome in (fair(0.1), CRASH, fair(0.1), fair(0.1)):
        step(search, answer("a"), outcome)
    assert [node.next_model for node in search.tree.nodes if node.live][1:] == ["small", "middle", "large"]


def test_the_random_policy_draws_every_model_and_repeats_with_its_seed() -> None:
    def drawn(seed: int) -> list[str]:
        search = search_with(seed=seed, seeds=0, branching=60, next_model="random", course_alteration_period=None)
        for i in range(60):
            step(search, answer(str(i)), fair(0.1))
        return [node.next_model for node in search.tree.nodes[1:]]

    assert set(drawn(1)) == {"small", "middle", "large"}
    assert drawn(1) == drawn(1) != drawn(2)


def test_an_unknown_next_model_gives_the_best_hit_rate_else_the_acting_model() -> None:
    search = search_with(seeds=0, branching=3)
    step(search, answer("a", model="large", next_model="gpt-9"), fair(-0.1))
    step(search, answer("b", model="middle", next_model="small"), fair(0.1))
    step(search, answer("c", model="large", next_model="gpt-9"), fair(-0.1))
    assert [node.next_model for node in search.tree.nodes[1:]] == ["large", "small", "middle"]


def test_the_smaller_of_two_models_with_one_hit_rate_is_the_better_fallback() -> None:
    search = search_with(seeds=0, branching=3)
    step(search, answer("a", model="large"), fair(0.1))
    step(search, answer("b", model="middle"), fair(0.1))
    assert search.statistics.best_model(acting="small") == "middle"


@pytest.mark.parametrize(
    "options",
    [
        {"branching": 0},
        {"exploration": -1.0},
        {"exploration": math.inf},
        {"model_bias": 1.5},
        {"course_alteration_period": 0},
        {"max_expansion_failures": 0},
        {"seeds": -1},
        {"next_model": "smallest"},
        {"seed_models": "smallest"},
        {"next_model": "fixed:"},
        {"backup": "max"},
        {"max_restarts_without_news": -1},
        {"selection": "greedy"},
        {"widening": 1.0},
        {"widening": -0.1},
        {"widening_factor": 0.0},
        {"widening_factor": math.inf},
    ],
)
def test_options_that_cannot_be_used_are_refused_by_name(options: dict[str, float | str]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        ColtOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("models", [(), (SMALL, SMALL)])
def test_an_empty_or_ambiguous_model_set_is_refused(models: tuple[Model, ...]) -> None:
    with pytest.raises(UsageError):
        ColtSearch(models, ColtOptions(), 0)


def test_a_fixed_model_outside_the_set_is_refused() -> None:
    with pytest.raises(UsageError, match="middle"):
        ColtSearch((SMALL, LARGE), ColtOptions(next_model="fixed:middle"), 0)


@pytest.mark.parametrize("parameters", [0.0, -1.0, math.nan, math.inf])
def test_a_model_needs_a_parameter_count(parameters: float) -> None:
    with pytest.raises(UsageError, match="parameters"):
        Model("m", parameters)


@pytest.mark.parametrize("reward", [math.nan, math.inf, -math.inf])
def test_a_reward_is_finite_or_none(reward: float) -> None:
    with pytest.raises(UsageError, match="reward"):
        Outcome(reward)


@pytest.mark.parametrize(
    ("proposals", "calls", "errors", "hits"),
    [
        ([answer("a", model="large")], 1, 0, 1),
        ([answer("a", model="random", error="not_json")], 1, 1, 0),
        ([answer("a", model="large", error="next_model")], 1, 1, 1),
        ([answer("a", model="random")], 0, 0, 0),
        ([answer("a", model="small")], 0, 0, 0),
    ],
)
def test_calls_errors_and_hits_of_the_acting_model(
    proposals: list[Proposal], calls: int, errors: int, hits: int
) -> None:
    search = ColtSearch(MODELS, ColtOptions(seeds=0), 0)
    for proposal in proposals:
        step(search, proposal, fair(0.1))
    record = search.statistics.by_model["large"]
    assert (record.calls, record.errors, record.hits) == (calls, errors, hits)


def test_a_hit_is_a_child_better_than_its_parent() -> None:
    search = search_with(seeds=0, branching=1, course_alteration_period=None)
    for name, reward in (("a", 0.2), ("b", 0.2), ("c", 0.3), ("d", 0.1)):
        step(search, answer(name, model="small"), fair(reward))
    assert search.statistics.by_model["small"].hit_rate == 0.5
    assert search.statistics.by_model["middle"].hit_rate is None
