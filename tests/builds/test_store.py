"""Recipes in the tree: what is written, what is read, and when one fits."""

from __future__ import annotations

import json
import os
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from colt_llvm.builds.recipes.store import (
    UnitRecipe,
    all_recipe_files,
    choose,
    find_recipe_file,
    input_digest,
    load_recipes,
    misfit,
    recipe_file,
    save_recipe,
    write_recipes,
)
from colt_llvm.core.errors import RecipeError, RunDirectoryError


def recipe_for(root: Path, source: str = "a.c", inputs: tuple[str, ...] = (), **more: Any) -> UnitRecipe:
    """As tuning would leave it, for files that are there."""
    digests = {name: input_digest(root / name) for name in (source, *inputs)}
    values: dict[str, Any] = {
        "flags": ("-DX=1",), "level": "O3", "llvm": "22.1.8", "triple": "x86_64-pc-linux-gnu", "objective": "runtime",
        "sequence": ("licm",), "pipeline": "default<O3>", "object": "0" * 64, "evidence": {"ratio": 1.1},
        "command": ("cc", "-I{root}/include", "-c", source), "directory": "build",
    }  # fmt: skip
    return UnitRecipe(source=source, inputs=digests, **{**values, **more})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path.resolve() / "project"
    (place / "include").mkdir(parents=True)
    (place / "a.c").write_bytes(b"int a;\nint b;\n")
    (place / "include" / "a.h").write_bytes(b"#define A 1\n")
    return place


def test_reads_what_it_wrote(root: Path) -> None:
    recipe = recipe_for(root, inputs=("include/a.h",))
    assert load_recipes(save_recipe(root, recipe)) == [recipe]


def test_a_recipe_without_its_command_can_still_be_read(root: Path) -> None:
    file = save_recipe(root, recipe_for(root))
    data = json.loads(file.read_text())
    del data["recipes"][0]["command"], data["recipes"][0]["directory"]
    file.write_text(json.dumps(data))
    assert load_recipes(file) == [recipe_for(root, command=(), directory=".")]


def test_the_documented_file_can_be_read_and_has_every_field(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
    sample = text[text.index("    {\n") : text.index("\n    }\n") + 7]
    file = tmp_path / "sample.json"
    file.write_text(sample)
    (recipe,) = load_recipes(file)
    names = {field.name for field in fields(UnitRecipe)}
    assert set(json.loads(sample)["recipes"][0]) == names
    assert recipe.source == "src/a.c"
    table = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in text.splitlines() if line[:2] == "| ")))
    assert names <= table


def test_the_file_is_the_same_in_whatever_order_recipes_came(root: Path) -> None:
    first, second = recipe_for(root, flags=("-DB",)), recipe_for(root, flags=("-DA",))
    save_recipe(root, first)
    text = save_recipe(root, second).read_bytes()
    Path(recipe_file(str(root), "a.c")).unlink()
    save_recipe(root, second)
    assert save_recipe(root, first).read_bytes() == text
    data = json.loads(text)
    assert [entry["flags"] for entry in data["recipes"]] == [["-DA"], ["-DB"]]
    assert list(data["recipes"][0]) == sorted(data["recipes"][0])
    assert text.endswith(b"}\n")


def test_a_new_recipe_replaces_one_for_the_same_flags_and_processor_only(root: Path) -> None:
    arm = recipe_for(root, triple="aarch64-unknown-linux-gnu")
    save_recipe(root, recipe_for(root, llvm="21.1.0"))
    save_recipe(root, arm)
    save_recipe(root, recipe_for(root, flags=()))
    file = save_recipe(root, recipe_for(root, triple="x86_64-unknown-linux-gnu"))
    assert [(found.flags, found.llvm, found.machine) for found in load_recipes(file)] == [
        ((), "22.1.8", "x86_64"), (("-DX=1",), "22.1.8", "aarch64"), (("-DX=1",), "22.1.8", "x86_64"),
    ]  # fmt: skip


def test_a_file_without_recipes_goes_and_so_do_empty_folders(root: Path) -> None:
    (root / "lib").mkdir()
    (root / "lib" / "c.c").write_text("")
    save_recipe(root, recipe_for(root))
    file = save_recipe(root, recipe_for(root, "lib/c.c"))
    write_recipes(file, [])
    assert not (root / ".colt" / "lib").exists()
    assert [path.name for path in all_recipe_files(root)] == ["a.c.json"]
    write_recipes(Path(recipe_file(str(root), "a.c")), [])
    assert not (root / ".colt").exists()
    assert root.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"{", "is not JSON"),
        (b"\xff\xfe{}", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (
            b'{\n<<<<<<< HEAD\n "a": 1\n=======\n "a": 2\n>>>>>>> other\n}\n',
            "merge conflict (git's <<<<<<< and >>>>>>>)",
        ),
        (b"[]", "holds no recipes"),
        (b'{"kind": "colt-llvm recipe", "version": 1}', "holds no recipes"),
        (b'{"kind": "colt-llvm unit recipes", "version": 2, "recipes": []}', "install a newer colt-llvm"),
        (b'{"kind": "colt-llvm unit recipes", "recipes": []}', "version None is not 1"),
        (b'{"kind": "colt-llvm unit recipes", "version": 1}', "is damaged"),
        (b'{"kind": "colt-llvm unit recipes", "version": 1, "recipes": [1]}', "is damaged"),
    ],
)
def test_a_damaged_file_is_one_clear_line(root: Path, content: bytes, said: str) -> None:
    file = root / "file.json"
    file.write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        load_recipes(file)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", ["flags", "sequence", "command"])
def test_a_field_of_another_kind_is_damage(root: Path, field: str) -> None:
    file = save_recipe(root, recipe_for(root))
    data = json.loads(file.read_text())
    data["recipes"][0][field] = "-O3"
    file.write_text(json.dumps(data))
    with pytest.raises(RecipeError, match="is damaged"):
        load_recipes(file)


def test_a_file_that_cannot_be_read_or_written_says_so(root: Path) -> None:
    loop = root / "loop.json"
    loop.symlink_to(loop)
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipes(loop)
    (root / ".colt").write_text("a file, where the folder would be")
    assert find_recipe_file(str(root / "a.c")) is None
    assert list(all_recipe_files(root)) == []
    with pytest.raises(RunDirectoryError, match="make the folder writable"):
        save_recipe(root, recipe_for(root))


def test_a_name_that_is_not_utf_8_is_refused_and_leaves_nothing(root: Path) -> None:
    name = os.fsdecode(b"\xe9.c")
    (root / name).write_text("")
    with pytest.raises(RunDirectoryError, match="not UTF-8"):
        save_recipe(root, recipe_for(root, name))
    assert not (root / ".colt").exists()


def test_the_nearest_folder_that_knows_the_source_wins(root: Path) -> None:
    (root / "lib").mkdir()
    for name in ("lib/known.c", "lib/other.c"):
        (root / name).write_text("")
        save_recipe(root, recipe_for(root, name))
    inner = save_recipe(root / "lib", recipe_for(root / "lib", "known.c"))
    assert find_recipe_file("known.c", str(root / "lib")) == (str(root / "lib"), str(inner))
    assert find_recipe_file("../lib/other.c", str(root / "lib")) == (str(root), recipe_file(str(root), "lib/other.c"))


def test_a_linked_source_is_looked_up_where_it_really_is(root: Path, tmp_path: Path) -> None:
    file = save_recipe(root, recipe_for(root))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.c").symlink_to(root / "a.c")
    (tmp_path / "linked").symlink_to(root)
    for source in ("elsewhere/b.c", "linked/a.c"):
        assert find_recipe_file(source, str(tmp_path)) == (str(root), str(file))


def test_a_source_outside_of_every_root_has_none(root: Path, tmp_path: Path) -> None:
    save_recipe(root, recipe_for(root))
    (tmp_path / "a.c").write_text("")
    (root / "out.c").symlink_to(tmp_path / "a.c")
    assert find_recipe_file("a.c", str(tmp_path)) is None
    assert find_recipe_file("out.c", str(root)) is None


def test_the_root_of_the_file_system_holds_no_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(os.path, "isdir", lambda path: asked.append(str(path)) or True)
    monkeypatch.setattr(os.path, "isfile", lambda path: str(path).startswith("/.colt"))
    assert find_recipe_file("/no/such/a.c") is None
    assert asked == ["/no/such/.colt", "/no/.colt"]


def test_fits_until_an_input_changes(root: Path) -> None:
    recipe = recipe_for(root, inputs=("include/a.h",))
    assert misfit(recipe, str(root), ["-DX=1"], 22, triple="x86_64-suse-linux") == ""
    (root / "include" / "a.h").write_bytes(b"#define A 2\n")
    assert misfit(recipe, str(root), ["-DX=1"], 22) == "include/a.h has changed since it was tuned"
    (root / "include" / "a.h").unlink()
    assert misfit(recipe, str(root), ["-DX=1"], 22) == "include/a.h is not there any more"
    (root / "include").rmdir()
    (root / "include").write_text("")
    assert misfit(recipe, str(root), ["-DX=1"], 22) == "include/a.h is not there any more"


def test_touching_a_file_changes_nothing(root: Path) -> None:
    recipe = recipe_for(root)
    os.utime(root / "a.c", (1, 1))
    assert misfit(recipe, str(root), ["-DX=1"], 22) == ""


def test_other_line_endings_do_not_fit_and_are_named(root: Path) -> None:
    recipe = recipe_for(root)
    (root / "a.c").write_bytes(b"int a;\r\nint b;\r\n")
    said = misfit(recipe, str(root), ["-DX=1"], 22)
    assert "other line endings" in said
    windows = recipe_for(root)
    (root / "a.c").write_bytes(b"int a;\nint b;\n")
    assert "other line endings" in misfit(windows, str(root), ["-DX=1"], 22)


@pytest.mark.parametrize(
    ("flags", "said"),
    [([], "without -DX=1"), (["-DX=1", "-mavx2"], "with -mavx2"), (["-DX=1", "-DX=1"], "another order")],
)
def test_other_flags_do_not_fit(root: Path, flags: list[str], said: str) -> None:
    assert misfit(recipe_for(root), str(root), flags, 22) == f"flags differ ({said})"


def test_another_llvm_or_processor_does_not_fit(root: Path) -> None:
    recipe = recipe_for(root)
    assert "LLVM 22, and this is LLVM 23" in misfit(recipe, str(root), ["-DX=1"], 23)
    assert "made for x86_64, and this is aarch64" in misfit(
        recipe, str(root), ["-DX=1"], 22, triple="aarch64-unknown-linux-gnu"
    )


def test_chooses_the_one_for_these_flags(root: Path) -> None:
    one, other = recipe_for(root), recipe_for(root, flags=("-DX=2",))
    assert choose([one, other], str(root), ["-DX=2"], 22) == other
    assert choose([one, other], str(root), ["-DX=3"], 22) == "flags differ (without -DX=2)"
    assert choose([], str(root), [], 22) == "no recipe is recorded"
    arm = replace(one, triple="aarch64-linux-gnu")
    assert choose([arm, one], str(root), ["-DX=1"], 22, triple="x86_64-linux-gnu") == one


def test_an_input_that_became_a_pipe_does_not_hang_the_build(root: Path) -> None:
    recipe = recipe_for(root)
    (root / "a.c").unlink()
    os.mkfifo(root / "a.c")
    assert misfit(recipe, str(root), recipe.flags, None) == "a.c is no file"
