"""``colt-cc --recipe FILE``: one recipe for every file that is compiled."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from wrapper_helpers import PIPELINE, compiler, environment, fill, toolchain

from colt_llvm.builds.cc.log import read_log
from colt_llvm.builds.cc.settings import Settings
from colt_llvm.builds.recipes import store
from colt_llvm.builds.recipes.store import load_shared
from colt_llvm.core.errors import RecipeError
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.program import recipe as of_one_program
from colt_llvm.program.recipe import Recipe, save_recipe


def recipe(pipeline: str = PIPELINE, sequence: tuple[str, ...] = (), **changes: str) -> Recipe:
    given = {"llvm": toolchain().version, "triple": toolchain().triple, **changes}
    return Recipe("programs", "size", "O3", sequence, pipeline, (), (), sources={}, objects=(), opt=(), **given)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path / "work")
    save_recipe(recipe(), tmp_path / "work/recipe.json")
    return tmp_path / "work"


def call(folder: Path, words: Sequence[str], **more: str) -> subprocess.CompletedProcess[str]:
    variables = environment(folder.parent, COLT_LOG=str(folder.parent / "log"), **more)
    return subprocess.run([*compiler(), *words], cwd=folder, env=variables, capture_output=True, text=True, timeout=100)


def code(folder: Path, name: str) -> str:
    return loaded_digest((folder / name).read_bytes())


COMPILE = ["-O2", "-c", "b.c", "-o", "b.o"]


@pytest.mark.parametrize(
    ("before", "after"), [(["--recipe", "recipe.json"], []), ([], ["--recipe=recipe.json"]), ([], [])]
)
def test_every_source_is_compiled_with_it(folder: Path, before: list[str], after: list[str]) -> None:
    variables = {} if before or after else {"COLT_RECIPE": "recipe.json"}
    assert call(folder, COMPILE).returncode == 0
    plain = code(folder, "b.o")
    done = call(folder, [*before, *COMPILE, *after], **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert code(folder, "b.o") != plain
    assert [logged.recipe for logged in read_log(folder.parent / "log")] == ["", "recipe.json"]


def test_compiled_and_linked_in_one_command_it_is_used_too(folder: Path) -> None:
    done = call(folder, ["--recipe", "recipe.json", "-Wall", "-O2", "a.c", "b.c", "-o", "prog", "-lm"])
    assert (done.returncode, done.stderr) == (0, "")
    assert [logged.recipe for logged in read_log(folder.parent / "log")] == ["recipe.json"]
    assert subprocess.run([folder / "prog"], capture_output=True, text=True, check=True).stdout == "380\n"
    assert not list(folder.glob("*.c.o"))


def test_what_does_not_compile_says_what_clang_says(folder: Path) -> None:
    done = call(folder, ["--recipe", "recipe.json", "-O2", "a.c", "bad.c", "-o", "prog"])
    assert done.returncode == 1
    assert "undeclared" in done.stderr
    assert "colt-cc" not in done.stderr
    assert not (folder / "prog").exists()


def test_a_link_goes_to_clang(folder: Path) -> None:
    assert call(folder, COMPILE).returncode == 0
    assert call(folder, ["-c", "a.c"]).returncode == 0
    assert call(folder, ["--recipe", "recipe.json", "a.o", "b.o", "-o", "prog"]).returncode == 0
    assert (folder / "prog").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--recipe"], "--recipe: write the file of a recipe after it"),
        (["--recipe="], "--recipe: write the file of a recipe after it"),
        (["--recipe", "gone.json"], "gone.json: no such recipe from"),
    ],
)
def test_a_recipe_that_is_not_there_is_an_error(folder: Path, words: list[str], said: str) -> None:
    done = call(folder, [*COMPILE, *words])
    assert done.returncode == 2
    assert done.stderr.startswith(f"colt-cc: {said}")
    assert done.stderr.count("\n") == 1
    assert not (folder / "b.o").exists()


UNFIT = {
    "is not JSON": None,
    "made with LLVM 15": recipe(llvm="15.0.7"),
    "made for riscv64": recipe(triple="riscv64-unknown-linux-gnu"),
    "noinline<half> is of one program": recipe("decide(noinline<half>),default<O3>", ("noinline<half>",)),
}


@pytest.mark.parametrize("why", UNFIT)
def test_one_that_does_not_fit_is_told_in_one_line_and_clang_compiles(folder: Path, why: str) -> None:
    found = UNFIT[why]
    if found is None:
        (folder / "recipe.json").write_text("{")
    else:
        save_recipe(found, folder / "recipe.json")
    done = call(folder, ["--recipe", "recipe.json", *COMPILE])
    assert done.returncode == 0
    assert why in done.stderr
    assert done.stderr.count("\n") == 1
    assert (folder / "b.o").is_file()
    assert call(folder, ["--recipe", "recipe.json", *COMPILE], COLT_STRICT="1").returncode == 1


def test_what_is_decided_of_all_functions_is_of_any_program(folder: Path) -> None:
    text = "decide(optsize<*>),default<O3>"
    save_recipe(recipe(text, ("optsize<*>",)), folder / "recipe.json")
    assert load_shared(folder / "recipe.json").pipeline == text
    save_recipe(recipe("decide(skip<half>(gvn)),default<O3>", ("skip<half>(gvn)",)), folder / "recipe.json")
    with pytest.raises(RecipeError, match="is of one program"):
        load_shared(folder / "recipe.json")


def test_the_kind_is_that_of_the_file_that_tune_writes() -> None:
    assert (store.SHARED_KIND, store.SHARED_VERSION) == (of_one_program.KIND, of_one_program.VERSION)


def test_the_identity_follows_the_recipe(folder: Path) -> None:
    def identity() -> str:
        return call(folder, ["--colt-identity"], COLT_RECIPE="recipe.json").stdout

    first = identity()
    assert first == identity()
    save_recipe(recipe("default<O2>"), folder / "recipe.json")
    assert first != identity()


def test_the_words_of_the_option_are_not_clang_s() -> None:
    settings = Settings({"COLT_RECIPE": "a"})
    assert settings.take_recipe(["-c", "--recipe", "b", "x.c", "--recipe=c"]) == ["-c", "x.c"]
    assert settings.recipe == "c"


def test_a_file_with_a_profile_is_left_to_clang(folder: Path) -> None:
    done = call(folder, ["--recipe", "recipe.json", "-fprofile-use=none.profdata", *COMPILE])
    assert "b.c: recipe not used: it is compiled with a profile, which a recipe for every file" in done.stderr
    assert "none.profdata" in done.stderr
