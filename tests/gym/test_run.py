"""The loop: budgets, interruption, the best and its replay; repeats from its seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from gym_search_doubles import Forking, NumberEnv

from colt_llvm.core.errors import UsageError
from colt_llvm.gym.options import EnvironmentOptions, SearchOptions, parse_models
from colt_llvm.gym.run import SearchResult, result_to_dict, run_search
from colt_llvm.models.base import NoMoreCalls
from colt_llvm.search import Model, Proposal, Request

ENV = EnvironmentOptions("number-v0")
LOOK = SearchOptions(trials=60, max_length=6)


def search(env: Any = NumberEnv, options: SearchOptions = LOOK, **more: Any) -> SearchResult:
    return run_search(replace(ENV, make=env), options, **more)


def plain(result: SearchResult) -> dict[str, Any]:
    return {name: value for name, value in result_to_dict(result).items() if name != "seconds"}


def test_finds_a_sequence_that_a_fresh_replay_confirms() -> None:
    result = search()
    assert result.reward >= 15  # six doublings give 63
    assert len(result.sequence) <= 6
    assert result.confirmed
    assert result.replayed == result.reward
    assert result.trials == 60
    assert result.stopped == "trials"
    assert result.found_at == result.history[-1][0]
    assert result.transpositions > 0


def test_repeats_exactly_from_its_seed_and_differs_with_another() -> None:
    assert plain(search()) == plain(search())
    assert plain(search())["history"] != plain(search(options=replace(LOOK, seed=1)))["history"]


def test_forking_changes_the_work_and_not_the_result() -> None:
    forked, replayed = search(Forking), search(Forking, replace(LOOK, forks=0))
    assert forked.forking
    assert not replayed.forking
    assert plain(forked) == plain(replayed) | {"forking": True}


def test_both_models_are_at_work_and_course_is_altered() -> None:
    class Blind(NumberEnv):
        def _look(self) -> Any:
            return None

    models = search(lambda: Blind(limit=40), SearchOptions(trials=100, max_length=30)).models
    assert set(models) == {"random:1", "random:7e9"}
    assert all(record["calls"] > 0 for record in models.values())
    assert models["random:7e9"]["corrections"] > 0


def test_a_crash_is_counted_and_the_search_goes_on() -> None:
    result = search(lambda: NumberEnv(crashes=(5, 20)))
    assert result.failures == {"error": 2}
    assert result.examples == {"error": "the compiler broke"}
    assert result.trials == 60
    assert result.reward > 0


def test_a_reward_that_a_replay_does_not_give_again_is_not_confirmed() -> None:
    result = search(lambda: NumberEnv(noise=0.001))
    assert result.replayed is not None
    assert not result.confirmed


def test_nothing_above_the_start_is_no_sequence() -> None:
    class Down(NumberEnv):
        def step(self, action: int) -> Any:
            observation, reward, done, info = super().step(action)
            return observation, -abs(reward) - 1, done, info

    result = search(Down)
    assert (result.sequence, result.reward, result.found_at, result.confirmed) == ((), 0.0, None, True)


def test_an_interrupt_ends_with_the_best_so_far_and_closes_everything() -> None:
    made: list[NumberEnv] = []

    def make() -> NumberEnv:
        crashes = () if made else (60,)
        made.append(NumberEnv(crashes=crashes, error=KeyboardInterrupt()))
        return made[-1]

    result = search(make, replace(LOOK, trials=500))
    assert result.stopped == "interrupted"
    assert 0 < result.trials < 500
    assert result.reward > 0
    assert result.confirmed
    assert all(env.closed for env in made)


def test_time_ends_the_search() -> None:
    now = iter(range(1000))
    result = search(options=SearchOptions(seconds=10), clock=lambda: next(now))
    assert result.stopped == "time"
    assert 5 < result.trials < 15


def test_an_environment_that_is_gone_ends_with_the_best_so_far() -> None:
    made: list[NumberEnv] = []

    class Gone(NumberEnv):
        def reset(self) -> Any:
            if self.all_steps >= 30:
                raise OSError("gone")
            return super().reset()

    def make() -> NumberEnv:
        if made:
            raise OSError("cannot be started")
        made.append(Gone())
        return made[0]

    result = search(make)
    assert result.stopped == "failed"
    assert "gone" in result.note
    assert result.reward > 0
    assert result.replayed is None
    assert not result.confirmed


class Scripted:
    def __init__(self, actions: Sequence[str]) -> None:
        self.actions = actions
        self.seen: list[Request] = []
        self.observed: list[float | None] = []

    def propose(self, request: Request) -> Proposal:
        self.seen.append(request)
        if len(self.seen) > 5:
            raise NoMoreCalls("the money is spent")
        return Proposal((self.actions[1],), "a", "a")

    def observe(self, request: Request, proposal: Proposal, outcome: Any) -> None:
        self.observed.append(outcome.reward)


def test_any_proposer_can_be_put_in_hears_outcomes_and_may_end_the_search() -> None:
    made: list[Scripted] = []

    def make_proposer(actions: Sequence[str], models: Any, tree: Any, options: Any) -> Scripted:
        made.append(Scripted(actions))
        return made[0]

    result = search(models=[Model("a", 1)], make_proposer=make_proposer)
    assert (result.stopped, result.note, result.trials) == ("no more calls", "the money is spent", 5)
    assert made[0].observed[0] == 1.0
    assert result.sequence[:1] == ("double",)


def test_a_proposer_that_prepares_its_answers_is_asked_that_way() -> None:
    class Preparing:
        def __init__(self, actions: Sequence[str]) -> None:
            self.actions = actions

        def prepare(self, request: Request) -> Any:
            return lambda: Proposal((self.actions[1],), "a", "a")

    result = search(
        options=replace(LOOK, trials=3), models=[Model("a", 1)], make_proposer=lambda actions, *_: Preparing(actions)
    )
    assert set(result.sequence) == {"double"}


def test_a_proposer_must_keep_to_the_actions() -> None:
    class Wrong:
        def propose(self, request: Request) -> Proposal:
            return Proposal(("explode",), "a", "a")

    with pytest.raises(UsageError, match="'explode' is no action here"):
        search(models=[Model("a", 1)], make_proposer=lambda *_: Wrong())


def test_sequences_stay_within_their_greatest_length() -> None:
    lengths: list[int] = []
    search(
        options=replace(LOOK, max_length=3), on_trial=lambda number, valued, better: lengths.append(len(valued.taken))
    )
    assert max(lengths) == 3


def test_only_the_actions_that_are_asked_for_are_proposed() -> None:
    taken: set[str] = set()
    search(options=replace(LOOK, actions="^(add|less)$"), on_trial=lambda _, valued, better: taken.update(valued.taken))
    assert taken == {"add", "less"}


@pytest.mark.parametrize(
    "bad",
    [{"trials": 0}, {"seconds": 0.0}, {"max_length": 0}, {"min_actions": 3, "max_actions": 2}, {"forks": -1},
     {"actions": "("}, {"step_seconds": float("nan")}],
)  # fmt: skip
def test_refuses_bad_options(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        SearchOptions(**bad)


def test_models_are_read_from_text() -> None:
    assert parse_models("random:1, random:7e9") == (Model("random:1", 1), Model("random:7e9", 7e9))
    for bad in ("", "random:many", "gpt:7e9"):
        with pytest.raises(UsageError, match="models"):
            parse_models(bad)


def test_nobody_is_asked_to_go_on_from_the_end_of_an_episode() -> None:
    asked: list[tuple[str, ...]] = []

    class Noting(Scripted):
        def propose(self, request: Request) -> Proposal:
            asked.append(request.sequence)
            return Proposal((self.actions[len(asked) % 2],), "a", "a")

    options = replace(LOOK, trials=40)
    result = search(
        lambda: NumberEnv(limit=2), options, models=[Model("a", 1)], make_proposer=lambda actions, *_: Noting(actions)
    )
    assert max(map(len, asked)) == 1
    assert result.failures == {}
