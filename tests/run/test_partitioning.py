"""A module that counts as large is searched in partitions, and only the whole is believed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tune_helpers import SOURCE, trials_of, tune_here

from colt_llvm.cli.main import run
from colt_llvm.run import partitioning
from colt_llvm.search import partitions

FRAME_POINTER = "frame-pointer<*;non-leaf>"
HERE = ("--objective", "size", "--seed", "1", "--scopes", "passes,module,function,call")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(partitions, "_LARGE", 100)
    monkeypatch.setattr(partitioning, "_PARTITION_BYTES", 300)
    path = tmp_path / "parts.c"
    path.write_text(SOURCE)
    return path


def test_what_partitions_found_is_built_as_a_whole(source: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = tune_here(capfd, source, *HERE, "--trials", "3", "--workers", "2")
    trials = trials_of(Path(result["run_directory"]))
    frame = trials[0]["proposal"]["passes"]
    assert FRAME_POINTER in frame
    assert all("<*" in name for name in frame)
    joined = [trial for trial in trials if trial["proposal"].get("promised") is not None]
    assert joined
    for trial in joined:
        assert set(frame) <= {*trial["proposal"]["passes"]}
        assert trial["outcome"]["parts"]
    best = max(trial["outcome"]["reward"] for trial in joined)
    assert best > trials[0]["outcome"]["reward"]
    assert result["ratio"] == pytest.approx(math.exp(best))
    (note,) = (note for note in result["notes"] if "looks at single functions" in note)
    looks = int(note.split()[0].replace(",", ""))
    assert looks > 5 * len(trials)


def test_a_run_repeats_whoever_is_first(source: Path, capfd: pytest.CaptureFixture[str]) -> None:
    runs = [tune_here(capfd, source, *HERE, "--trials", "3", "--workers", workers) for workers in ("1", "2")]
    seen = [
        [(trial["proposal"], trial["outcome"]) for trial in trials_of(Path(result["run_directory"]))] for result in runs
    ]
    assert seen[0] == seen[1]  # as one request is under way at a time, the number of services is no matter


def test_time_is_kept_for_a_last_build_of_the_whole(source: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = tune_here(capfd, source, *HERE, "--time", "4", "--workers", "2")
    trials = trials_of(Path(result["run_directory"]))
    assert any(trial["proposal"].get("promised") is not None for trial in trials)


def test_what_cannot_be_taken_apart_is_searched_as_a_whole(source: Path, capfd: pytest.CaptureFixture[str]) -> None:
    chosen = "static int one(int x) { return x + 1; }\nstatic void *choose(void) { return one; }\n"
    chosen += 'int either(int x) __attribute__((ifunc("choose")));\nint main('
    source.write_text(SOURCE.replace("int main(", chosen).replace("return 0;\n}", "return either(-1);\n}"))
    result = tune_here(capfd, source, *HERE, "--trials", "4", "--workers", "1")
    assert result["trials"] == 4


def test_a_stopped_run_goes_on(source: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = tune_here(capfd, source, *HERE, "--trials", "3", "--workers", "1")
    folder = result["run_directory"]
    assert run(["tune", "--resume", folder, "--trials", "4", "--json"]) == 0
    capfd.readouterr()
    assert len(trials_of(Path(folder))) == 4
