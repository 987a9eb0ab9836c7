"""Folders that a killed process left behind, and those that are none of ours to remove."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from colt_llvm.core import files as module
from colt_llvm.core.files import owned_folder

_MAKE = """
import sys, time
from pathlib import Path
from colt_llvm.core.files import owned_folder
folder = owned_folder(sys.argv[1], Path(sys.argv[2]))
(folder / "file").write_text("x")
print(folder, flush=True)
time.sleep(60)
"""


class Owner:
    """Another process, with a folder."""

    def __init__(self, kind: str, parent: Path) -> None:
        line = [sys.executable, "-c", _MAKE, kind, str(parent)]
        self.process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.folder = Path(self.process.stdout.readline().strip())
        assert (self.folder / "file").is_file()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def test_what_a_killed_owner_left_goes_and_what_a_living_one_has_stays(tmp_path: Path) -> None:
    killed, living, other_kind = (Owner(kind, tmp_path) for kind in ("x", "x", "y"))
    try:
        killed.kill()
        other_kind.kill()
        mine = owned_folder("x", tmp_path)
        assert sorted(tmp_path.iterdir()) == sorted((mine, living.folder, other_kind.folder))
        assert mine.stat().st_mode & 0o777 == 0o700
    finally:
        living.kill()


def test_an_id_from_another_machine_or_container_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = Owner("x", tmp_path)
    killed.kill()
    with monkeypatch.context() as patch:
        patch.setattr(module, "_here", lambda: "elsewhere")
        theirs = owned_folder("x", tmp_path)
        assert killed.folder.is_dir()
    assert f"-{os.getpid()}-" in theirs.name
    owned_folder("x", tmp_path)
    assert not killed.folder.exists()
    assert theirs.is_dir()
