"""One ``tune --build`` at a time in a tree."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from colt_llvm.builds.project.tune_project import alone_in
from colt_llvm.core.errors import UsageError
from tests.builds.project_helpers import FILES, ROOT, console_script, write

_HOLD = "import sys, time; from colt_llvm.builds.project.tune_project import alone_in\n" \
    "with alone_in(sys.argv[1]): print('held', flush=True); time.sleep(600)"  # fmt: skip


@contextmanager
def held_by_another(folder: Path) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen([sys.executable, "-c", _HOLD, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize(("held", "wanted"), [(".", "."), ("sub", "."), (".", "sub/deeper"), ("link", "sub")])
def test_refuses_in_one_line_a_tree_that_another_holds(tmp_path: Path, held: str, wanted: str) -> None:
    (tmp_path / "sub/deeper").mkdir(parents=True)
    (tmp_path / "link").symlink_to("sub")
    with held_by_another(tmp_path / held), pytest.raises(UsageError, match="another tune --build is at work") as error:
        with alone_in(tmp_path / wanted):
            pass
    assert "\n" not in str(error.value)
    assert error.value.exit_status == 2


def test_lets_trees_side_by_side_be_tuned_at_once(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with held_by_another(tmp_path / "one"), alone_in(tmp_path / "two"):
        pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_is_free_again_when_the_holder_is_killed_and_leaves_no_file(tmp_path: Path, number: signal.Signals) -> None:
    with held_by_another(tmp_path) as child:
        child.send_signal(number)
        child.wait()
        with alone_in(tmp_path):
            assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "above/tree").mkdir(parents=True)
    os.chmod(tmp_path / "above", 0o111)
    try:
        with alone_in(tmp_path / "above/tree"):
            pass
    finally:
        os.chmod(tmp_path / "above", 0o755)


def test_the_command_refuses_before_anything_is_built(tmp_path: Path) -> None:
    folder = write(tmp_path / "project", FILES)
    with held_by_another(folder):
        done = subprocess.run(
            [console_script("colt-llvm"), "tune", "--build", "make prog", "--run", "./prog", "--objective", "size"],
            cwd=folder, capture_output=True, text=True,
        )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "another tune --build is at work" in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


def test_runs_in_the_folder_do_not_wait_for_it(tmp_path: Path) -> None:
    """They wait for each other by flock on the same folder."""
    with alone_in(tmp_path):
        descriptor = os.open(tmp_path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
        with pytest.raises(UsageError), alone_in(tmp_path):
            pass


def test_of_two_that_begin_at_once_one_goes_on(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _HOLD.replace("600", "5"), tmp_path]
    both = [subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert sorted(child.wait() for child in both) == [0, 1]
