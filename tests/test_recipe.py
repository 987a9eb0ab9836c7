"""A recipe makes the tuned object again: by this package, and by hand."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from colt_llvm.core.errors import CompileError, PassError, RecipeError, RunDirectoryError
from colt_llvm.llvm.acceptance import toolchain_catalogue
from colt_llvm.llvm.catalogue import Catalogue
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.llvm.pipeline import edit_pipeline, edits_of, level_pipeline
from colt_llvm.llvm.process_options import with_options
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains
from colt_llvm.program.baseline import Completion, prepare_baseline
from colt_llvm.program.compilation import baseline_objects
from colt_llvm.program.program import Program, load_program, program_from_files, programs_directory
from colt_llvm.program.recipe import (
    Recipe,
    apply_recipe,
    differences,
    load_recipe,
    opt_lines,
    save_recipe,
    source_digest,
)

pytestmark = pytest.mark.llvm

MAJORS = (23, 22, 19, 16)
SOURCE = "int value(int x) { int y = 0; for (int i = 0; i < x; i++) y += i * x; return y; }\n"


@pytest.fixture(scope="module")
def newest() -> Toolchain:
    return installed_toolchains()[0]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    (tmp_path / "value.c").write_text(SOURCE)
    return program_from_files([tmp_path / "value.c"], cflags=["-DX=1"])


def recipe_for(toolchain: Toolchain, program: Program, level: str, pipeline: str, **more: Any) -> Recipe:
    draft = Recipe(
        program=program.name, objective="size", level=level, sequence=("sroa",), pipeline=pipeline,  # type: ignore[arg-type]
        cflags=program.cflags, ldflags=program.ldflags, llvm=toolchain.version, triple=toolchain.triple,
        sources={source.name: source_digest(source) for source in program.sources}, objects=(),
        opt=opt_lines(toolchain, program, level, pipeline), evidence={"ratio": 1.25},  # type: ignore[arg-type]
    )  # fmt: skip
    objects = apply_recipe(draft, toolchain, program)
    return replace(draft, objects=tuple(map(loaded_digest, objects)), **more)


def refusal(path: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 7
    return str(caught.value)


# --- as a file


def test_comes_back_as_it_was_saved(newest: Toolchain, program: Program, tmp_path: Path) -> None:
    recipe = recipe_for(newest, program, "Oz", level_pipeline(newest.major, "Oz"))
    save_recipe(recipe, tmp_path / "recipe.json")
    assert load_recipe(tmp_path / "recipe.json") == recipe
    assert recipe.llvm_major == newest.major
    data = json.loads((tmp_path / "recipe.json").read_text())
    assert (data["kind"], data["version"]) == ("colt-llvm recipe", 2)


def test_a_place_that_cannot_be_written_is_told(newest: Toolchain, program: Program, tmp_path: Path) -> None:
    recipe = recipe_for(newest, program, "Oz", level_pipeline(newest.major, "Oz"))
    with pytest.raises(RunDirectoryError, match="No such file or directory"):
        save_recipe(recipe, tmp_path / "missing" / "recipe.json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[]", "is not a colt-llvm recipe"),
        (b"{}", "is not a colt-llvm recipe"),
        (b'{"kind": "cake"}', "is not a colt-llvm recipe"),
        (b'{"kind": "colt-llvm recipe"}', "recipe version None is none of (1, 2); tune again"),
        (b'{"kind": "colt-llvm recipe", "version": 3}', "recipe version 3 is none of (1, 2); tune again"),
        (b'{"kind": "colt-llvm recipe", "version": 2}', "is damaged"),
        (b'{"kind": "colt-llvm recipe", "version": 1}', "is damaged"),
    ],
)
def test_refuses_what_is_no_recipe(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "recipe.json").write_bytes(content)
    assert said in refusal(tmp_path / "recipe.json")


def test_refuses_what_cannot_be_read(tmp_path: Path) -> None:
    assert "cannot be read (No such file or directory); name a recipe.json" in refusal(tmp_path / "missing.json")
    assert "cannot be read (Is a directory)" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("level", "O9"), ("level", []), ("sequence", "sroa"), ("sequence", [1]), ("sources", []), ("sources", None),
        ("objects", None), ("opt", {}), ("cflags", "-DX"), ("llvm", "next"), ("llvm", None), ("evidence", 3),
    ],
)  # fmt: skip
def test_refuses_a_recipe_with_a_damaged_field(
    newest: Toolchain, program: Program, tmp_path: Path, field: str, value: object
) -> None:
    path = tmp_path / "recipe.json"
    save_recipe(recipe_for(newest, program, "Oz", ""), path)
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, field: value}))
    assert "is damaged" in refusal(path)
    del data[field]
    path.write_text(json.dumps(data))
    if field != "evidence":
        assert "is damaged" in refusal(path)


# --- applying


def test_applying_gives_the_objects_that_were_measured(newest: Toolchain, program: Program) -> None:
    recipe = recipe_for(newest, program, "Oz", f"function(sroa),{level_pipeline(newest.major, 'Oz')}")
    objects = apply_recipe(recipe, newest, program)
    assert tuple(map(loaded_digest, objects)) == recipe.objects
    assert differences(recipe, program, newest, objects) == []


def test_refuses_another_major_version_of_llvm(newest: Toolchain, program: Program) -> None:
    recipe = replace(recipe_for(newest, program, "Oz", ""), llvm="17.0.6")
    with pytest.raises(RecipeError) as caught:
        apply_recipe(recipe, newest, program)
    assert f"was made with LLVM 17 and this is {newest.version}; use --llvm-prefix with LLVM 17" in str(caught.value)


def test_notes_what_has_changed_since(newest: Toolchain, program: Program, tmp_path: Path) -> None:
    recipe = recipe_for(newest, program, "Oz", level_pipeline(newest.major, "Oz"))
    program.sources[0].write_text(SOURCE.replace("i * x", "i * x + 3"))
    objects = apply_recipe(recipe, newest, program)
    assert differences(recipe, program, newest, objects) == [
        "value.c: has changed since it was tuned", "the object code is not the one that was measured",
    ]  # fmt: skip
    program.sources[0].write_text(SOURCE + "/* a remark */\n")
    objects = apply_recipe(recipe, newest, program)
    assert differences(recipe, program, newest, objects) == ["value.c: has changed since it was tuned"]


def test_notes_other_flags_other_files_and_another_release(newest: Toolchain, program: Program, tmp_path: Path) -> None:
    recipe = replace(recipe_for(newest, program, "Oz", level_pipeline(newest.major, "Oz")), llvm=f"{newest.major}.0.0")
    other = tmp_path / "other.c"
    other.write_text(SOURCE)
    changed = program_from_files([other], cflags=["-DX=2"])
    objects = apply_recipe(recipe, newest, changed)
    assert differences(recipe, changed, newest, objects) == [
        "other.c: the recipe does not know this file",
        "compiler flags: '-DX=2' instead of '-DX=1'",
        f"LLVM {newest.version} instead of {newest.major}.0.0",
    ]


def test_a_changed_source_that_does_not_compile_and_a_pipeline_that_is_none(
    newest: Toolchain, program: Program
) -> None:
    recipe = recipe_for(newest, program, "Oz", level_pipeline(newest.major, "Oz"))
    with pytest.raises(PassError, match="no-such-pass"):
        apply_recipe(replace(recipe, pipeline="no-such-pass"), newest, program)
    program.sources[0].write_text("int broken(")
    with pytest.raises(CompileError):
        apply_recipe(recipe, newest, program)


# --- by hand


def by_hand(lines: tuple[str, ...], folder: Path) -> None:
    """As a person would: copy each line and run it."""
    for line in lines:
        done = subprocess.run(shlex.split(line), cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def passes_and_edits(catalogue: Catalogue, completion: Completion) -> str:
    """A pipeline as the search makes them: a few passes, then the baseline's with some left out."""
    expanded = completion.expanded
    names = [edit for edit in edits_of(expanded) if "#" not in edit]
    places = [edit for edit in edits_of(expanded) if edit.startswith("without<simplifycfg#")]
    edits = frozenset({"without<licm>", places[-1], names[len(names) // 2]})
    assert edits <= set(edits_of(expanded))
    passes = [catalogue[name].pipeline for name in ("sroa", "gvn", "loop-rotate", "licm", "inline")]
    return with_options(completion.options, ",".join([*passes, edit_pipeline(expanded, edits)]))


@pytest.mark.parametrize(
    ("major", "name", "objective"),
    [(23, "regex_vm", "runtime"), (23, "lz77", "instructions"), (22, "hashmap_cpp", "size"),
     (19, "regex_vm", "runtime"),
     pytest.param(23, "hashmap_cpp", "size", marks=pytest.mark.exhaustive),
     pytest.param(22, "regex_vm", "size", marks=pytest.mark.exhaustive),
     *((major, "crc_adler", "instructions") for major in MAJORS[1:])],
)  # fmt: skip
def test_the_lines_of_a_recipe_give_the_same_objects_by_hand(
    major: int, name: str, objective: str, tmp_path: Path
) -> None:
    toolchain = next((found for found in installed_toolchains() if found.major == major), None)
    if toolchain is None or toolchain.opt is None:
        pytest.skip(f"LLVM {major} with its opt is not installed")
    program = load_program(programs_directory() / name)
    baseline = prepare_baseline(toolchain, program, objective)
    pipeline = passes_and_edits(toolchain_catalogue(toolchain), baseline.completion)
    recipe = recipe_for(toolchain, program, baseline.level, pipeline)
    by_hand(recipe.opt, tmp_path)
    objects = apply_recipe(recipe, toolchain, program)
    made = [(tmp_path / f"{source.stem}.o").read_bytes() for source in program.sources]
    assert made == objects
    assert objects != list(baseline.objects)
    assert len(recipe.opt) == 3 * len(program.sources)


def test_files_of_the_same_name_do_not_overwrite_each_other_by_hand(newest: Toolchain, tmp_path: Path) -> None:
    for folder, text in (("one", SOURCE), ("two", "int other(int x) { return x - 1; }\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "value.c").write_text(text)
    two = program_from_files([tmp_path / "one" / "value.c", tmp_path / "two" / "value.c"])
    lines = opt_lines(newest, two, "Oz", level_pipeline(newest.major, "Oz"))
    by_hand(lines, tmp_path)
    results = [shlex.split(line)[-1] for line in lines[2::3]]
    assert len(set(results)) == 2
    wanted = list(map(loaded_digest, baseline_objects(newest, two, "Oz")))
    assert [loaded_digest((tmp_path / result).read_bytes()) for result in results] == wanted
