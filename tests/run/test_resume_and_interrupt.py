"""A run that is killed goes on; one that is interrupted ends well; nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tune_helpers import SOURCE, spawn, trials_of, tune_here

from colt_llvm.cli.main import run
from colt_llvm.core.process import run as run_process

WAIT_SECONDS = 60.0


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "parts.c"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Runs of the command, ended at the latest with the test."""
    children: list[subprocess.Popen[str]] = []

    def start(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.Popen[str]:
        children.append(spawn(*arguments, cwd=cwd, **environment))
        return children[-1]

    yield start
    for child in children:
        if child.poll() is None:
            child.kill()
        child.communicate()


def lines_in(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def wait_for(condition: Callable[[], bool], child: subprocess.Popen[str] | None = None) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, "never came about"
        assert child is None or child.poll() is None, child.communicate() if child else ""
        time.sleep(0.01)


def children_of(pid: int) -> set[int]:
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found |= set(map(int, (task / "children").read_text().split()))
    return found


def runs(pid: int) -> bool:
    """Whether it is there, and no zombie that waits for whoever adopted it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def shared_folders(pid: int) -> list[Path]:
    return list(Path("/dev/shm").glob(f"colt-env-*-{pid}-*"))


def temporary_folders(pid: int) -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"colt-*-{pid}-*"))


def test_a_killed_run_goes_on_as_if_nothing_had_been(
    source: Path, tmp_path: Path, started: Callable[..., subprocess.Popen[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = [source, "--objective", "instructions", "--seed", "1", "--workers", "1"]
    child = started("tune", *arguments, "--trials", "100000", "--run-dir", "killed", "-o", "tuned", cwd=tmp_path)
    journal = tmp_path / "killed" / "trials.jsonl"
    wait_for(lambda: lines_in(journal) >= 110, child)
    services = children_of(child.pid)
    assert services
    assert shared_folders(child.pid)
    assert temporary_folders(child.pid)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    wait_for(lambda: not any(map(runs, services)))
    wait_for(lambda: not shared_folders(child.pid))

    before = journal.read_bytes()
    known = before[: before.rfind(b"\n") + 1].count(b"\n")
    assert known >= 110
    journal.write_bytes(before[: before.rfind(b"\n") + 1] + b'{"request":{"id":')  # killed while it wrote
    kept = [json.loads(line) for line in before.splitlines()[:known]]
    wanted = str(known + 30)

    resumed = tune_here(capfd, "--resume", tmp_path / "killed", "--trials", wanted)
    assert not temporary_folders(child.pid)
    assert resumed["trials"] == known + 30
    assert resumed["output"] == str(tmp_path / "tuned"), "as the run was asked for"
    assert run_process([tmp_path / "tuned"]).status == 0
    trials = [json.loads(line) for line in journal.read_bytes().splitlines()]
    assert trials[:known] == kept, "nothing is lost, nothing is changed"
    ids = [trial["request"]["id"] for trial in trials]
    assert len(ids) == len(set(ids)), "nothing is done twice"
    assert [trial["seconds"] for trial in trials] == sorted(trial["seconds"] for trial in trials), "the clock goes on"

    whole = tune_here(capfd, *arguments, "--trials", wanted, "--run-dir", tmp_path / "whole")
    assert trials_of(tmp_path / "killed") == trials_of(tmp_path / "whole")
    for name in ("verdict", "ratio", "sequence", "pipeline", "figures", "found_at_trial", "distinct", "front"):
        assert resumed[name] == whole[name], name


def test_a_finished_run_can_be_given_more_trials(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    arguments = ["--objective", "instructions", "--workers", "1", "--seed", "5"]
    first = tune_here(capfd, source, *arguments, "--trials", "8", "--run-dir", folder)
    assert run(["tune", "--resume", str(folder)]) == 0
    out, err = capfd.readouterr()
    assert "8 trials, " in out, "there is nothing left to do"
    assert ": 8 trials, best " in err
    assert ": 0 trials" not in err
    more = tune_here(capfd, "--resume", folder, "--trials", "12")
    assert (first["trials"], more["trials"]) == (8, 12)
    tune_here(capfd, source, *arguments, "--trials", "12", "--run-dir", tmp_path / "whole")
    assert trials_of(folder) == trials_of(tmp_path / "whole")

    # But not when it would be another program.
    assert run(["tune", "--resume", str(folder), str(source)]) == 2
    assert "leave out sources" in capfd.readouterr().err
    source.write_text(SOURCE + "\n")
    assert run(["tune", "--resume", str(folder), "--trials", "20"]) == 2
    err = capfd.readouterr().err
    assert "parts.c: has changed since the run began; start a new run" in err
    assert len(trials_of(folder)) == 12


def test_an_interrupted_run_ends_with_the_best_so_far(
    source: Path, tmp_path: Path, started: Callable[..., subprocess.Popen[str]]
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    child = started(
        "tune", source, "--objective", "size", "--worth", "0", "--run-dir", "run", "-o", "tuned", cwd=tmp_path,
        TMPDIR=str(temporary),
    )  # fmt: skip
    wait_for(lambda: lines_in(tmp_path / "run" / "trials.jsonl") >= 10, child)
    services = children_of(child.pid)
    assert services
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=WAIT_SECONDS)
    assert child.returncode == 0, err
    assert "Traceback" not in err
    assert "interrupted; go on with: colt-llvm tune --resume run" in out
    result: dict[str, Any] = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["interrupted"]
    assert result["trials"] == lines_in(tmp_path / "run" / "trials.jsonl") >= 10
    assert run_process([tmp_path / "tuned"]).status == 0
    assert not any(map(runs, services))
    assert not shared_folders(child.pid)
    assert os.listdir(temporary) == []


def test_a_second_interrupt_ends_it_at_once(
    source: Path, tmp_path: Path, started: Callable[..., subprocess.Popen[str]]
) -> None:
    (tmp_path / "slow.c").write_text("#include <unistd.h>\nint main(void) { sleep(30); return 0; }\n")
    child = started("tune", "slow.c", "--objective", "size", "--run-dir", "run", cwd=tmp_path)
    wait_for(lambda: any(b"baseline" in command(pid) for pid in children_of(child.pid)), child)
    program = children_of(child.pid)
    for _ in range(2):
        child.send_signal(signal.SIGINT)
        time.sleep(0.1)
    out, err = child.communicate(timeout=WAIT_SECONDS)
    assert child.returncode == 130
    assert err.splitlines()[-1] == "colt-llvm: interrupted"
    assert "Traceback" not in out + err
    wait_for(lambda: not any(map(runs, program)))


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
