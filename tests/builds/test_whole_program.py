"""A program's files as one module: tuned, built again by colt-cc, and what happens where something does not fit."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from whole_helpers import PRINTS, fill, learn, make, options, prints, toolchain, tune

from colt_llvm.builds.project.result import ProjectResult
from colt_llvm.builds.whole_program.prepare import prepare_whole
from colt_llvm.builds.whole_program.store import load_program, save_program
from colt_llvm.core.errors import UsageError

pytestmark = pytest.mark.needs("make")

RECIPE = ".colt/whole-program/prog.json"


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ProjectResult]]:
    root = fill(tmp_path_factory.mktemp("tuned") / "project")
    return root, tune(root, root.parent / "run", options())


@pytest.fixture
def checkout(tuned: tuple[Path, ProjectResult], tmp_path: Path) -> Path:
    """Another folder with the same sources and the recipe, in which nothing is built."""
    ignored = shutil.ignore_patterns("*.o", "*.a", "prog")
    return Path(shutil.copytree(tuned[0], tmp_path / "checkout", ignore=ignored))


def symbols(program: Path) -> set[str]:
    nm = subprocess.run(["nm", str(program)], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1] for line in nm.splitlines()}


def test_the_program_gets_smaller_than_its_files_do_alone(tuned: tuple[Path, ProjectResult]) -> None:
    root, result = tuned
    assert result.verdict == "improved", result.notes
    assert result.recipes == (RECIPE,)
    baseline, made = result.figures["program"]
    assert made < baseline
    assert result.ratio == baseline / made
    assert prints(root / "prog") == PRINTS


def test_a_function_that_nothing_outside_sees_is_gone_and_what_is_asked_for_is_there(
    tuned: tuple[Path, ProjectResult],
) -> None:
    there = symbols(tuned[0] / "prog")
    assert not there & {"large_and_unused", "in_archive", "never"}
    assert {"main", "for_outside", "outside"} <= there


def test_the_recipe_names_its_members_in_the_order_of_the_link(tuned: tuple[Path, ProjectResult]) -> None:
    root, _ = tuned
    recipe = load_program(root / RECIPE)
    assert [member.source for member in recipe.members] == ["src/main.c", "src/step.c", "src/arch.c"]
    assert {"main", "for_outside"} <= set(recipe.kept)
    text = (root / RECIPE).read_text()
    assert str(root) not in text
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n"


def test_another_checkout_builds_the_program_that_was_proved(tuned: tuple[Path, ProjectResult], checkout: Path) -> None:
    done = make(checkout, "-j4", COLT_STRICT="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert (checkout / "prog").read_bytes() == (tuned[0] / "prog").read_bytes()
    assert (checkout / "prog").stat().st_mode & 0o111


def test_the_log_says_that_the_recipe_was_used(checkout: Path) -> None:
    make(checkout, COLT_LOG=str(checkout / "log"))
    lines = [json.loads(line) for line in (checkout / "log").read_text().splitlines()]
    assert [Path(line["recipe"]).name for line in lines if line["recipe"]] == ["prog.json"]
    assert len(lines) == 5


def test_the_objects_are_clangs_own_and_link_without_us(checkout: Path) -> None:
    make(checkout)
    clang = str(toolchain().clang)
    subprocess.run([clang, "-O2", "-c", "-o", "plain.o", "src/main.c"], cwd=checkout, check=True)
    for name in ("main.o", "plain.o"):
        subprocess.run(["objcopy", "--remove-section=.colt.bc", name, f"{name}.bare"], cwd=checkout, check=True)
    assert (checkout / "main.o.bare").read_bytes() == (checkout / "plain.o.bare").read_bytes()
    subprocess.run([clang, "-o", "linked", "main.o", "step.o", "other.o", "libx.a"], cwd=checkout, check=True)
    assert prints(checkout / "linked") == PRINTS
    assert b".colt.bc" in (checkout / "main.o").read_bytes()
    assert b".colt.bc" not in (checkout / "linked").read_bytes()


def test_a_changed_member_is_linked_as_asked_with_a_line_why(checkout: Path) -> None:
    source = checkout / "src/arch.c"
    source.write_text(source.read_text().replace("x * 3", "x * 4"))
    done = make(checkout)
    assert done.returncode == 0
    assert done.stderr == "colt-cc: prog: program recipe not used: src/arch.c has changed since it was tuned\n"
    assert prints(checkout / "prog") == "520446 13 7\n"
    assert "large_and_unused" in symbols(checkout / "prog")


def test_a_changed_member_is_an_error_where_that_is_asked_for(checkout: Path) -> None:
    (checkout / "src/lib.h").write_text((checkout / "src/lib.h").read_text() + "\n")
    done = make(checkout, COLT_STRICT="1")
    assert done.returncode != 0
    assert "src/lib.h has changed since it was tuned; tune again, or unset COLT_STRICT" in done.stderr
    assert not (checkout / "prog").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["CFLAGS=-O2 -DX=1"], "src/main.c was built without it, or with other options; build it again"),
        (["LDFLAGS=-lm"], "the link command differs (with -lm)"),
    ],
)
def test_another_command_is_linked_as_asked_with_a_line_why(checkout: Path, words: list[str], line: str) -> None:
    done = make(checkout, *words)
    assert done.stderr == f"colt-cc: prog: program recipe not used: {line}\n"
    assert prints(checkout / "prog") == PRINTS


def test_objects_from_before_the_recipe_are_linked_as_asked(checkout: Path) -> None:
    make(checkout, COLT_DISABLE="1")
    (checkout / "prog").unlink()
    done = make(checkout)
    assert "src/main.c was built without it" in done.stderr
    assert prints(checkout / "prog") == PRINTS


def test_a_name_that_another_object_asks_for_now_is_linked_as_asked(checkout: Path) -> None:
    source = checkout / "src/other.c"
    source.write_text(source.read_text().replace("+ 1", "+ 1 + 0 * in_archive(1)"))
    done = make(checkout)
    assert "in_archive is used from outside, which it was not when it was tuned" in done.stderr
    assert prints(checkout / "prog") == PRINTS


def test_a_recipe_whose_pipeline_fails_is_linked_as_asked(checkout: Path) -> None:
    from dataclasses import replace

    recipe = load_program(checkout / RECIPE)
    save_program(checkout, replace(recipe, pipeline="no-such-pass"))
    done = make(checkout)
    assert "program recipe not used" in done.stderr
    assert "no-such-pass" in done.stderr
    assert prints(checkout / "prog") == PRINTS


def test_a_damaged_recipe_is_linked_as_asked(checkout: Path) -> None:
    (checkout / RECIPE).write_text("{")
    done = make(checkout)
    assert "program recipe not used" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert prints(checkout / "prog") == PRINTS


def test_a_member_that_does_not_compile_says_what_clang_says_once(checkout: Path) -> None:
    (checkout / "src/arch.c").write_text("int in_archive(int x) { return }\n")
    done = make(checkout, "arch.o")
    assert done.returncode != 0
    assert done.stderr.count("error: expected expression") == 1


def test_without_recipes_nothing_is_done(checkout: Path) -> None:
    done = make(checkout, COLT_DISABLE="1")
    assert (done.returncode, done.stderr) == (0, "")
    assert b".colt.bc" not in (checkout / "main.o").read_bytes()
    assert "large_and_unused" in symbols(checkout / "prog")


def test_a_recipe_that_fits_leaves_nothing_to_do(tuned: tuple[Path, ProjectResult], tmp_path: Path) -> None:
    root = Path(shutil.copytree(tuned[0], tmp_path / "copy"))
    make(root, "clean")
    assert tune(root, tmp_path / "run", options(stale_only=True)).verdict == "nothing to do"


def test_a_stale_recipe_for_which_nothing_is_found_any_more_is_removed(checkout: Path, tmp_path: Path) -> None:
    nothing = "int main(void) { return 0; }\n"
    (checkout / "src/main.c").write_text(nothing)
    (checkout / "Makefile").write_text(
        "prog: main.o step.o\n\t$(CC) -o prog main.o step.o\n%.o: src/%.c\n\t$(CC) -Oz -c -o $@ $<\n"
    )
    (checkout / "src/step.c").write_text("int began;\n")
    (checkout / "src/lib.h").unlink()
    result = tune(checkout, tmp_path / "run", options())
    assert result.verdict == "no improvement found"
    assert not (checkout / RECIPE).exists()
    assert any("was removed" in note for note in result.notes)


def test_a_stripped_program_is_stripped_with_the_recipe_too(tmp_path: Path) -> None:
    root = fill(tmp_path / "project")
    result = tune(root, tmp_path / "run", options("LDFLAGS=-s"))
    assert result.recipes == (RECIPE,), result.notes
    assert b".symtab" not in (root / "prog").read_bytes()
    assert prints(root / "prog") == PRINTS


def test_a_test_that_fails_takes_the_recipe_back(tmp_path: Path) -> None:
    root = fill(tmp_path / "project")
    result = tune(root, tmp_path / "run", options(test=("false",)))
    assert result.verdict == "no improvement found"
    assert "taken back" in result.notes[-1]
    assert not (root / ".colt").exists()
    assert b".colt.bc" not in (root / "main.o").read_bytes()
    assert prints(root / "prog") == PRINTS


@pytest.mark.parametrize("words", ["-Wl,--wrap=not_there", "-Wl,--defsym,x=main", "-Xlinker -u -Xlinker main"])
def test_a_link_that_names_symbols_is_refused_in_one_line(tmp_path: Path, words: str) -> None:
    root = fill(tmp_path / "project")
    with pytest.raises(UsageError, match="leave out --whole-program") as caught:
        tune(root, tmp_path / "run", options(f"LDFLAGS={words}"))
    assert "\n" not in str(caught.value)


def test_a_program_that_exports_its_symbols_keeps_all_of_them(tmp_path: Path) -> None:
    root = fill(tmp_path / "project")
    project = learn(root, tmp_path / "scratch", options("LDFLAGS=-rdynamic"))
    whole = prepare_whole(project, tmp_path / "whole")
    assert {"main", "for_outside", "in_archive", "large_and_unused", "began"} <= set(whole.merged.kept)


def test_a_file_whose_assembly_names_symbols_stays_an_object_of_its_own(tmp_path: Path) -> None:
    step = '#include "lib.h"\nint began = 7;\nunsigned long first_step(long i, unsigned long s) {\n' \
           '  __asm__ volatile("# for_outside"); return i; }\n'  # fmt: skip
    root = fill(tmp_path / "project", {"src/step.c": step})
    project = learn(root, tmp_path / "scratch", options())
    whole = prepare_whole(project, tmp_path / "whole")
    assert [unit.name for unit in whole.units] == ["src/main.c", "src/arch.c"]
    assert "in_archive" not in whole.merged.kept
    assert any("src/step.c" in note and "for_outside" in note for note in project.notes)


def test_a_file_that_knows_when_it_was_built_stays_an_object_of_its_own(tmp_path: Path) -> None:
    step = '#include "lib.h"\nint began = 7;\nconst char *when = __TIME__;\n' \
           "unsigned long first_step(long i, unsigned long s) { return in_archive(i); }\n"  # fmt: skip
    root = fill(tmp_path / "project", {"src/step.c": step})
    project = learn(root, tmp_path / "scratch", options())
    whole = prepare_whole(project, tmp_path / "whole")
    assert [unit.name for unit in whole.units] == ["src/main.c", "src/arch.c"]
    assert "in_archive" in whole.merged.kept  # step.o asks for it from outside now
