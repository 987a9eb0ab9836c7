"""What tuning a project leaves behind: recipes with which any build makes the objects that were proved."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from colt_llvm.builds.recipes.store import load_recipes
from colt_llvm.cli.main import run
from colt_llvm.llvm.elf import loaded_digest
from tests.builds.project_helpers import (
    BOTH,
    FILES,
    SMALLER,
    clang,
    console_script,
    make,
    options,
    project,
    searches_find,
    toolchain,
    tune_here,
    write,
)

__all__ = ["project"]

pytestmark = pytest.mark.needs("make")


@pytest.fixture(scope="module")
def tuned_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two recipes in use."""
    folder = write(tmp_path_factory.mktemp("tuned") / "project", FILES)
    with pytest.MonkeyPatch.context() as monkeypatch:
        searches_find(monkeypatch, BOTH)
        result = tune_here(folder)
    assert result.improved, result
    assert result.recipes == (".colt/main.c.json", ".colt/fold.c.json")
    return folder


@pytest.fixture
def tuned(tuned_once: Path, tmp_path: Path) -> Path:
    """Another checkout of it, with its times."""
    return shutil.copytree(tuned_once, tmp_path / "elsewhere")


def recorded(folder: Path, source: str) -> str:
    (recipe,) = load_recipes(folder / ".colt" / f"{source}.json")
    return recipe.object


def objects(folder: Path) -> dict[str, str]:
    return {name: loaded_digest((folder / name).read_bytes()) for name in ("main.o", "fold.o")}


def test_leaves_the_project_built_with_its_recipes(tuned: Path) -> None:
    assert objects(tuned) == {"main.o": recorded(tuned, "main.c"), "fold.o": recorded(tuned, "fold.c")}
    assert make(tuned, "prog").stdout == "make: 'prog' is up to date.\n"


def test_builds_the_objects_that_were_proved_anew(tuned: Path) -> None:
    before = objects(tuned)
    make(tuned, "clean")
    assert make(tuned, "prog").stderr == ""
    assert objects(tuned) == before
    make(tuned, "clean")
    subprocess.run(["make", f"CC={toolchain().clang}", "prog"], cwd=tuned, check=True, capture_output=True)
    assert objects(tuned)["main.o"] != before["main.o"]


def test_builds_the_same_bytes_side_by_side(tuned: Path) -> None:
    made = []
    for _ in range(2):
        make(tuned, "clean")
        make(tuned, "-j8", "prog")
        made.append([(tuned / name).read_bytes() for name in ("prog", "main.o", "fold.o")])
    assert made[0] == made[1]


def test_says_in_one_line_that_an_edited_source_has_no_recipe_any_more(tuned: Path) -> None:
    (tuned / "fold.c").write_text(FILES["fold.c"].replace(">> 7", ">> 9"))
    done = make(tuned, "prog")
    assert done.stderr == "colt-cc: fold.c: recipe not used: fold.c has changed since it was tuned\n"
    clang(tuned, "-Oz", "-c", "fold.c", "-o", "plain.o")
    assert (tuned / "fold.o").read_bytes() == (tuned / "plain.o").read_bytes()


def test_says_in_one_line_for_each_file_that_flags_differ(tuned: Path) -> None:
    make(tuned, "clean")
    done = make(tuned, "CFLAGS=-Oz -DMORE", "prog")
    assert sorted(done.stderr.splitlines()) == [
        f"colt-cc: {name}: recipe not used: flags differ (with -DMORE)" for name in ("fold.c", "main.c")
    ]


def test_holds_recipes_against_the_objects_of_the_level(tuned: Path) -> None:
    (recipe,) = load_recipes(tuned / ".colt" / "fold.c.json")
    assert (recipe.level, recipe.pipeline, recipe.objective) == ("Oz", SMALLER, "size")
    assert set(recipe.inputs) == {"fold.c", "parts.h"}
    assert recipe.evidence["baseline"] == "clang -Oz"
    assert recipe.evidence["program"]["name"] == "prog"
    assert recipe.evidence["program"]["ratio"] > 1


def test_keeps_recipes_for_each_object_of_one_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(
        tmp_path / "project",
        {
            **FILES,
            "main.c": FILES["main.c"].replace("fold(values, sum)", "fold(values, sum) + other(values, sum)"),
            "parts.h": FILES["parts.h"] + "unsigned other(const unsigned *values, unsigned start);\n",
            "Makefile": "prog: main.o fold.o other.o\n\t$(CC) -o $@ main.o fold.o other.o\n"
            "main.o fold.o: %.o: %.c\n\t$(CC) -Oz -c $< -o $@\n"
            "other.o: fold.c\n\t$(CC) -Oz -fPIC -Dfold=other -c fold.c -o other.o\nclean:\n\trm -f *.o prog\n",
        },
    )
    searches_find(monkeypatch, {"other.o": SMALLER})
    result = tune_here(folder)
    assert {Path(unit.output).name: unit.outcome for unit in result.units} == {
        "main.o": "no improvement found", "fold.o": "no improvement found", "other.o": "improved",
    }  # fmt: skip
    assert result.stale == ()
    assert [recipe.flags for recipe in load_recipes(folder / ".colt" / "fold.c.json")] == [("-fPIC", "-Dfold=other")]
    make(folder, "clean")
    ci = tune_here(folder, options(folder, stale_only=True), run_directory=tmp_path / "ci")
    assert (ci.verdict, ci.stale) == ("nothing to do", ()), "one object's recipe says nothing of the others"
    searches_find(monkeypatch, {"fold.o": SMALLER})
    make(folder, "clean")
    assert tune_here(folder, run_directory=tmp_path / "second").improved
    assert len(load_recipes(folder / ".colt" / "fold.c.json")) == 2


def test_tunes_members_of_a_library_in_a_folder_with_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(
        tmp_path / "my project",
        {
            "src/main.c": FILES["main.c"],
            "src/parts.h": FILES["parts.h"],
            "lib dir/fold.c": FILES["fold.c"],
            "Makefile": "prog: src/main.o lib/libfold.a\n\t$(CC) -o $@ src/main.o -Llib -lfold\n"
            "src/main.o: src/main.c\n\t$(CC) -Oz -c $< -o $@\n"
            'lib/libfold.a: lib\\ dir/fold.c\n\tmkdir -p lib\n\t$(CC) -Oz -Isrc -c "lib dir/fold.c" -o lib/fold.o\n'
            "\tar rcs $@ lib/fold.o\n",
        },
    )
    searches_find(monkeypatch, {"fold.o": SMALLER})
    result = tune_here(folder)
    assert (result.verdict, result.recipes) == ("improved", (".colt/lib dir/fold.c.json",)), result


@pytest.mark.slow
def test_prints_nothing_but_json_where_json_is_asked_for(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    command = ["tune", "--build", "make prog", "--run", "./prog 300", "--objective", "size", "--trials", "30",
               "--workers", "1", "--json"]  # fmt: skip
    status = run(command)
    out, err = capfd.readouterr()
    assert status == 0, err
    result = json.loads(out)
    assert result["verdict"] == "improved"
    assert f"{console_script('colt-cc')} -Oz -c fold.c" in err
    assert result == json.loads((project / result["run_directory"] / "project-result.json").read_text())
    before = objects(project)
    make(project, "clean")
    make(project, "prog")
    assert objects(project) == before
