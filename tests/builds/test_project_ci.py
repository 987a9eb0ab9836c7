"""A project that has recipes already: what is searched again, what stays, what goes."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from colt_llvm.builds.project.options import ProjectOptions
from colt_llvm.builds.project.search import Searcher
from colt_llvm.builds.project.units import Measured
from colt_llvm.builds.recipes.store import load_recipes
from colt_llvm.cli.main import run
from colt_llvm.core.errors import UsageError
from colt_llvm.run.progress import TuneResult
from tests.builds.project_helpers import BOTH, FILES, SMALLER, found, make, options, searches_find, tune_here, write

pytestmark = pytest.mark.needs("make")

#: A little larger than SMALLER's object, and smaller than clang's.
LARGER = "function(sroa,reg2mem)"
RUN = ("tune", "--build", "make prog", "--run", "./prog 300", "--objective", "size")


@pytest.fixture(scope="module")
def tuned_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write(tmp_path_factory.mktemp("tuned") / "project", FILES)
    with pytest.MonkeyPatch.context() as monkeypatch:
        searches_find(monkeypatch, BOTH)
        assert tune_here(folder, run_directory=folder.parent / "run").improved
    return folder


@pytest.fixture
def tuned(tuned_once: Path, tmp_path: Path) -> Path:
    """A project with two recipes that fit, clean."""
    folder = shutil.copytree(tuned_once, tmp_path / "project")
    make(folder, "clean")
    return folder


def edit(folder: Path, name: str = "fold.c", before: str = ">> 7", after: str = ">> 9") -> None:
    text = (folder / name).read_text()
    assert before in text
    (folder / name).write_text(text.replace(before, after))


def ci(folder: Path, **changes: Any) -> ProjectOptions:
    return options(folder, stale_only=True, **changes)


def command(monkeypatch: pytest.MonkeyPatch, folder: Path, *more: str) -> int:
    monkeypatch.chdir(folder)
    return run([*RUN, "--ci", *more])


def test_has_nothing_to_do_where_nothing_is_stale(
    tuned: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    searched = searches_find(monkeypatch, BOTH)
    assert command(monkeypatch, tuned) == 0
    assert capfd.readouterr().out == "prog: nothing to do\n"
    assert command(monkeypatch, tuned) == 0, "where all is built, too"
    assert capfd.readouterr().out == "project: nothing to do\n"
    assert searched == []


def test_searches_only_what_is_stale(tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(tuned)
    searched = searches_find(monkeypatch, BOTH)
    result = tune_here(tuned, ci(tuned))
    assert searched == ["fold.o"]
    assert (result.verdict, result.recipes, result.stale) == ("improved", (".colt/fold.c.json",), ())
    make(tuned, "clean")
    assert make(tuned, "prog").stderr == ""


def test_does_not_search_a_stale_file_that_is_not_wanted(tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(tuned)
    searched = searches_find(monkeypatch, BOTH)
    assert tune_here(tuned, ci(tuned, only=("main.c",))).verdict == "nothing to do"
    assert searched == []


def test_ends_with_a_status_of_its_own_where_the_time_reaches_not_all(
    tuned: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    edit(tuned)
    edit(tuned, "main.c", ">> 16", ">> 15")
    searched = searches_find(monkeypatch, BOTH)
    assert command(monkeypatch, tuned, "--time", "1") == 8
    assert searched == ["main.o"]
    out = capfd.readouterr().out
    assert "stale: fold.c\n" in out
    assert "recipe: .colt/main.c.json\n" in out


def test_removes_a_stale_recipe_for_which_nothing_is_found_any_more(
    tuned: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    edit(tuned)
    searches_find(monkeypatch, {})
    assert command(monkeypatch, tuned) == 0
    assert "note: fold.c: its recipe was removed (fold.c has changed since it was tuned" in capfd.readouterr().out
    assert [path.name for path in (tuned / ".colt").iterdir()] == ["main.c.json"]


def test_keeps_a_stale_recipe_whose_search_was_stopped(tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(tuned)
    stop = threading.Event()

    def stopped(self: Searcher, unit: Measured, seconds: float) -> TuneResult:
        stop.set()
        return found("", interrupted=True)

    monkeypatch.setattr(Searcher, "_tune", stopped)
    result = tune_here(tuned, ci(tuned), stop=stop)
    assert result.stale == ("fold.c",)
    assert (tuned / ".colt" / "fold.c.json").exists()


def test_tells_of_a_stale_recipe_that_the_build_did_not_come_to(tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(tuned)
    make(tuned, "prog")
    (tuned / "main.c").touch()
    searches_find(monkeypatch, BOTH)
    result = tune_here(tuned, ci(tuned))
    assert result.verdict == "nothing to do"
    assert any("fold.c: its recipe is stale" in note and "clean first" in note for note in result.notes)
    with pytest.raises(UsageError, match="clean first"):
        tune_here(tuned, ci(tuned), run_directory=tuned / "colt-runs" / "second")


def test_searches_again_where_flags_are_others(tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    makefile = tuned / "Makefile"
    makefile.write_text(makefile.read_text().replace("CFLAGS = -Oz", "CFLAGS = -Oz -DMORE"))
    searched = searches_find(monkeypatch, {"fold.o": SMALLER})
    result = tune_here(tuned, ci(tuned))
    assert sorted(searched) == ["fold.o", "main.o"]
    assert result.recipes == (".colt/fold.c.json",)
    assert any(note.startswith("main.c: its recipe was removed (flags differ (with -DMORE)") for note in result.notes)


def test_keeps_a_recipe_that_fits_where_nothing_better_is_found(tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in (tuned / ".colt").iterdir()}
    searches_find(monkeypatch, {"fold.o": LARGER})
    result = tune_here(tuned)
    assert result.verdict == "no improvement found"
    assert {unit.source: unit.outcome for unit in result.units} == {"main.c": "kept", "fold.c": "kept"}
    assert {path.name: path.read_bytes() for path in (tuned / ".colt").iterdir()} == before
    assert make(tuned, "prog").stdout == "make: 'prog' is up to date.\n"


def test_replaces_a_recipe_by_a_better_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "project", FILES)
    for number, pipeline in enumerate((LARGER, SMALLER)):
        searches_find(monkeypatch, {"fold.o": pipeline})
        assert tune_here(folder, run_directory=tmp_path / f"run-{number}").improved
        (recipe,) = load_recipes(folder / ".colt" / "fold.c.json")
        assert recipe.pipeline == pipeline
        make(folder, "clean")


@pytest.mark.parametrize("pattern", ["*.cpp", "fold", "sub/fold.c"])
def test_names_the_files_where_a_pattern_fits_none(tuned: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match=r"no source of the program is named so; there are fold.c, main.c$"):
        tune_here(tuned, options(tuned, only=("main.c", pattern)))


def test_searches_only_what_is_named(tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searched = searches_find(monkeypatch, {})
    tune_here(tuned, options(tuned, only=("ma*.c",)))
    assert searched == ["main.o"]


def test_leaves_recipes_of_another_processor_alone(tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tuned / ".colt" / "fold.c.json"
    foreign = file.read_text().replace('"triple": "', '"triple": "vax-')
    file.write_text(foreign)
    searched = searches_find(monkeypatch, {})
    assert tune_here(tuned, ci(tuned)).verdict == "nothing to do"
    assert searched == []
    assert file.read_text() == foreign
