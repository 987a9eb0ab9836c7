"""Sequences are valued as episodes; what goes wrong costs one of them."""

from __future__ import annotations

from typing import Any

import gym
import numpy as np
import pytest
from gym_search_doubles import ACTIONS, Forking, NewProtocol, NotApart, NumberEnv, Reporting

from colt_llvm.core.errors import UsageError
from colt_llvm.gym.environment import action_names
from colt_llvm.gym.episodes import Episodes
from colt_llvm.gym.options import EnvironmentFailed


def episodes(env: Any, **options: Any) -> Episodes:
    return Episodes(lambda: env, **options)


@pytest.mark.parametrize("kind", [NumberEnv, NewProtocol, Forking, NotApart])
def test_the_figure_is_the_reward_of_the_whole_episode_in_either_protocol(kind: type[NumberEnv]) -> None:
    valued = episodes(kind()).value(("double", "double", "add"))
    assert valued.outcome.reward == 4  # 1, 2, 4, 5
    assert valued.taken == ("double", "double", "add")


def test_actions_without_names_are_numbers_as_text() -> None:
    assert episodes(NumberEnv(names=None)).actions == ("0", "1", "2", "3")
    assert episodes(NumberEnv(names=None)).value(("1", "1")).outcome.reward == 3


def test_actions_of_one_name_are_told_apart_by_number() -> None:
    assert action_names(NumberEnv(names=("add", "x", "x", "y"))) == ("add", "x#1", "x#2", "y")


def test_refuses_an_action_space_that_is_no_list() -> None:
    env = NumberEnv()
    env.action_space = gym.spaces.Box(0, 1, (2,))
    with pytest.raises(UsageError, match="not discrete"):
        episodes(env)
    assert env.closed


def test_states_that_look_alike_have_one_key_and_others_do_not() -> None:
    valuer = episodes(NumberEnv())
    key = {names: valuer.value(names).outcome.key for names in (("add",), ("double",), ("double", "add"), ("nothing",))}
    assert (
        key[("add",)]
        == key[("double",)]
        != key[
            (
                "double",
                "add",
            )
        ]
    )
    assert key[("nothing",)] == valuer.root_key


def test_a_big_array_is_told_apart_where_its_text_is_cut() -> None:
    class Wide(NumberEnv):
        def _look(self) -> Any:
            wide = np.zeros(5000)
            wide[2500] = self.value % 2
            return wide

    env = Wide(names=None)
    env.reset()
    first = env._look()
    env.value = 2
    assert repr(first) == repr(env._look())
    valuer = episodes(Wide())

    def plain(sequence: tuple[str, ...]) -> str | None:
        return valuer.value(sequence).outcome.key

    assert plain(("nothing",)) == valuer.root_key
    assert plain(("add", "less")) == valuer.root_key != plain(("add",))


def test_without_an_observation_no_two_states_are_one() -> None:
    class Blind(NumberEnv):
        def _look(self) -> Any:
            return None

    valuer = episodes(Blind())
    assert valuer.root_key is None
    assert valuer.value(("add",)).outcome.key is None


def test_an_action_that_raises_fails_its_trial_and_the_next_one_goes_on() -> None:
    valuer = episodes(NumberEnv(crashes=(2,)))
    failed = valuer.value(("add", "add", "add"))
    assert (failed.outcome.reward, failed.outcome.failure) == (None, "error")
    assert failed.detail == "the compiler broke"
    assert valuer.value(("add", "add")).outcome.reward == 2


@pytest.mark.parametrize(
    ("error", "kind"),
    [(TimeoutError("x"), "timeout"), (MemoryError("x"), "out of memory"), (ConnectionError("x"), "crash")],
)
def test_failures_are_told_apart(error: Exception, kind: str) -> None:
    assert episodes(NumberEnv(crashes=(1,), error=error)).value(("add",)).outcome.failure == kind


def test_an_error_that_is_only_reported_fails_the_trial_too() -> None:
    valued = episodes(Reporting(crashes=(1,), error=TimeoutError("too slow"))).value(("add",))
    assert (valued.outcome.failure, valued.detail) == ("timeout", "too slow")


def test_a_reward_that_is_no_number_fails_the_trial() -> None:
    valued = episodes(NumberEnv(noise=float("nan"))).value(("add",))
    assert valued.outcome.failure == "invalid"


def test_an_episode_that_is_over_keeps_what_it_took_and_has_no_further_states() -> None:
    valuer = episodes(NumberEnv(limit=2))
    valued = valuer.value(("add", "add", "add"))
    assert (valued.taken, valued.outcome.reward) == (("add", "add"), 2)
    assert valuer.value(("add", "add", "double", "less")).outcome.key == valued.outcome.key


def test_forks_save_the_steps_of_a_known_prefix() -> None:
    env = Forking()
    valuer = episodes(env, forks=4)
    assert valuer.forking
    resets = env.resets
    prefix = ("add", "add", "add")
    valuer.value(prefix)
    env.log.clear()
    assert valuer.value((*prefix, "double")).outcome.reward == 7
    assert env.log == [ACTIONS.index("double")]
    assert env.resets == resets
    valuer.close()


def test_states_that_are_kept_do_not_grow_without_end_and_are_closed() -> None:
    env = Forking()
    valuer = episodes(env, forks=3)
    for count in range(1, 9):
        valuer.value(("add",) * count)
    assert len(valuer._kept) == 3
    valuer.close()
    assert all(fork.closed for fork in env.forks)


def test_forks_that_share_one_state_are_not_used() -> None:
    assert not episodes(NotApart()).forking


def test_a_crash_with_forks_costs_one_trial() -> None:
    env = Forking()
    valuer = episodes(env, forks=4)
    valuer.value(("add",))
    env.crashes = (env.all_steps + 1,)
    valuer._kept.clear()
    assert valuer.value(("add", "add")).outcome.failure == "error"
    env.crashes = ()
    assert valuer.value(("add", "add")).outcome.reward == 2


def test_a_new_environment_is_made_when_the_old_one_cannot_be_reset() -> None:
    class Fragile(NumberEnv):
        broken = False

        def reset(self) -> Any:
            if self.broken:
                raise OSError("gone")
            return super().reset()

        def step(self, action: int) -> Any:
            try:
                return super().step(action)
            except RuntimeError:
                self.broken = True
                raise

    made: list[Fragile] = []

    def make() -> Fragile:
        made.append(Fragile(crashes=(1,) if not made else ()))
        return made[-1]

    valuer = Episodes(make)
    assert valuer.value(("add",)).outcome.failure == "error"
    assert valuer.value(("add",)).outcome.reward == 1
    assert len(made) == 2
    assert made[0].closed


def test_a_start_that_fails_is_said_and_closed() -> None:
    class Dead(NumberEnv):
        def reset(self) -> Any:
            raise OSError("no such benchmark")

    env = Dead()
    with pytest.raises(EnvironmentFailed, match="no such benchmark; check the benchmark"):
        episodes(env)
    assert env.closed


def test_multistep_is_used_where_it_is_offered_and_single_steps_on_demand() -> None:
    class Multi(NumberEnv):
        calls: list[tuple[int, ...]]

        def multistep(self, actions: list[int], timeout: float = 0) -> Any:
            self.calls = [*getattr(self, "calls", []), tuple(actions)]
            total, reply = 0.0, (self._look(), 0.0, False, {})
            for action in actions:
                reply = self.step(action)
                total += reply[1]
            return reply[0], total, reply[2], {}

    env = Multi()
    assert episodes(env).value(("double", "add")).outcome.reward == 2
    assert (1, 0) in env.calls
    env = Multi()
    assert episodes(env, single_steps=True).value(("double", "add")).outcome.reward == 2
    assert (1,) in env.calls
    assert (1, 0) not in env.calls
    assert set(ACTIONS) == set(episodes(env).actions)
