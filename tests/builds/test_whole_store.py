"""The recipe of a program: written, read, found, refused."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from colt_llvm.builds.cc.wrapper import near_a_program
from colt_llvm.builds.recipes.store import input_digest, remove_store
from colt_llvm.builds.whole_program.store import (
    Member,
    ProgramRecipe,
    find_program_file,
    load_program,
    program_misfit,
    programs_with,
    save_program,
)
from colt_llvm.core.errors import RecipeError


@pytest.fixture
def recipe(tmp_path: Path) -> ProgramRecipe:
    (tmp_path / "src").mkdir()
    members = []
    for name in ("a.c", "b.c"):
        (tmp_path / "src" / name).write_text(f"int {name[0]};\n")
        source = f"src/{name}"
        members.append(Member(source, ("-DX",), {source: input_digest(tmp_path / source)}))
    return ProgramRecipe(
        "out/prog", tuple(members), ("-o", "out/prog"), ("main",), "O3", "22.1.8", "x86_64-pc-linux-gnu", "runtime",
        ("licm",), "default<O3>", "digest", {"ratio": 1.5},
    )  # fmt: skip


def test_it_comes_back_as_it_was_written(tmp_path: Path, recipe: ProgramRecipe) -> None:
    file = save_program(tmp_path, recipe)
    assert file == tmp_path / ".colt/whole-program/out/prog.json"
    assert load_program(file) == recipe
    assert save_program(tmp_path, load_program(file)).read_bytes() == file.read_bytes()


def test_it_is_found_from_the_output_and_from_each_source(tmp_path: Path, recipe: ProgramRecipe) -> None:
    file = save_program(tmp_path, recipe)
    root = os.path.realpath(tmp_path)
    assert find_program_file(str(tmp_path / "out/prog")) == (root, str(file.resolve()))
    assert find_program_file(str(tmp_path / "out/other")) is None
    assert list(programs_with(str(tmp_path / "src/b.c"))) == [(root, recipe, recipe.members[1])]
    assert list(programs_with(str(tmp_path / "src/c.c"))) == []


def test_a_look_from_any_file_that_is_named_finds_it(tmp_path: Path, recipe: ProgramRecipe) -> None:
    source = str(tmp_path / "src/a.c")
    assert not near_a_program(["-c", source])
    save_program(tmp_path, recipe)
    assert near_a_program(["-c", source])
    assert near_a_program(["x.o", f"-o{tmp_path}/out/prog"])
    assert not near_a_program(["-c", "/usr/a.c"])


def test_removing_it_leaves_no_empty_folders(tmp_path: Path, recipe: ProgramRecipe) -> None:
    remove_store(save_program(tmp_path, recipe))
    assert not (tmp_path / ".colt").exists()


def test_what_does_not_fit_is_said(tmp_path: Path, recipe: ProgramRecipe) -> None:
    root = str(tmp_path)
    assert program_misfit(recipe, root, 22, "x86_64-unknown-linux-gnu") == ""
    assert program_misfit(recipe, root, 21) == "made with LLVM 22, and this is LLVM 21"
    assert program_misfit(recipe, root, 22, "aarch64-linux-gnu") == "made for x86_64, and this is aarch64"
    (tmp_path / "src/b.c").write_text("int c;\n")
    assert program_misfit(recipe, root, 22) == "src/b.c has changed since it was tuned"
    (tmp_path / "src/b.c").unlink()
    assert "src/b.c cannot be read" in program_misfit(recipe, root, 22)


def test_a_key_tells_all_apart_that_decides_the_bitcode(recipe: ProgramRecipe) -> None:
    member = recipe.members[0]
    keys = [
        recipe.key(member),
        recipe.key(recipe.members[1]),
        recipe.key(replace(member, flags=())),
        recipe.key(replace(member, inputs={"src/a.c": "other"})),
        replace(recipe, level="Oz").key(member),
        replace(recipe, llvm="21.1.0").key(member),
    ]
    assert len(set(keys)) == len(keys)
    assert replace(recipe, llvm="22.9.9", pipeline="x", link=()).key(member) == keys[0]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "other"}, {"version": 2}, {"version": None}, {"members": []}, {"members": [{"source": "a.c"}]},
        {"kept": "main"}, {"kept": [1]}, {"llvm": "new"}, {"pipeline": "a\0b"}, {"link": ["a\0b"]},
    ],
)  # fmt: skip
def test_damage_is_refused_in_one_line(tmp_path: Path, recipe: ProgramRecipe, change: dict[str, object]) -> None:
    file = save_program(tmp_path, recipe)
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(RecipeError) as caught:
        load_program(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 100_000])
def test_what_is_no_recipe_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_program(file)
    assert "\n" not in str(caught.value)
