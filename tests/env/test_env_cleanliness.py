"""Nothing is left: no process, no folder, no open port to the outside, no hanging exit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from env_processes import children_of, folders_of, is_service, services_of

from colt_llvm.env import ColtEnv

MakeEnv = Callable[..., ColtEnv]
ROOT = Path(__file__).resolve().parents[2]

CLIENT = """
import sys, time
from pathlib import Path
from colt_llvm.env import ColtEnv, ServiceOptions, connection
connection.SERVICE_FILE = Path("tests/env/misbehaving_service.py").resolve()
actions = [("sroa", "function(sroa)"), ("test-spin", "!spin")]
env = ColtEnv(actions=actions, options=ServiceOptions(action_seconds=60))
env.reset(benchmark=env.make_benchmark(sys.argv[1]))
env.step(0)
fork = env.fork()
print("ready", flush=True)
"""


def start_client(source: Path, more: str) -> subprocess.Popen[str]:
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT + more, str(source)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert client.stdout is not None
    assert client.stdout.readline() == "ready\n"
    return client


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def test_closing_removes_process_and_folder(make_env: MakeEnv) -> None:
    env = make_env()
    env.reset()
    fork = env.fork()
    assert len(services_of()) == 1
    env.close()
    assert len(services_of()) == 1, "the fork still needs it"
    fork.close()
    fork.close()
    assert services_of() == []
    assert folders_of(os.getpid()) == []


def test_crashes_leave_nothing(make_env: MakeEnv) -> None:
    before = set(children_of(os.getpid()))  # of other tests in this process
    env = make_env()
    env.reset()
    for _ in range(3):
        assert env.step(env.action_space["test-abort"])[2]
    env.close()
    assert services_of() == []
    assert folders_of(os.getpid()) == []
    new = set(children_of(os.getpid())) - before
    assert "Z" not in [Path(f"/proc/{child}/stat").read_text().split(") ")[1][0] for child in new]


@pytest.mark.parametrize("busy", [False, True])
def test_a_killed_client_takes_its_service_along(source: Path, busy: bool) -> None:
    client = start_client(source, "env.step(env.action_space['test-spin'])" if busy else "time.sleep(60)")
    (service,) = services_of(client.pid)
    assert folders_of(client.pid)
    time.sleep(0.3)
    client.send_signal(signal.SIGKILL)
    client.wait()
    assert wait_until(lambda: not is_service(service), 2.0)
    assert wait_until(lambda: not folders_of(client.pid), 1.0)
    assert client.stdout is not None
    assert client.stdout.read() == "", "and it does not keep the client's standard output open"


@pytest.mark.parametrize("ending", ["", "raise SystemExit(3)", "1 / 0", "env = None"])
def test_a_client_that_forgets_to_close_ends_at_once(source: Path, ending: str) -> None:
    client = start_client(source, ending)
    children = services_of(client.pid)
    started = time.monotonic()
    assert client.wait(timeout=20) == {"": 0, "env = None": 0, "1 / 0": 1}.get(ending, 3)
    assert time.monotonic() - started < 10
    assert not any(map(is_service, children))
    assert folders_of(client.pid) == []


def test_leftovers_of_dead_clients_are_swept(make_env: MakeEnv) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    env = make_env()
    env.reset()
    (mine,) = folders_of(os.getpid())
    leftover = mine.with_name(mine.name.replace(f"-{os.getpid()}-", f"-{gone.pid}-"))
    leftover.mkdir()
    env.close()
    make_env().reset()
    assert not leftover.exists()


def test_a_service_that_cannot_start_says_why(make_env: MakeEnv) -> None:
    from dataclasses import replace

    from compiler_gym.errors import ServiceError

    from colt_llvm.env.connection import LocalConnection

    spec = make_env().spec_of_service
    broken = replace(spec, toolchain=replace(spec.toolchain, library=Path("/nonexistent/libLLVM.so")))
    with pytest.raises(ServiceError, match="cannot be loaded"):
        LocalConnection(broken)
