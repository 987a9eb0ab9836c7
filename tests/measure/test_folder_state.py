"""Anything written below a folder shows, and nothing else does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from colt_llvm.measure.folder_state import folder_state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("top", "a/file", "a/b/file"):
        (tmp_path / name).write_text("text")
    for path in (*tmp_path.rglob("*"), tmp_path):
        os.utime(path, ns=(10**18, 10**18))  # so that what is written now is later by any clock
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    os.utime(tmp_path / "a", ns=(10**18, 10**18))
    return tmp_path


def came_and_went(folder: Path) -> None:
    (folder / "a" / "b" / "temporary").touch()
    (folder / "a" / "b" / "temporary").unlink()


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: (folder / "a" / "b" / "file").write_text("text"),
        lambda folder: (folder / "new").touch(),
        lambda folder: (folder / "a" / "file").unlink(),
        came_and_went,
    ],
)
def test_what_is_written_shows(folder: Path, write: Callable[[Path], object]) -> None:
    before = folder_state(folder)
    assert before is not None
    write(folder)
    assert folder_state(folder) != before


def test_what_is_read_does_not(folder: Path) -> None:
    before = folder_state(folder)
    assert (folder / "a" / "link" / "a" / "b" / "file").read_text() == "text"
    assert folder_state(folder) == before
    assert before is not None
    assert len(before) == 7  # three folders, three files, and the link, which is not followed


def test_more_than_it_looks_at_is_not_known(folder: Path) -> None:
    assert folder_state(folder, most=7) is not None
    assert folder_state(folder, most=6) is None


def test_a_folder_that_is_gone_has_nothing(tmp_path: Path) -> None:
    assert folder_state(tmp_path / "gone") == {}
