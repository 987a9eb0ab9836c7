"""Whatever a run leaves in its folders shows, and nothing else does."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from colt_llvm.measure.folder_state import Watch, named_outside


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("top", "a/file", "a/b/file"):
        (tmp_path / name).write_text("text")
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    return tmp_path


def came_and_went(folder: Path) -> None:
    (folder / "a" / "b" / "temporary").touch()
    (folder / "a" / "b" / "temporary").unlink()


@pytest.mark.parametrize(
    ("write", "seen"),
    [
        (lambda folder: (folder / "a" / "b" / "file").write_text("text"), {"a/b/file": "file"}),
        (lambda folder: (folder / "new").touch(), {"new": "file"}),
        (lambda folder: (folder / "a" / "file").unlink(), {"a/file": "removed"}),
        (lambda folder: (folder / "top").rename(folder / "a" / "moved"), {"top": "removed", "a/moved": "file"}),
        (lambda folder: (folder / "top").chmod(0o755), {"top": "file"}),
        (lambda folder: (folder / "to").symlink_to("top"), {"to": "link"}),
        (lambda folder: (folder / "deep" / "er").mkdir(parents=True), {"deep": "folder", "deep/er": "folder"}),
        (lambda folder: os.mkfifo(folder / "pipe"), {"pipe": "other"}),
        (came_and_went, {}),
    ],
)
def test_what_is_written_shows(folder: Path, write: Callable[[Path], object], seen: dict[str, str]) -> None:
    watch = Watch(folder, [folder])
    write(folder)
    changes = watch.changes()
    assert {name: file.kind for name, file in changes.files.items()} == seen
    assert changes.touched


def test_content_permissions_and_targets_are_kept(folder: Path) -> None:
    watch = Watch(folder, [folder])
    (folder / "top").write_text("other")
    (folder / "top").chmod(0o750)
    (folder / "to").symlink_to("top")
    files = watch.changes().files
    assert (files["top"].content, files["top"].mode) == (b"other", 0o750)
    assert files["to"].digest == "top"


def test_what_is_read_does_not_show(folder: Path) -> None:
    watch = Watch(folder, [folder])
    assert (folder / "a" / "link" / "a" / "b" / "file").read_text() == "text"
    changes = watch.changes()
    assert not changes.files
    assert not changes.touched


def test_a_rewrite_within_one_tick_of_the_kernel_shows(folder: Path) -> None:
    for _ in range(5):
        watch = Watch(folder, [folder])
        (folder / "top").write_text("same")
        assert list(watch.changes().files) == ["top"]


def test_our_own_runs_and_recipes_are_no_work_of_the_program(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    for name in ("run.json", "trials.jsonl"):
        (folder / "elsewhere" / name).write_text("{}")
    watch = Watch(folder, [folder])
    (folder / "colt-runs" / "prog-1").mkdir(parents=True)
    (folder / "colt-runs" / "prog-1" / "trials.jsonl").write_text(json.dumps({}))
    (folder / "elsewhere" / "trials.jsonl").write_text("{}\n{}\n")
    assert not watch.changes().files


def test_more_than_it_looks_at_is_said_and_counts_as_written(folder: Path) -> None:
    for number in range(20):
        (folder / f"file-{number}").touch()
    watch = Watch(folder, [folder], most=10)
    (folder / "file-3").write_text("changed")
    (folder / "a" / "b" / "file").write_text("not looked at")
    changes = watch.changes()
    assert list(changes.files) == ["file-3"]
    assert changes.touched
    assert "beyond the first 10 files" in changes.not_compared[0]


def test_many_and_large_files_are_held_by_name_and_size(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colt_llvm.measure.folder_state.MOST_FILES", 2)
    watch = Watch(folder, [folder])
    for number in range(4):
        (folder / f"file-{number}").write_text("x" * number)
    changes = watch.changes()
    assert [bool(file.digest) for file in changes.files.values()] == [True, True, False, False]
    assert [file.size for file in changes.files.values()] == [0, 1, 2, 3]
    assert "the content of 2 files" in changes.not_compared[0]


def test_a_folder_that_is_gone_has_nothing(tmp_path: Path) -> None:
    assert not Watch(tmp_path / "gone", [tmp_path / "gone"]).changes().files


@pytest.mark.parametrize(
    ("word", "outside"),
    [
        ("{there}/out", True), ("--log={there}/out", True), ("-o{there}/out", True), ("../there/out", True),
        ("{there}", True), ("out", False), ("{here}/out", False), ("/dev/null", False), ("..", False), ("/", False),
        ("{exe}", False), ("a/b", False),
    ],
)  # fmt: skip
def test_what_a_command_names_outside_of_its_folder(tmp_path: Path, word: str, outside: bool) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    word = word.replace("{there}", str(there)).replace("{here}", str(here))
    found = named_outside([word], here)
    assert bool(found) == outside
    if outside:
        watch = Watch(here, [here, *found])
        (there / "out").write_text("x")
        assert str(there / "out") in watch.changes().files
