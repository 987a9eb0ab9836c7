"""A state that was computed is not computed again; memory stays bounded; steps equal one text."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from colt_llvm.env import ColtEnv
from colt_llvm.llvm.module import Module, TargetMachine
from colt_llvm.llvm.toolchain import Toolchain

MakeEnv = Callable[..., ColtEnv]
NAMES = ("sroa", "instcombine", "gvn", "simplifycfg", "licm")


def numbers(env: ColtEnv, *names: str) -> list[int]:
    return [int(env.action_space[name]) for name in names]


def test_a_known_prefix_costs_nothing_whoever_asks(env: ColtEnv) -> None:
    actions = numbers(env, *NAMES)
    env.multistep(actions)
    before = env.counters()
    env.reset()
    for action in actions:
        env.step(action)
    fork = env.fork()
    fork.reset()
    fork.multistep(actions)
    after = env.counters()
    assert after["passes_run"] == before["passes_run"] == len(actions)
    assert after["observations"] == before["observations"] + len(actions) - 1, "one new count for each state between"
    assert after["parses"] == before["parses"] or after["parses"] <= before["parses"] + len(actions)
    fork.multistep(numbers(env, "dce"))
    assert env.counters()["passes_run"] == before["passes_run"] + 1
    fork.close()


def test_states_that_are_the_same_are_one(env: ColtEnv) -> None:
    env.multistep(numbers(env, "sroa"))
    once = env.observation["IrHash"]
    env.multistep(numbers(env, "sroa", "sroa"))
    assert env.observation["IrHash"] == once
    assert env.counters()["passes_run"] == 2, "the third sroa is known to change nothing"


def test_a_pass_without_effect_on_a_stored_state_is_seen_as_such(env: ColtEnv) -> None:
    """After default<O3> LLVM reads its own bitcode back a little differently; that is no effect of the next pass."""
    env.multistep(numbers(env, "default<O3>"))
    fork = env.fork()
    env.multistep(numbers(env, "gvn"))  # takes the live module away
    _, _, _, info = fork.step(numbers(fork, "dce")[0])
    assert info["action_had_no_effect"]
    fork.close()


def test_an_evicted_state_is_computed_again(make_env: MakeEnv) -> None:
    env = make_env(options={"cache_bytes": 1 << 20})
    env.reset(benchmark="benchmark://colt-v0/sha256")
    actions = numbers(env, "sroa", "instcombine", "gvn")
    env.multistep(actions)
    expected = env.observation["Ir"]
    fork = env.fork()
    rng = random.Random(0)
    for _ in range(25):
        env.reset()
        env.multistep([rng.randrange(8) for _ in range(6)])
        assert env.counters()["stored_bytes"] <= 1 << 20
    assert env.counters()["evictions"] > 0
    assert fork.observation["Ir"] == expected
    assert fork.counters()["recomputed"] > 0
    assert fork.counters().get("different_results", 0) == 0
    fork.close()


@pytest.mark.parametrize("exact", [False, True])
def test_steps_give_what_one_text_gives(make_env: MakeEnv, toolchain: Toolchain, exact: bool) -> None:
    env = make_env(options={"exact_steps": exact})
    env.reset(benchmark="benchmark://colt-v0/sha256")
    library = toolchain.load()
    start = bytes(env.observation["Bitcode"])
    rng = random.Random(1)
    different = []
    for _ in range(20):
        actions = [rng.randrange(8) for _ in range(6)]
        env.reset()
        env.multistep(actions)
        module = Module.parse(library, start)
        target = TargetMachine(library, module.triple, 3)
        module.run(env.pipeline(), target)
        once = Module.parse(library, module.bitcode()).emit_object(target)
        if once != env.objects()[0]:
            different.append(env.commandline())
    assert len(different) <= 1, different
