"""Environments that somebody made of compiler_gym's CompilationSession, with a service process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colt_llvm.core.errors import UsageError
from colt_llvm.gym.environment import make_environment, set_spaces
from colt_llvm.gym.episodes import Episodes
from colt_llvm.gym.options import EnvironmentFailed, EnvironmentOptions, SearchOptions
from colt_llvm.gym.run import run_search

HERE = Path(__file__).resolve().parent
MODULE = str(HERE / "counting_env.py")
#: Actions that do no harm.
SAFE = "^(less|half|more|nothing)$"


def options(**more: Any) -> EnvironmentOptions:
    return EnvironmentOptions("counting-v0", **({"benchmark": "numbers-v0/40", "modules": (MODULE,)} | more))


@contextlib.contextmanager
def opened(environment: EnvironmentOptions, **more: Any) -> Iterator[Episodes]:
    episodes = Episodes(lambda: make_environment(environment), **more)
    try:
        yield episodes
    finally:
        episodes.close()


def folders(pid: int | None = None) -> list[Path]:
    return list(Path("/dev/shm").glob(f"colt-gym-*-{pid or os.getpid()}-*"))


def living(text: str) -> list[int]:
    """Processes whose command line or environment holds the text."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if text.encode() in (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes():
                    found.append(int(folder.name))
    return found


def wait_until(condition: Any, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.slow
def test_the_search_runs_with_forks_and_leaves_nothing_behind() -> None:
    look = SearchOptions(trials=40, max_length=8, actions=SAFE)
    result = run_search(options(observation="text"), look)
    assert result.forking
    assert (result.reward_space, result.observation_space) == ("saving", "text")
    assert result.benchmark == "benchmark://numbers-v0/40"
    assert result.reward > 30
    assert result.confirmed
    assert not folders()
    again = run_search(options(observation="text"), SearchOptions(trials=40, max_length=8, actions=SAFE, forks=0))
    assert not again.forking
    assert again.history == result.history


@pytest.mark.slow
def test_an_episode_that_fails_crashes_or_hangs_costs_one_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(options(), step_seconds=1.0) as episodes:
        assert episodes.forking
        for _ in range(2):
            failed = episodes.value(("half", "fail"))
            assert (failed.outcome.failure, failed.detail) == ("error", "RuntimeError: this pass does not work here")
            assert episodes.value(("half", "less")).outcome.reward == 21
        pid = episodes.env.service.connection.process.pid
        assert episodes.value(("half", "abort")).outcome.failure == "crash"
        assert episodes.value(("half", "less")).outcome.reward == 21
        assert episodes.env.service.connection.process.pid != pid
        assert episodes.value(("hang",)).outcome.failure == "timeout"
        assert episodes.value(("half", "half")).outcome.reward == 30
        assert episodes.value(("half", "end", "half")).outcome.reward is not None
        assert len(folders()) == 1
    assert not folders()


def test_a_session_that_cannot_fork_is_replayed_in_one_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTING_WITHOUT_FORK", "1")
    with opened(options()) as episodes:
        assert not episodes.forking
        assert episodes.value(("half", "less")).outcome.reward == 21
        assert episodes.value(("less",)).outcome.reward == 1
        assert len(folders()) == 1


def test_what_a_service_started_ends_with_it() -> None:
    with opened(options(), forks=0) as episodes:
        episodes.value(("child",))
        folder = str(folders()[0])
        assert wait_until(lambda: len(living(folder)) >= 3), "supervisor, service and its child"
    assert wait_until(lambda: not living(folder))


def test_a_service_ends_and_its_folder_goes_when_the_client_is_killed() -> None:
    code = (
        "from colt_llvm.gym.options import EnvironmentOptions\n"
        "from colt_llvm.gym.environment import make_environment\n"
        f"env = make_environment(EnvironmentOptions('counting-v0', 'numbers-v0/40', modules=({MODULE!r},)))\n"
        "env.reset(); print('ready', flush=True)\n"
        f"env.step(env.action_space['hang'])\n"
    )
    client = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1])
    try:
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
        (folder,) = folders(client.pid)
        assert living(str(folder))
    finally:
        client.send_signal(signal.SIGKILL)
        client.communicate()
    assert wait_until(lambda: not folder.exists() and not living(str(folder)))


def test_spaces_that_do_not_exist_are_refused_with_those_that_do() -> None:
    with opened(options(), forks=0) as episodes:
        for wrong, message in (
            ({"reward": "beauty"}, "--reward beauty: give one of saving"),
            ({"observation": "smell"}, "--observation smell: give one of cost, text"),
            ({"action_space": "none"}, "--action-space none: give one of all, few"),
        ):
            with pytest.raises(UsageError, match=message):
                set_spaces(episodes.env, options(**wrong))


def test_what_is_not_there_is_said() -> None:
    for wrong, message in (
        ({"benchmark": "missing.c"}, "no such file"),
        ({"modules": ("no_such_module_here",)}, "--import no_such_module_here"),
        ({"modules": ("no_such_file.py",)}, "--import no_such_file.py: no such file"),
    ):
        with pytest.raises(UsageError, match=message):
            make_environment(options(**wrong))
    with pytest.raises(UsageError, match="no environment 'nothing-v0' is registered; --import"):
        make_environment(EnvironmentOptions("nothing-v0"))
    with pytest.raises(EnvironmentFailed, match="cannot be made"):
        make_environment(options(benchmark="benchmark://elsewhere-v0/1"))
    assert not folders()


def test_another_action_space_has_its_own_actions() -> None:
    with opened(options(action_space="few")) as episodes:
        assert episodes.actions == ("less", "half", "more", "nothing")
        assert episodes.value(("half",)).outcome.reward == 20


def test_a_service_that_does_not_start_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "service.py"
    broken.write_text("raise SystemExit('no compiler here')\n")
    with pytest.raises(EnvironmentFailed, match="no compiler here"):
        make_environment(options(arguments={"service": broken}))
    assert not folders()
