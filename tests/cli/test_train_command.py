"""``colt-llvm train``: what it takes, and what it refuses before anything is built."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))

from learning_helpers import a_run, a_trial

from colt_llvm.cli.main import run

pytestmark = pytest.mark.needs("LLVM 22")

TRIALS = [a_trial(1, "licm", 0.02)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    a_run(tmp_path / "good", TRIALS)
    a_run(tmp_path / "timed", TRIALS, objective="runtime")
    a_run(tmp_path / "empty", [])
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "--from"),
        (["--from", "gone"], 6, "no such folder"),
        (["--from", "good", "gone"], 6, "gone: no such folder"),
        (["--from", "good", "--from", "gone"], 6, "gone: no such folder"),
        (["--from", "good", "timed"], 2, "timed: its objective is runtime"),
        (["--from", "empty"], 2, "holds no trial"),
        (["--from", "good", "-o", "mine.json"], 2, "ends in .npz"),
        (["--from", "good", "-o", "embedded.npz"], 2, "another name"),
        (["--from", "good", "-o", "gone/mine.npz"], 6, "No such file"),
        (["--from", "good", "-o", "folder.npz"], 6, "is a folder"),
        (["--from", "good", "--start", "gone.npz"], 6, "no such file"),
        (["--from", "good", "--start", "torn.npz"], 6, "cannot be read"),
        (["--from", "good", "--validate", "collatz", "no-such-program"], 2, "no-such-program"),
        (["--from", "good", "--trials", "0"], 2, "1 or more"),
        (["--from", "good", "--seeds", "0"], 2, "1 or more"),
        (["--from", "good", "--llvm-prefix", "gone"], 3, "gone"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_touches_no_file(
    here: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], status: int, said: str
) -> None:
    (here / "folder.npz").mkdir()
    (here / "torn.npz").write_bytes(b"PK")
    (here / "mine.npz").write_text("old")
    before = sorted(here.iterdir())
    assert run(["train", *arguments]) == status
    out, err = capfd.readouterr()
    assert said in err
    assert len(err.splitlines()) == 1
    assert not out
    assert (here / "mine.npz").read_text() == "old"
    assert sorted(here.iterdir()) == before


def test_sources_that_are_gone_leave_nothing_to_compare_on(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "tiny.c").unlink()
    assert run(["train", "--from", "good"]) == 2
    assert "--validate PROGRAM" in capfd.readouterr().err
    assert not (here / "mine.npz").exists()


def test_the_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--help"]) == 0
    assert "worse" in capsys.readouterr().out
