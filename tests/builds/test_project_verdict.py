"""The verdict over a whole program, where times are given by a double."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from colt_llvm.builds.profile.profile import Profile
from colt_llvm.builds.project import tune_project as project_module
from colt_llvm.builds.project.result import ProjectResult
from colt_llvm.cli.main import run
from colt_llvm.evaluate.timer import Timer
from tests.builds.project_helpers import FILES, found, make, options, searches_find, tune_here, write

pytestmark = pytest.mark.needs("make")

#: Other code than clang -O3, which is all that is needed here.
OTHER = "function(sroa,simplifycfg)"
Tune = Callable[..., ProjectResult]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    makefile = FILES["Makefile"].replace("-Oz", "-O1")
    return write(tmp_path / "project", {**FILES, "Makefile": makefile})


@pytest.fixture
def timed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Tune:
    """Tune for run time: fold.c is hot, its search finds OTHER, and programs take the time that their name says."""

    def tune(pipeline: str = OTHER, ratio: float = 1.5, **seconds: float) -> ProjectResult:
        scatter = count()

        def time(self: Timer, executable: Path) -> float:
            # Copies of the baseline vary by 0.1%: no host shows none at all.
            return seconds.get(executable.name.replace("-", "_"), 1.0) * (1 + 0.001 * (next(scatter) % 3))

        monkeypatch.setattr(Timer, "time", time)
        monkeypatch.setattr(Timer, "why_in_turn", lambda self, count: "a double")
        monkeypatch.setattr(
            project_module, "profile_program", lambda program, units, *given, **more: Profile(
                "by a double", {name: 0.9 if name.endswith("fold.o") else 0.1 for name in units}
            )
        )  # fmt: skip
        searches_find(monkeypatch, {"fold.o": found(pipeline, ratio)})
        number = len(list(folder.parent.glob("run-*")))
        given = options(folder, objective="runtime", seconds=30.0)
        return tune_here(folder, given, run_directory=folder.parent / f"run-{number}")

    return tune


def test_improves_where_the_whole_is_faster_than_the_baseline_and_than_the_build(timed: Tune) -> None:
    result = timed(tuned=0.90, arm_as_built=0.95)
    assert result.verdict == "improved", result.notes
    assert result.interval is not None
    assert result.interval.low > 1.1
    assert result.as_built_ratio == pytest.approx(0.95 / 0.90, rel=0.01)
    assert result.figures["runtime"] == pytest.approx((1.0, 0.9), rel=0.01)


def test_finds_no_improvement_where_all_take_the_same_time(timed: Tune, folder: Path) -> None:
    result = timed()
    assert result.verdict == "no improvement found"
    assert result.recipes == ()
    assert {unit.source: unit.outcome for unit in result.units}["fold.c"] == "not used"
    assert not (folder / ".colt").exists()


def test_finds_no_improvement_where_the_builds_own_flags_are_faster_still(timed: Tune, folder: Path) -> None:
    result = timed(tuned=0.95, arm_as_built=0.90)
    assert result.verdict == "no improvement found"
    assert result.interval is not None
    assert result.interval.low > 1, "it is faster than the baseline all the same"
    assert "not proven better than the build with its own flags" in result.notes
    assert not (folder / ".colt").exists()


def test_reports_no_gain_where_the_control_beats_its_own_copy(timed: Tune) -> None:
    result = timed(tuned=0.90, arm_as_built=1.0, control=0.95)
    assert result.verdict == "no improvement found"
    assert any("too noisy" in note for note in result.notes)


def test_keeps_the_recipe_that_gained_more(timed: Tune, folder: Path) -> None:
    assert timed(tuned=0.90, arm_as_built=1.0, ratio=1.2).improved
    make(folder, "clean")
    kept = timed("function(sroa)", tuned=0.90, arm_as_built=1.0, ratio=1.1)
    assert {unit.source: unit.outcome for unit in kept.units}["fold.c"] == "kept"
    make(folder, "clean")
    assert timed("function(sroa)", tuned=0.80, arm_as_built=1.0, ratio=1.3).recipes == (".colt/fold.c.json",)


def test_does_not_print_figures_as_if_recipes_were_in_use(
    timed: Tune, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    timed()  # sets the doubles
    make(folder, "clean")
    monkeypatch.chdir(folder)
    assert run(["tune", "--build", "make prog", "--run", "./prog 300", "--time", "30"]) == 0
    out = capfd.readouterr().out
    assert out.index("measured with recipes that are not in use:") < out.index("run time (CPU s)")
    assert "improved" not in out.replace("no improvement found", "")


def test_finds_no_improvement_where_the_whole_is_not_smaller(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searches_find(monkeypatch, {"fold.o": "function(sroa),default<O3>,function(reg2mem)"})
    result = tune_here(folder)
    assert result.verdict == "no improvement found"
    assert any("not smaller" in note for note in result.notes)
    assert not (folder / ".colt").exists()
