"""``colt-llvm search``: options, output, and how it ends."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import pytest

if importlib.util.find_spec("compiler_gym") is None:
    pytest.skip("compiler-gym is not installed", allow_module_level=True)

from colt_llvm.cli.search import command
from colt_llvm.core.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
COUNTING = ["--env", "counting-v0", "--import", str(ROOT / "tests" / "gym" / "counting_env.py")]
NUMBER = """
import gym
from gym.envs.registration import register

class Number(gym.Env):
    action_space = gym.spaces.Discrete(3)
    observation_space = gym.spaces.Box(-1e9, 1e9, (1,))
    def __init__(self, start=1): self.start = start
    def reset(self, **_): self.value = self.start; return self.value, {}
    def step(self, action):
        before, self.value = self.value, (self.value + 1, self.value * 2, self.value - 1)[action]
        return self.value, self.value - before, False, False, {}

register(id="number-v0", entry_point=lambda **given: Number(**given), order_enforce=False)
"""


def search(*arguments: str) -> None:
    command.main([*arguments], standalone_mode=False)


@pytest.fixture
def number(tmp_path: Path) -> list[str]:
    (tmp_path / "number_module.py").write_text(NUMBER)
    return ["--env", "number-v0", "--import", str(tmp_path / "number_module.py")]


def test_prints_the_best_sequence_and_its_replay(number: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    search(*number, "--trials", "20", "--max-depth", "5", "--option-json", '{"start": 3}')
    out, err = capsys.readouterr()
    assert out.startswith("number-v0: reward ")
    assert "20 trials" in out
    assert "sequence: " in out
    assert "a fresh replay gives the same reward" in out
    assert err.startswith("trial ")


def test_json_is_all_there_is_and_repeats_from_the_seed(number: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    results = []
    for _ in range(2):
        search(*number, "--trials", "20", "--seed", "5", "--passes-per-step", "1-2", "--json")
        out, err = capsys.readouterr()
        assert not err
        results.append(json.loads(out))
        assert results[-1].pop("seconds") >= 0
    assert results[0] == results[1]
    assert results[0]["seed"] == 5
    assert set(results[0]["sequence"]) <= {"0", "1", "2"}
    assert results[0]["confirmed"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--passes-per-step", "few"], "write 3, or 1-4"),
        (["--option-json", "[1]"], "write an object"),
        (["--option-json", "{"], "--option-json: "),
        (["--trials", "0"], "trials is 0"),
        (["--models", "random:x"], "parameter count"),
        (["--actions", "beauty"], "is found in none of 3 names"),
        (["--reward", "size"], "leave out --reward"),
    ],
)
def test_refuses_what_it_cannot_use(number: list[str], arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        search(*number, *arguments)


def test_needs_the_name_of_an_environment() -> None:
    with pytest.raises(click.UsageError, match="env"):
        search()


def folders(pid: int) -> list[Path]:
    return list(Path("/dev/shm").glob(f"colt-gym-*-{pid}-*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_with_the_best_so_far_and_leaves_nothing(number: Any) -> None:
    arguments = [*COUNTING, "--benchmark", "numbers-v0/40", "--time", "300", "--actions", "^(less|half|more|nothing)$"]
    client = subprocess.Popen(
        [sys.executable, "-c", "from colt_llvm.cli.search import command; command()", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True,
    )  # fmt: skip
    try:
        assert client.stderr is not None
        assert client.stderr.readline().startswith("trial ")
        assert folders(client.pid)
        os.killpg(client.pid, number)  # as a terminal does: whoever is in its group gets it
        out, _ = client.communicate(timeout=60)
    finally:
        client.kill()
    assert client.returncode == 0
    assert "counting-v0 on benchmark://numbers-v0/40: reward" in out
    assert "a fresh replay gives the same reward" in out
    assert "ended early: interrupted" in out
    end = time.monotonic() + 10
    while folders(client.pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert not folders(client.pid)
