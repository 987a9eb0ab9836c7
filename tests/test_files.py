"""A file is written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from colt_llvm.core.files import replacing, write_file


def test_writes_text_and_bytes_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_file(path, "olé")
    assert path.read_bytes() == "olé".encode()
    write_file(path, b"\xff", sync=True)
    assert path.read_bytes() == b"\xff"
    assert list(tmp_path.iterdir()) == [path]


def test_the_mode_is_that_of_a_new_file_unless_it_is_named(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "new", "")
        write_file(tmp_path / "own", "", mode=0o600)
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "own")] == [0o640, 0o600]


def test_the_old_file_stays_where_the_new_one_cannot_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = tmp_path / "a"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        write_file(path, "new", sync=True)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_as_long_as_names_may_be_can_be_written(tmp_path: Path) -> None:
    write_file(tmp_path / ("n" * 255), "x")


def test_what_a_killed_process_left_is_overwritten_where_its_place_is_named(tmp_path: Path) -> None:
    path, left = tmp_path / "a", tmp_path / "a.tmp"
    left.write_text("longer than what comes")
    with replacing(path, temporary=left) as temporary:
        assert temporary.read_bytes() == b""
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert not left.exists()
