"""While a project is searched its tree stays as the build left it; what was stopped or killed goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from colt_llvm.builds.recipes.store import load_recipes
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.run.progress import Progress
from tests.builds.project_helpers import ROOT, digests, make, options, project, tune_here

__all__ = ["project"]

pytestmark = [pytest.mark.slow, pytest.mark.needs("make")]


class Watch:
    """A view that looks at the tree at each trial, and stops the run at one of them.

    titles: of the searches. trees: of the whole folder but for colt-runs.
    """

    def __init__(self, folder: Path, stop_at: tuple[int, int] | None = None) -> None:
        self.folder, self.stop_at = folder, stop_at
        self.stop = threading.Event()
        self.titles: list[str] = []
        self.trees: list[dict[str, str]] = []

    @contextlib.contextmanager
    def __call__(self, title: str) -> Iterator[Callable[[Progress], None]]:
        self.titles.append(title.split(" ")[0])
        yield self.note

    def note(self, progress: Progress) -> None:
        self.trees.append(digests(self.folder))
        if self.stop_at == (len(self.titles), progress.trials):
            self.stop.set()


def test_leaves_the_tree_alone_and_goes_on_where_it_was_stopped(project: Path) -> None:
    first = Watch(project, stop_at=(2, 3))
    stopped = tune_here(project, stop=first.stop, view=first)
    assert len(first.trees) > 30
    assert set(first.trees[0]) == {"Makefile", "parts.h", "main.c", "fold.c", "main.o", "fold.o", "prog"}
    assert all(tree == first.trees[0] for tree in first.trees)

    assert stopped.interrupted
    assert stopped.verdict == "improved", "what was found until then is proved and written"
    assert {unit.source: unit.outcome for unit in stopped.units}["main.c"] == "improved"
    (recipe,) = load_recipes(project / ".colt" / "main.c.json")
    assert loaded_digest((project / "main.o").read_bytes()) == recipe.object

    make(project, "clean")
    second = Watch(project)
    done = tune_here(project, view=second)
    assert not done.interrupted
    assert second.titles == ["fold.c"], "what was finished is not searched again"
    assert {unit.source for unit in done.units} == {"main.c", "fold.c"}
    trials = (project / "colt-runs" / "run" / "units").glob("fold-*/trials.jsonl")
    assert [len(file.read_text().splitlines()) for file in trials] == [30]
    assert sorted(path.name for path in (project / ".colt").iterdir()) == ["fold.c.json", "main.c.json"]
    make(project, "clean")
    assert make(project, "prog").stderr == ""


def test_leaves_nothing_behind_where_it_is_killed(project: Path, tmp_path: Path) -> None:
    make(project, "prog")
    program = (project / "prog").read_bytes()
    make(project, "clean")
    words = ["tune", "--build", "make prog", "--run", "./prog 300", "--objective", "size", "--time", "300"]
    said = tmp_path / "said"
    with said.open("wb") as stream:
        child = subprocess.Popen(
            [sys.executable, "-m", "colt_llvm.cli.main", *words, "--run-dir", "colt-runs/killed"], cwd=project,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=stream, stderr=stream, start_new_session=True,
        )  # fmt: skip
    try:
        while not any(file.stat().st_size for file in project.glob("colt-runs/killed/units/*/trials.jsonl")):
            assert child.poll() is None, said.read_text()
            time.sleep(0.05)
        during = digests(project)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    assert digests(project) == during
    assert set(during) == {"Makefile", "parts.h", "main.c", "fold.c", "main.o", "fold.o", "prog"}
    assert make(project, "prog").stdout == "make: 'prog' is up to date.\n"
    assert (project / "prog").read_bytes() == program


def test_does_not_search_at_all_where_it_is_stopped_before(project: Path) -> None:
    watch = Watch(project)
    watch.stop.set()
    result = tune_here(project, options(project, jobs=2), stop=watch.stop, view=watch)
    assert (result.verdict, result.units, watch.titles) == ("no improvement found", (), [])


def test_searches_several_files_at_once_for_size(project: Path) -> None:
    result = tune_here(project, options(project, jobs=2))
    assert {unit.source: unit.outcome for unit in result.units} == {"main.c": "improved", "fold.c": "improved"}
    assert result.improved
