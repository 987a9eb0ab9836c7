"""A pass that misbehaves costs that action only. Every failure here is a real one."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from colt_llvm.core.errors import PassCrashed, PassError, PassOutOfMemory, PassTimedOut, PipelineSyntaxError
from colt_llvm.env import ColtEnv

MakeEnv = Callable[..., ColtEnv]


def number(env: ColtEnv, name: str) -> int:
    return int(env.action_space[name])


def service_pid(env: ColtEnv) -> int:
    assert env.service is not None
    assert env.service.connection is not None
    return env.service.connection.process.pid


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("test-abort", "PassCrashed"),
        ("test-segv", "PassCrashed"),
        ("test-crash", "PassCrashed"),
        ("test-spin", "PassTimedOut"),
        ("test-eat", "PassOutOfMemory"),
        ("test-broken-module", "PassError"),
    ],
)
def test_a_bad_pass_ends_the_step_and_the_next_goes_on_from_before_it(
    make_env: MakeEnv, action: str, kind: str
) -> None:
    env = make_env(observation_space="IrInstructionCount", options={"action_seconds": 1.5})
    env.reset()
    before, *_ = env.step(number(env, "sroa"))
    started = time.monotonic()
    _, _, done, info = env.step(number(env, action))
    assert time.monotonic() - started < 15
    assert (done, info["error_type"]) == (True, kind)
    assert info["error_details"]
    assert env.commandline() == "sroa"
    after, _, done, _ = env.step(number(env, "sroa"))
    assert not done
    assert after <= before
    assert env.commandline() == "sroa sroa"
    assert env.observation["IrHash"] == env.observation["IrHash"]


def test_of_several_actions_those_before_the_bad_one_are_kept(env: ColtEnv) -> None:
    names = ["sroa", "instcombine", "test-abort", "gvn"]
    with pytest.raises(PassCrashed, match="test-abort"):
        env.try_multistep([number(env, name) for name in names], ["IrInstructionCount"])
    assert env.commandline() == "sroa instcombine"
    expected = env.observation["IrHash"]
    env.reset()
    env.multistep([number(env, "sroa"), number(env, "instcombine")])
    assert env.observation["IrHash"] == expected


def test_typed_errors(make_env: MakeEnv) -> None:
    env = make_env(options={"action_seconds": 1.5})
    env.reset()
    with pytest.raises(PassTimedOut):
        env.try_multistep([number(env, "test-spin")])
    with pytest.raises(PassOutOfMemory):
        env.try_multistep([number(env, "test-eat")])
    with pytest.raises(PassError, match="broken module"):
        env.try_multistep([number(env, "test-broken-module")])
    assert env.actions == []


def test_a_text_that_llvm_refuses_is_an_error_of_the_caller_and_the_session_lives(env: ColtEnv) -> None:
    env.step(number(env, "sroa"))
    pid, before = service_pid(env), env.observation["IrHash"]
    with pytest.raises(PipelineSyntaxError, match="no-such-pass"):
        env.multistep([number(env, "gvn"), number(env, "test-bad-pipeline")])
    with pytest.raises(ValueError, match="action 999"):
        env.step(999)
    assert env.commandline() == "sroa"
    assert env.observation["IrHash"] == before
    assert service_pid(env) == pid


def test_a_broken_module_leaves_the_state_as_it_was(env: ColtEnv) -> None:
    env.step(number(env, "sroa"))
    pid, before = service_pid(env), env.observation["Ir"]
    with pytest.raises(PassError):
        env.try_multistep([number(env, "dce"), number(env, "test-broken-module")])
    assert env.observation["Ir"] == before
    assert service_pid(env) == pid


def test_forks_survive_each_others_crashes(env: ColtEnv) -> None:
    env.step(number(env, "sroa"))
    first, second = env.fork(), env.fork()
    first.step(number(env, "gvn"))
    expected = {id(each): each.observation["IrHash"] for each in (env, first, second)}
    assert second.step(number(env, "test-abort"))[2]
    for each in (first, env, second):
        assert each.observation["IrHash"] == expected[id(each)]
    assert len({service_pid(each) for each in (env, first, second)}) == 1
    assert first.commandline() == "sroa gvn"
    assert second.commandline() == "sroa"
    first.close()
    second.close()
    assert not env.step(number(env, "dce"))[2]


def test_a_fork_that_waited_in_another_thread_is_not_blamed(make_env: MakeEnv) -> None:
    env = make_env(options={"action_seconds": 1.5})
    env.reset()
    env.step(number(env, "sroa"))
    fork = env.fork()
    results: list[tuple[bool, str]] = []

    def hang() -> None:
        _, _, done, info = env.step(number(env, "test-spin"))
        results.append((done, str(info.get("error_type"))))

    thread = threading.Thread(target=hang)
    thread.start()
    time.sleep(0.5)
    assert not fork.step(number(fork, "gvn"))[2]
    thread.join()
    assert results == [(True, "PassTimedOut")]
    assert fork.commandline() == "sroa gvn"
    assert env.commandline() == "sroa"
    fork.close()


@pytest.mark.parametrize("when", ["between steps", "in a step"])
def test_a_killed_service_is_replaced_without_a_word(env: ColtEnv, when: str) -> None:
    env.step(number(env, "sroa"))
    expected, pid = env.observation["IrHash"], service_pid(env)
    os.kill(pid, signal.SIGKILL)
    if when == "between steps":
        time.sleep(0.3)
    _, _, done, info = env.step(number(env, "dce"))
    assert not done, info
    assert env.commandline() == "sroa dce"
    env.reset()
    env.step(number(env, "sroa"))
    assert env.observation["IrHash"] == expected
    assert service_pid(env) != pid


def test_reset_after_a_crash_starts_anew(env: ColtEnv) -> None:
    first = env.reset()
    env.step(number(env, "sroa"))
    assert env.step(number(env, "test-abort"))[2]
    assert env.reset() == first
    assert env.actions == []
