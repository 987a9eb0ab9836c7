"""``colt-llvm-decisions-v0`` as users of CompilerGym use it, against builds made without it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import compiler_gym
import pytest
from compiler_gym.random_search import random_search
from compiler_gym.wrappers import CycleOverBenchmarks, ForkOnStep, TimeLimit

import colt_llvm.env  # noqa: F401
from colt_llvm.core.errors import PassCrashed, PipelineSyntaxError
from colt_llvm.env.decisions_env import DecisionsEnv
from colt_llvm.env.guard import ServiceOptions
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.baseline import build
from colt_llvm.program.compilation import baseline_objects, front_end
from colt_llvm.program.program import program_from_files

pytestmark = pytest.mark.llvm

INLINE, LEAVE = "alwaysinline<square>", "noinline<square>"


@pytest.fixture
def env(toolchain: Toolchain, source: Path) -> Iterator[DecisionsEnv]:
    made = DecisionsEnv(
        toolchain=toolchain, options=ServiceOptions(action_seconds=30.0),
        observation_space="ObjectTextSizeBytes", reward_space="ObjectTextSizeNorm",
    )  # fmt: skip
    made.benchmark = made.make_benchmark(source, level="Oz")
    made.reset()
    yield made
    made.close()


def size_with(toolchain: Toolchain, source: Path, pipeline: str) -> int:
    program = program_from_files([source])
    objects = build(toolchain, program, "Oz", front_end(toolchain, program, "Oz"), pipeline)
    return sum(section_sizes(data).text_bytes for data in objects)


def test_actions_are_the_decisions_of_the_benchmark(toolchain: Toolchain, env: DecisionsEnv, tmp_path: Path) -> None:
    names = env.action_space.names
    assert {INLINE, LEAVE, "unroll<sum#1;4>", "inline-threshold<225>"} <= set(names)
    assert env.action_space.name == "decisions"
    assert env.action_space.from_string(INLINE) == names.index(INLINE)
    other = tmp_path / "other.c"
    other.write_text("int main(void) { return 0; }\n", encoding="utf-8")
    env.reset(benchmark=env.make_benchmark(other, level="Oz"))
    assert INLINE not in env.action_space.names
    with pytest.raises(PipelineSyntaxError, match=r"there are \d+, from 0"):
        env.multistep([10_000])


def test_without_decisions_it_is_what_clang_makes(toolchain: Toolchain, env: DecisionsEnv, source: Path) -> None:
    plain = sum(section_sizes(d).text_bytes for d in baseline_objects(toolchain, program_from_files([source]), "Oz"))
    assert env.reset() == env.observation["ObjectTextSizeBytes"] == plain


def test_a_decision_is_rewarded_by_what_the_pipeline_makes_of_it(
    toolchain: Toolchain, env: DecisionsEnv, source: Path
) -> None:
    first = env.reset()
    size, reward, done, info = env.step(env.action_space[LEAVE])
    assert not done
    assert not info["action_had_no_effect"]
    assert size == size_with(toolchain, source, env.pipeline()) != first
    assert reward == pytest.approx((first - size) / first)
    size, _, _, info = env.step(env.action_space["unroll<sum#1;4>"])
    assert size == size_with(toolchain, source, env.pipeline())
    assert env.step(env.action_space[LEAVE])[3]["action_had_no_effect"]
    assert env.episode_reward == pytest.approx((first - size) / first)
    assert env.commandline() == f"{LEAVE} unroll<sum#1;4> {LEAVE}"


def test_thresholds_hold_for_the_pipeline_and_the_greatest_counts(env: DecisionsEnv) -> None:
    _, _, _, info = env.step(env.action_space["inline-threshold<225>"])
    assert not info["action_had_no_effect"]
    env.step(env.action_space["inline-threshold<50>"])
    assert env.pipeline().startswith("-inline-threshold=225 ")


def test_several_at_once_and_one_by_one_are_the_same(env: DecisionsEnv) -> None:
    actions = [env.action_space[name] for name in (LEAVE, "optsize<sum>", "inline-threshold<50>")]
    for action in actions:
        env.step(action)
    code, reward = env.observation["IrHash"], env.episode_reward
    env.reset()
    env.multistep(actions)
    assert env.observation["IrHash"] == code
    assert env.episode_reward == pytest.approx(reward, rel=1e-12)  # a sum of as many differences
    assert env.actions == actions


def test_forks_go_their_own_way_and_outlive_their_parent(env: DecisionsEnv) -> None:
    env.step(env.action_space[LEAVE])
    forked = env.fork()
    before = env.observation["IrHash"]
    assert forked.observation["IrHash"] == before
    assert forked.action_space.names == env.action_space.names
    forked.step(forked.action_space["optspeed<sum>"])
    assert env.observation["IrHash"] == before
    env.close()
    assert not forked.step(forked.action_space[INLINE])[2]
    forked.close()


def test_a_state_is_validated_by_building_and_running_it(env: DecisionsEnv) -> None:
    env.multistep([env.action_space[INLINE], env.action_space["unroll<sum#1;2>"]])
    assert env.validate().okay()
    state = env.state
    state.reward = 7.0
    assert env.validate(state).reward_validation_failed


def test_a_service_that_dies_costs_the_step_alone(env: DecisionsEnv) -> None:
    env.step(env.action_space[LEAVE])
    before = env.observation["IrHash"]
    connection = env.service.connection if env.service else None
    assert connection is not None
    connection.process.kill()
    connection.process.wait()
    size, _, done, _ = env.step(env.action_space["optsize<sum>"])
    assert (done, size > 0) == (False, True)
    assert env.commandline() == f"{LEAVE} optsize<sum>"
    env.reset()
    env.step(env.action_space[LEAVE])
    assert env.observation["IrHash"] == before


def test_a_pipeline_that_crashes_is_told_and_the_decisions_before_stay(
    env: DecisionsEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.step(env.action_space[LEAVE])
    with monkeypatch.context() as patch:
        patch.setattr(DecisionsEnv, "_completion", lambda self, names: "trigger-crash-module")
        with pytest.raises(PassCrashed):
            env.try_multistep([env.action_space[INLINE]], ["IrHash"])
        _, _, done, info = env.step(env.action_space[INLINE])
        assert (done, info["error_type"]) == (True, "PassCrashed")
    assert env.commandline() == LEAVE
    assert not env.step(env.action_space["optsize<sum>"])[2]


def test_scopes_choose_what_is_offered(toolchain: Toolchain, source: Path) -> None:
    with DecisionsEnv(toolchain=toolchain, scopes=("loop",)) as env:
        env.benchmark = env.make_benchmark(source, level="Oz")
        env.reset()
        assert all("#" in name for name in env.action_space.names)
        forked = env.fork()
        assert forked.action_space.names == env.action_space.names
        forked.close()


def test_made_by_name_and_wrapped_as_any_environment() -> None:
    benchmarks = ["colt-v0/crc_adler?level=Oz", "colt-v0/collatz?level=Oz"]
    made = compiler_gym.make(
        "colt-llvm-decisions-v0", observation_space="IrInstructionCount", reward_space="IrInstructionCount"
    )
    with CycleOverBenchmarks(TimeLimit(made, max_episode_steps=2), benchmarks) as env:
        seen = []
        for _ in benchmarks:
            env.reset()
            seen.append(tuple(env.action_space.names))
            assert [env.step(action)[2] for action in (0, 1)] == [False, True]
        assert seen[0] != seen[1]


def test_steps_are_undone_by_forks(env: DecisionsEnv) -> None:
    wrapped = ForkOnStep(env)
    wrapped.reset()
    before = wrapped.observation["IrHash"]
    wrapped.step(wrapped.action_space[LEAVE])
    assert wrapped.observation["IrHash"] != before
    wrapped.undo()
    assert wrapped.observation["IrHash"] == before


def test_random_search_of_compiler_gym_runs(tmp_path: Path) -> None:
    def make() -> DecisionsEnv:
        return DecisionsEnv(benchmark="colt-v0/collatz?level=Oz", reward_space="IrInstructionCount")

    random_search(make, outdir=tmp_path, patience=2, total_runtime=3, nproc=1)
    assert (tmp_path / "random_search_best_actions_commandline.txt").is_file()
