"""What is not better, or not what was proved, leaves the project as its own build makes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from colt_llvm.builds.project.result import ProjectResult
from colt_llvm.cli.main import run
from colt_llvm.core.errors import NotRepeatable
from colt_llvm.evaluate.verifier import Miscompiled, Verifier
from tests.builds.project_helpers import (
    BOTH,
    FILES,
    clang,
    digests,
    options,
    project,
    searches_find,
    tune_here,
    write,
)

__all__ = ["project"]

pytestmark = pytest.mark.needs("make")


@pytest.fixture(autouse=True)
def both_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    searches_find(monkeypatch, BOTH)


def assert_as_built(folder: Path) -> None:
    """Objects of clang itself, and no recipes."""
    assert not (folder / ".colt").exists()
    for name in ("main", "fold"):
        clang(folder, "-Oz", "-c", f"{name}.c", "-o", "plain.o")
        assert (folder / f"{name}.o").read_bytes() == (folder / "plain.o").read_bytes()
    (folder / "plain.o").unlink()


def assert_taken_back(result: ProjectResult, reason: str) -> None:
    assert result.verdict == "no improvement found"
    assert result.recipes == ()
    assert {unit.outcome for unit in result.units} == {"not used"}
    assert any(reason in note and note.endswith("the recipes were taken back") for note in result.notes), result.notes


def test_takes_recipes_back_where_the_projects_own_test_fails(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    status = run(
        ["tune", "--build", "make prog", "--run", "./prog 300", "--objective", "size", "--test", "sh -c false"]
    )
    out = capfd.readouterr().out
    assert status == 0
    assert "prog: no improvement found" in out
    assert "note: --test sh -c false: failed with status 1; the recipes were taken back" in out
    assert "measured with recipes that are not in use:" in out
    assert "colt-cc" not in out  # nothing to build with
    assert_as_built(project)


def test_runs_the_test_on_the_tuned_build(project: Path) -> None:
    result = tune_here(project, options(project, test=("sh", "-c", "test -f .colt/main.c.json && ./prog 1")))
    assert result.improved, result.notes


def test_takes_recipes_back_where_touched_sources_are_not_built_again(tmp_path: Path) -> None:
    makefile = "prog:\n" + "".join(
        f"\ttest -f {name}.o || $(CC) -Oz -c {name}.c\n" for name in ("main", "fold")
    ) + "\t$(CC) -o prog main.o fold.o\n"  # fmt: skip
    folder = write(tmp_path / "project", {**FILES, "Makefile": makefile})
    assert_taken_back(tune_here(folder), "main.c: the build did not compile it again when it was touched")
    assert_as_built(folder)


def test_takes_recipes_back_where_the_build_has_other_flags_the_second_time(tmp_path: Path) -> None:
    makefile = FILES["Makefile"].replace("CFLAGS = -Oz", "CFLAGS = -Oz $(if $(wildcard .colt),-DAGAIN)")
    folder = write(tmp_path / "project", {**FILES, "Makefile": makefile})
    reason = "main.c: the build made it without its recipe (flags differ (with -DAGAIN))"
    assert_taken_back(tune_here(folder), reason)
    assert_as_built(folder)


def test_takes_recipes_back_where_the_build_fails_with_them(tmp_path: Path) -> None:
    makefile = FILES["Makefile"].replace("main.o: main.c parts.h\n", "main.o: main.c parts.h\n\ttest ! -d .colt\n")
    folder = write(tmp_path / "project", {**FILES, "Makefile": makefile})
    assert_taken_back(tune_here(folder), "--build make prog: failed with status 2")
    assert_as_built(folder)


def test_says_so_where_no_later_build_succeeds(tmp_path: Path) -> None:
    makefile = FILES["Makefile"].replace("main.o: main.c parts.h\n", "main.o: main.c parts.h\n\ttest ! -f main.o\n")
    folder = write(tmp_path / "project", {**FILES, "Makefile": makefile})
    result = tune_here(folder)
    assert_taken_back(result, "--build make prog: failed with status 2")
    assert any("clean and build once more" in note for note in result.notes)
    assert not (folder / ".colt").exists()


def test_puts_earlier_recipes_back_as_they_were(project: Path) -> None:
    assert tune_here(project).improved
    before = {path: path.read_bytes() for path in (project / ".colt").iterdir()}
    (project / "fold.c").write_text(FILES["fold.c"].replace(">> 7", ">> 9"))
    (project / "main.c").touch()
    result = tune_here(project, options(project, test=("false",)), run_directory=project / "colt-runs" / "second")
    assert not result.improved
    assert result.stale == ("fold.c",)
    assert {path: path.read_bytes() for path in (project / ".colt").iterdir()} == before


def test_takes_recipes_back_where_it_is_ended_by_force(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("colt_llvm.builds.project.install.run_test", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tune_here(project)
    assert not (project / ".colt").exists()
    # The next build makes everything again, for the objects are those of the recipes still.
    assert (project / "main.c").stat().st_mtime_ns > (project / "main.o").stat().st_mtime_ns


def test_writes_nothing_where_the_program_is_wrong_with_all_recipes_together(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_learning: dict[str, str] = {}
    check = Verifier.check

    def wrong_together(self: Verifier, executable: Path, **given: Any) -> bool:
        after_learning.update(digests(project))
        if executable.name == "tuned":
            raise Miscompiled("workload run-1: standard output differs in line 1")
        return check(self, executable, **given)

    monkeypatch.setattr(Verifier, "check", wrong_together)
    result = tune_here(project)
    assert result.verdict == "no improvement found"
    assert "does something else: workload run-1: standard output differs" in result.notes[-1]
    assert {unit.outcome for unit in result.units} == {"not used"}
    assert digests(project) == after_learning
    assert_as_built(project)


def test_takes_recipes_back_where_the_program_of_the_build_is_wrong(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = Verifier.check

    def wrong_built(self: Verifier, executable: Path, **given: Any) -> bool:
        if executable.name == "built":
            raise Miscompiled("workload run-1: exit status differs")
        return check(self, executable, **given)

    monkeypatch.setattr(Verifier, "check", wrong_built)
    assert_taken_back(tune_here(project), "workload run-1: exit status differs")
    assert_as_built(project)


@pytest.mark.parametrize("where", ["tuned", "built"])
def test_a_program_that_differs_from_itself_ends_the_run_and_leaves_the_project_as_built(
    project: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    check = Verifier.check

    def varies(self: Verifier, executable: Path, **given: Any) -> bool:
        if executable.name == where:
            raise NotRepeatable("workload run-1: differs from run to run, output line 1")
        return check(self, executable, **given)

    monkeypatch.setattr(Verifier, "check", varies)
    with pytest.raises(NotRepeatable):
        tune_here(project)
    assert_as_built(project)
