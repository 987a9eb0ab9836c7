"""A run directory outlives its process, and says in one line when it cannot be written."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colt_llvm.core.errors import RunDirectoryError
from colt_llvm.core.files import write_json
from colt_llvm.run.journal import Journal, locked_directory, read_header, read_trials

ROOT = Path(__file__).resolve().parents[1]
TRIALS = [{"id": number, "name": "sroa,licm<x>", "value": 0.1 * number} for number in range(5)]


def run_of(folder: Path, trials: list[dict[str, Any]]) -> Path:
    journal = Journal.create(folder, {"seed": 7})
    for trial in trials:
        journal.append(trial)
    journal.close()
    return folder


def refusal(caught: pytest.ExceptionInfo[RunDirectoryError]) -> str:
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 6
    return str(caught.value)


# --- write and go on


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "deep" / "run", TRIALS)
    assert read_header(folder) == {"version": 1, "seed": 7}
    assert read_trials(folder) == TRIALS
    journal, trials = Journal.open(folder)
    assert trials == TRIALS
    assert journal.header["seed"] == 7
    journal.append({"id": 5})
    journal.close()
    journal.close()
    assert read_trials(folder) == [*TRIALS, {"id": 5}]


def test_an_empty_folder_may_be_there_already(tmp_path: Path) -> None:
    assert read_trials(run_of(tmp_path, [])) == []


def test_a_trial_is_in_the_file_before_append_returns(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, {})
    for number in range(3):
        journal.append({"id": number})
        assert len(read_trials(tmp_path)) == number + 1
    journal.close()


def test_reaches_the_disk_about_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, synced = [0.0], []
    Journal.create(tmp_path, {}).close()
    journal = Journal(tmp_path, {}, clock=lambda: now[0])
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(now[0]))
    for tenth in range(35):
        now[0] = tenth / 10
        journal.append({"id": tenth})
    journal.close()
    assert synced == [1.0, 2.0, 3.0]


def test_results_and_folders_are_inside(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, {})
    journal.write_result({"verdict": "improved"})
    assert journal.folder("miscompiles", "000003").is_dir()
    assert journal.folder("miscompiles", "000003") == tmp_path / "miscompiles" / "000003"
    journal.close()
    assert json.loads((tmp_path / "result.json").read_text()) == {"verdict": "improved"}
    assert not list(tmp_path.glob("*.tmp"))


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.dictionaries(st.text(max_size=5), st.text() | numbers, max_size=3)


@given(st.lists(values, min_size=1, max_size=4), st.data())
def test_a_run_that_was_cut_anywhere_loses_at_most_its_last_trial(
    trials: list[dict[str, Any]], data: st.DataObject
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="colt-test-"))
    try:
        file = run_of(folder, trials) / "trials.jsonl"
        whole = file.read_bytes()
        cut = data.draw(st.integers(0, len(whole)))
        file.write_bytes(whole[:cut])
        kept = whole[:cut].count(b"\n")
        assert read_trials(folder) == trials[:kept]
        assert file.read_bytes() == whole[:cut], "who only reads changes nothing"
        journal, found = Journal.open(folder)
        assert found == trials[:kept]
        for trial in trials[kept:]:
            journal.append(trial)
        journal.close()
        assert file.read_bytes() == whole
    finally:
        shutil.rmtree(folder)


def test_a_killed_writer_loses_nothing_that_it_was_told_is_written(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from colt_llvm.run.journal import Journal
journal = Journal.create(Path(sys.argv[1]), {})
for number in range(10**9):
    journal.append({"id": number})
    print(number, flush=True)
"""
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert writer.stdout is not None
    for _ in range(50):
        told = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    told = max([told, *map(int, writer.stdout.read().split("\n")[:-1])])
    writer.wait()
    journal, trials = Journal.open(tmp_path / "run")
    journal.close()
    assert [trial["id"] for trial in trials] == list(range(len(trials)))
    assert len(trials) > told


# --- refusals


def test_refuses_to_begin_where_a_run_is(tmp_path: Path) -> None:
    run_of(tmp_path, TRIALS)
    with pytest.raises(RunDirectoryError, match="holds a run already; go on with --resume"):
        Journal.create(tmp_path, {})
    assert read_trials(tmp_path) == TRIALS


def test_refuses_to_go_on_where_no_run_is(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RunDirectoryError, match=r"holds no run \(no run\.json\); name the folder that tune made"):
            Journal.open(folder)
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 99}', "\xff\xfe", "null"])
def test_refuses_a_header_that_it_did_not_write(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunDirectoryError, match="start a new run") as caught:
        Journal.open(tmp_path)
    refusal(caught)


@pytest.mark.parametrize("line", [b"{broken\n", b"\0\0\0\0\n", b"\xff\n", b"\n"])
def test_refuses_a_damaged_line_in_the_middle(tmp_path: Path, line: bytes) -> None:
    file = run_of(tmp_path, TRIALS) / "trials.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:2], line, *lines[3:]]))
    before = file.read_bytes()
    with pytest.raises(RunDirectoryError, match="line 3: is not a trial; restore the file, or start a new run"):
        Journal.open(tmp_path)
    assert file.read_bytes() == before
    file.write_bytes(b"".join(lines))
    journal, trials = Journal.open(tmp_path)  # the refusal let go of the lock
    journal.close()
    assert trials == TRIALS


def test_one_process_at_a_time_writes(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, {})
    with pytest.raises(RunDirectoryError, match="another process is at work on this run; let it end first") as caught:
        Journal.open(tmp_path)
    refusal(caught)
    code = "import pathlib, sys; from colt_llvm.run.journal import Journal; Journal.open(pathlib.Path(sys.argv[1]))"
    other = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=ROOT)
    assert "another process is at work" in other.stderr
    journal.append({"id": 0})
    journal.close()
    Journal.open(tmp_path)[0].close()


def test_a_value_that_json_does_not_know_is_refused_at_once(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, {})
    with pytest.raises(ValueError):
        journal.append({"value": float("nan")})
    journal.append({"value": 1})
    journal.close()
    assert read_trials(tmp_path) == [{"value": 1}]


# --- no room, no permission

FULL = "No space left on device; free some space"


def test_a_full_disk_while_a_trial_is_written(tmp_path: Path) -> None:
    (tmp_path / "trials.jsonl").symlink_to("/dev/full")
    journal = Journal.create(tmp_path, {})
    with pytest.raises(RunDirectoryError, match=FULL) as caught:
        journal.append({"id": 0})
    refusal(caught)
    with pytest.raises(RunDirectoryError, match=FULL):
        journal.close()
    journal.close()
    (tmp_path / "trials.jsonl").unlink()
    Journal.open(tmp_path)[0].close()  # and the lock is free


def test_a_full_disk_while_the_result_is_written(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, {})
    journal.write_result({"verdict": "old"})
    (tmp_path / "result.json.tmp").symlink_to("/dev/full")
    with pytest.raises(RunDirectoryError, match=FULL) as caught:
        journal.write_result({"verdict": "new"})
    refusal(caught)
    journal.close()
    assert json.loads((tmp_path / "result.json").read_text()) == {"verdict": "old"}


def test_a_full_disk_while_a_run_begins(tmp_path: Path) -> None:
    (tmp_path / "run.json.tmp").symlink_to("/dev/full")
    with pytest.raises(RunDirectoryError, match=FULL):
        Journal.create(tmp_path, {"seed": 1})
    assert not (tmp_path / "run.json").exists()


def test_a_disk_that_fails_when_it_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunDirectoryError, match="Input/output error; free some space, or choose a folder"):
        write_json(tmp_path / "x.json", {})
    assert not (tmp_path / "x.json").exists()


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder with a run in it that nobody but root can write, in a place that everybody can reach."""
    folder = Path(tempfile.mkdtemp(prefix="colt-test-"))
    folder.chmod(0o755)
    run_of(folder / "run", TRIALS)
    for path in (*(folder / "run").iterdir(), folder / "run", folder):
        path.chmod(0o555)
    yield folder
    for path in (folder, folder / "run"):
        path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("call", ["Journal.create(folder / 'new', {})", "Journal.open(folder / 'run')"])
def test_a_folder_that_cannot_be_written(read_only: Path, call: str) -> None:
    code = f"""
import os, sys
from pathlib import Path
from colt_llvm.run.journal import Journal
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anywhere
folder = Path(sys.argv[1])
{call}
"""
    child = subprocess.run([sys.executable, "-c", code, str(read_only)], capture_output=True, text=True, cwd=ROOT)
    assert child.returncode == 1
    last = child.stderr.splitlines()[-1]
    assert "RunDirectoryError" in last
    assert "Permission denied; free some space, or choose a folder that can be written" in last


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(RunDirectoryError, match="choose a folder that can be written"):
        Journal.create(tmp_path / "run", {})


# --- which folder


def test_runs_that_begin_at_once_get_a_folder_each(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from colt_llvm.run.journal import Journal, locked_directory
while not Path("go").exists(): time.sleep(0.0005)
for _ in range(20):
    with locked_directory(None, "prog") as folder:
        journal = Journal.create(folder, {})
        print(folder.name)
        journal.close()
"""
    path = {**os.environ, "PYTHONPATH": str(ROOT)}
    children = [
        subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=path, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    (tmp_path / "go").touch()
    names = [name for child in children for name in child.communicate(timeout=120)[0].split()]
    assert sorted(names) == sorted(f"prog-{number + 1}" for number in range(60))


def test_a_folder_into_which_nothing_came_goes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with locked_directory(None, "prog") as folder:
        assert folder.is_dir()
    assert not Path("colt-runs").exists()
    Path("colt-runs").mkdir()
    with locked_directory(None, "prog") as first, locked_directory(None, "prog") as second:
        assert (first.name, second.name) == ("prog-1", "prog-2")
        (second / "file").touch()
    assert os.listdir("colt-runs") == ["prog-2"]
    with locked_directory(Path("chosen"), "prog") as chosen:
        assert str(chosen) == "chosen"
    assert not Path("chosen").exists()


def test_of_two_that_begin_in_one_chosen_folder_the_first_keeps_it(tmp_path: Path) -> None:
    first = Journal.create(tmp_path, {"seed": 1})
    with pytest.raises(RunDirectoryError):
        Journal.create(tmp_path, {"seed": 2})
    first.close()
    with pytest.raises(RunDirectoryError, match="holds a run already"):
        Journal.create(tmp_path, {"seed": 3})
    assert read_header(tmp_path)["seed"] == 1


def test_a_place_where_no_run_can_be_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("colt-runs").touch()
    with pytest.raises(RunDirectoryError) as caught, locked_directory(None, "prog"):
        pass
    assert "colt-runs" in refusal(caught)


def test_a_number_without_an_end_is_written_as_null(tmp_path: Path) -> None:
    write_json(tmp_path / "result.json", {"interval": (1.0, float("inf")), "noise": {"ratio": float("nan")}})
    assert json.loads((tmp_path / "result.json").read_text()) == {"interval": [1.0, None], "noise": {"ratio": None}}
