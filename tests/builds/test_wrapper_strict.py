"""A command that goes to clang while a source has a recipe: said in one line, kept in the log, an error when strict."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from wrapper_helpers import Case, clang, compiler, environment, fill, left_in, record

from colt_llvm.builds.cc.log import read_log

WORDS = ["-O2", "-c", "b.c", "-o", "b.o"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a recipe for WORDS."""
    fill(tmp_path / "work")
    record(Case(WORDS), tmp_path / "work", tmp_path / "scratch")
    (tmp_path / "work/flags.rsp").write_text("-O2 -flto -c b.c")
    return tmp_path / "work"


def call(folder: Path, words: Sequence[str], **more: str) -> subprocess.CompletedProcess[str]:
    variables = environment(folder.parent, COLT_LOG=str(folder.parent / "log"), **more)
    return subprocess.run([*compiler(), *words], cwd=folder, env=variables, capture_output=True, text=True, timeout=100)


def note(folder: Path) -> str:
    (logged,) = read_log(folder.parent / "log")
    (folder.parent / "log").unlink()
    assert logged.recipe == ""
    return logged.note


LEFT_TO_CLANG = {
    "-DZ": ["-DZ"],
    "-flto": ["-flto"],
    "-flto=thin": ["-fno-lto", "-flto=thin"],
    "-gsplit-dwarf": ["-g", "-gsplit-dwarf"],
    "-save-temps=obj": ["-save-temps=obj"],
    "-fsanitize=address": ["-fsanitize=address"],
    "-fsanitize=undefined,address": ["-fsanitize=undefined,address", "-fno-sanitize=address"],
    "--coverage": ["--coverage"],
    "-ftest-coverage": ["-ftest-coverage"],
    "-fprofile-generate": ["-fprofile-generate"],
    "-MJ": ["-MJ", "x.json"],
    "-Wp,-v": ["-Wp,-v"],
    "-ftime-trace": ["-ftime-trace"],
    "-fstack-usage": ["-fstack-usage"],
    "-Xclang -fno-validate-pch": ["-Xclang", "-fno-validate-pch"],
    "-pg": ["-pg"],
    "-S": ["-S"],
    "-emit-llvm": ["-emit-llvm"],
    "-O4": ["-O4"],
    "-Rpass=inline": ["-Rpass=inline"],
    "--no-default-config": ["--no-default-config"],
}


@pytest.mark.parametrize("named", LEFT_TO_CLANG)
def test_an_option_that_recipes_cannot_have_is_named(folder: Path, named: str) -> None:
    words = [*WORDS, *LEFT_TO_CLANG[named]]
    before = left_in(folder)
    done = call(folder, words, COLT_STRICT="1")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"b.c: recipe not used: {note(folder)}; " in done.stderr
    assert named in done.stderr
    assert "unset COLT_STRICT" in done.stderr
    assert left_in(folder) == before
    plain = subprocess.run([clang(), *words], cwd=folder, capture_output=True, text=True)
    done = call(folder, words)
    assert done.returncode == plain.returncode
    first, rest = done.stderr.split("\n", 1)
    assert first.startswith("colt-cc: b.c: recipe not used: ")
    assert named in first
    assert rest == plain.stderr
    assert named in note(folder)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["@flags.rsp"], "-flto"),
        (["-O2", "-x", "c", "-c", "b.c", "-coverage"], "-coverage"),
        (["-O2", "-c", "a.c", "b.c"], "in one command with other files"),
        (["-O2", "a.c", "b.c", "-o", "prog"], "compiled and linked in one command"),
        (["-O2", "-c", "b.c", "-o", "-"], "standard output"),
        (["-O2", "-MD", "-MF", "/dev/stdout", "-c", "b.c"], "-MF /dev/stdout"),
    ],
)
def test_the_shape_of_a_command_is_named(folder: Path, words: list[str], reason: str) -> None:
    before = left_in(folder)
    done = call(folder, words, COLT_STRICT="1")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert reason in done.stderr
    assert reason in note(folder)
    assert left_in(folder) == before


@pytest.mark.parametrize("variable", ["CCC_OVERRIDE_OPTIONS", "DEPENDENCIES_OUTPUT", "CC_PRINT_HEADERS"])
def test_a_variable_that_recipes_cannot_follow_is_named(folder: Path, variable: str) -> None:
    done = call(folder, WORDS, COLT_STRICT="1", **{variable: "#"})
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"{variable} is set" in done.stderr
    assert f"{variable} is set" in note(folder)


def test_a_build_for_the_debugger_is_an_error_when_strict_and_else_only_in_the_log(folder: Path) -> None:
    words = ["-O0", "-c", "b.c", "-o", "b.o"]
    assert "it is compiled at -O0" in call(folder, words, COLT_STRICT="1").stderr
    note(folder)
    assert call(folder, words).stderr == ""
    assert note(folder) == "it is compiled at -O0"


@pytest.mark.parametrize(
    ("text", "words", "reason"),
    [
        ("#ifdef __OPTIMIZE_SIZE__\n#error not here\n#endif\n", [], "clang refuses the source at -Oz"),
        ('__asm__(".warning \\"said\\"");\n', [], "clang has something to say"),
        ("", ["-Ofast"], "it is compiled at -Ofast"),
    ],
)
def test_what_clang_compiles_and_the_steps_of_the_recipe_cannot_is_named(
    folder: Path, text: str, words: list[str], reason: str
) -> None:
    (folder / "b.c").write_text(f"{text}{(folder / 'b.c').read_text()}")
    file = record(Case([*WORDS, *words]), folder, folder.parent / "scratch")
    assert file
    file.write_text(file.read_text().replace('"level": "O3"', '"level": "Oz"'))
    done = call(folder, [*WORDS, *words], COLT_STRICT="1")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert reason in done.stderr
    assert not (folder / "b.o").exists()
    assert call(folder, [*WORDS, *words]).returncode == 0
    assert (folder / "b.o").exists()


def test_what_clang_refuses_itself_is_clangs_to_say(folder: Path) -> None:
    (folder / "b.c").write_text("int f(void) { return undeclared; }\n")
    record(Case(WORDS), folder, folder.parent / "scratch")
    done = call(folder, WORDS, COLT_STRICT="1")
    assert done.returncode == 1
    assert "colt-cc" not in done.stderr
    assert "undeclared identifier" in done.stderr


@pytest.mark.parametrize("words", [["-E", "b.c"], ["-MM", "b.c"], ["-fsyntax-only", "-flto", "b.c"], ["-###", *WORDS]])
def test_a_command_that_makes_no_code_needs_no_recipe(folder: Path, words: list[str]) -> None:
    done = call(folder, words, COLT_STRICT="1")
    assert done.returncode == 0
    assert "colt-cc: " not in done.stderr
    assert note(folder) == "it is not compiled to code"


@pytest.mark.parametrize("words", [["-flto", "-fno-lto"], ["-Wp,-MMD,b.d"], ["-gsplit-dwarf", "-gno-split-dwarf"]])
def test_what_says_nothing_or_can_be_followed_uses_the_recipe(folder: Path, words: list[str]) -> None:
    assert call(folder, [*WORDS, *words], COLT_STRICT="1").stderr == ""
    (logged,) = read_log(folder.parent / "log")
    assert logged.recipe


@pytest.mark.parametrize("words", [["-flto", *WORDS], ["-c", "plain.s"], ["-c", "a.c", "b.c"]])
def test_without_recipes_nothing_is_said_and_the_log_keeps_why(tmp_path: Path, words: list[str]) -> None:
    fill(tmp_path / "work")
    assert call(tmp_path / "work", words, COLT_STRICT="1").stderr == ""
    assert note(tmp_path / "work").startswith("it is ")
