"""The loop that users of CompilerGym know."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import compiler_gym
import numpy as np
import pytest
from compiler_gym import CompilerEnvStateReader, CompilerEnvStateWriter
from compiler_gym.random_search import random_search
from compiler_gym.wrappers import (
    Counter,
    CycleOverBenchmarks,
    ForkOnStep,
    RandomOrderBenchmarks,
    TimeLimit,
    ValidateBenchmarkAfterEveryStep,
)

from colt_llvm.env import ColtEnv

pytestmark = pytest.mark.llvm

MakeEnv = Callable[..., ColtEnv]


def number(env: ColtEnv, name: str) -> int:
    return int(env.action_space[name])


def test_make_reset_step_by_the_gym_interface_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = compiler_gym.make(
            "colt-llvm-v0",
            benchmark="colt-v0/crc_adler?level=Oz",
            observation_space="Autophase",
            reward_space="IrInstructionCountOz",
        )
        try:
            assert env.reset().shape == (56,)
            observation, reward, done, info = env.step(env.action_space["sroa"])
            assert observation.shape == (56,)
            assert reward > 0
            assert not done
            assert info["action_had_no_effect"] is False
            assert env.step(env.action_space["sroa"])[3]["action_had_no_effect"] is True
            assert str(env.benchmark) == "benchmark://colt-v0/crc_adler?level=Oz"
        finally:
            env.close()


def test_every_observation_space_has_a_value_of_its_space(env: ColtEnv) -> None:
    env.step(number(env, "sroa"))
    for name, spec in env.observation.spaces.items():
        value = env.observation[name]
        assert value is not None, name
        if isinstance(value, int):
            assert spec.space.contains(value), name
    assert env.observation["InstCount"].shape == (70,)
    assert env.observation["InstCountDict"]["TotalInstsCount"] == env.observation["IrInstructionCount"]
    assert env.observation["InstCount"][0] == env.observation["IrInstructionCount"]
    assert env.observation["IsBuildable"] == env.observation["IsRunnable"] == 1
    assert env.observation["Runtime"].shape == (1,)
    assert env.observation["Object"].dtype == np.int8
    assert env.objects()[0].startswith(b"\x7fELF")
    assert env.observation["Ir"].startswith("source_filename") or "ModuleID" in env.observation["Ir"]


def test_rewards_add_up_to_the_gain_over_the_baseline(env: ColtEnv) -> None:
    for name in ("default<O3>", "default<Oz>"):
        level = name[-3:-1]
        env.reset(reward_space=f"IrInstructionCount{level}")
        env.step(number(env, name))
        assert env.episode_reward == pytest.approx(1.0)
    env.reset(reward_space="IrInstructionCountNorm")
    first = env.observation["IrInstructionCountO0"]
    env.multistep([number(env, "sroa"), number(env, "gvn")])
    assert env.episode_reward == pytest.approx(1 - env.observation["IrInstructionCount"] / first)
    env.reset(reward_space="ObjectTextSizeOz")
    env.step(number(env, "default<Oz>"))
    assert env.episode_reward == pytest.approx(1.0)


def test_multistep_equals_single_steps(env: ColtEnv) -> None:
    actions = [number(env, name) for name in ("sroa", "instcombine", "gvn", "simplifycfg")]
    for action in actions:
        env.step(action)
    stepwise, reward = env.observation["IrHash"], env.episode_reward
    env.reset()
    env.multistep([np.int64(action) for action in actions])
    assert env.observation["IrHash"] == stepwise
    assert env.episode_reward == reward
    assert env.actions == actions


def test_forks_have_ids_action_space_and_reward_of_their_own(make_env: MakeEnv) -> None:
    env = make_env(action_space="passes", reward_space="IrInstructionCount")
    env.reset()
    env.step(number(env, "sroa"))
    forks = [env.fork() for _ in range(3)]
    assert len({each._session_id for each in (env, *forks)}) == 4
    assert all(each.action_space == env.action_space for each in forks)
    before = env.observation["IrHash"]
    forks[0].step(number(env, "gvn"))
    assert env.observation["IrHash"] == before == forks[1].observation["IrHash"]
    env.step(number(env, "gvn"))
    assert env.episode_reward == forks[0].episode_reward
    assert env.observation["IrHash"] == forks[0].observation["IrHash"]
    env.close()
    assert not forks[2].step(0)[2], "a fork outlives its parent"
    for each in forks:
        each.close()


def test_validate_accepts_a_right_state_and_refuses_a_wrong_reward(env: ColtEnv) -> None:
    env.multistep([number(env, "sroa"), number(env, "gvn")])
    result = env.validate()
    assert result.okay(), result
    assert result.benchmark_semantics_validated
    assert result.reward_validated
    state = env.state
    state.reward = state.reward + 5
    assert env.validate(state).reward_validation_failed


def test_validate_finds_a_program_that_prints_something_else(make_env: MakeEnv, tmp_path: Path) -> None:
    """The callback compares with what plain clang's program does; a changed object must not pass."""
    env = make_env()
    env.reset()
    other = tmp_path / "other.c"
    other.write_text('#include <stdio.h>\nint main(void) { puts("other"); return 0; }\n')
    validator = env.benchmark.validation_callbacks()[0]
    assert validator(env) == []
    env.reset(benchmark=env.make_benchmark(other))
    errors = validator(env)
    assert [error.type for error in errors] == ["Wrong output"]


def test_states_survive_a_csv_file(env: ColtEnv, tmp_path: Path) -> None:
    env.multistep([number(env, "sroa"), number(env, "default<Oz>")])
    state, expected = env.state, env.observation["IrHash"]
    path = tmp_path / "states.csv"
    with CompilerEnvStateWriter(path.open("w")) as writer:
        writer.write_state(state)
    with CompilerEnvStateReader(path.open()) as reader:
        (read,) = list(reader)
    assert read == state
    env.reset()
    env.apply(read)
    assert env.observation["IrHash"] == expected
    with pytest.raises(LookupError):
        env.commandline_to_actions("sroa no-such-action")


def test_compiler_gyms_own_random_search_runs(make_env: MakeEnv, toolchain, source: Path, tmp_path: Path) -> None:
    def make() -> ColtEnv:
        return make_env(reward_space="IrInstructionCount", misbehaving=False)

    random_search(make, outdir=tmp_path, patience=5, total_runtime=3, nproc=1)
    assert (tmp_path / "random_search_best_actions_commandline.txt").is_file()


def test_wrappers(make_env: MakeEnv, env: ColtEnv) -> None:
    limited = TimeLimit(env, max_episode_steps=2)
    limited.reset()
    assert [limited.step(0)[2] for _ in range(2)] == [False, True]

    undoable = ForkOnStep(make_env())
    undoable.reset()
    undoable.step(0)
    undoable.step(1)
    undoable.undo()
    assert undoable.actions == [0]
    undoable.close()

    uris = [str(env.benchmark), "benchmark://colt-v0/crc_adler"]
    cycling = CycleOverBenchmarks(make_env(), uris)
    seen = []
    for _ in range(3):
        cycling.reset()
        seen.append(str(cycling.benchmark))
    assert seen == [uris[0], uris[1], uris[0]]
    shuffled = RandomOrderBenchmarks(make_env(), uris)
    shuffled.reset()
    assert str(shuffled.benchmark) in uris

    counting = Counter(make_env())
    counting.reset()
    counting.step(0)
    assert counting.counters["step"] == 1
    checked = ValidateBenchmarkAfterEveryStep(make_env())
    checked.reset()
    assert not checked.step(0)[2]


def test_datasets_list_the_included_programs(env: ColtEnv) -> None:
    uris = list(env.datasets["benchmark://colt-v0"].benchmark_uris())
    assert "benchmark://colt-v0/sha256" in uris
    with pytest.raises(LookupError):
        env.reset(benchmark="benchmark://colt-v0/no-such-program")
    with pytest.raises(LookupError):
        env.reset(benchmark="benchmark://colt-v0/sha256?level=O9")
