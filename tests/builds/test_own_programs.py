"""The included programs, built by programs/Makefile as a user's project is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from walkthrough import ROOT, Project

from colt_llvm.builds.cc.arguments import parse
from colt_llvm.builds.cc.compile import Unit
from colt_llvm.builds.recipes.record import Tuned, record_unit
from colt_llvm.builds.recipes.store import save_recipe
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.program.program import load_program

pytestmark = pytest.mark.skipif(
    not (shutil.which("make") and (ROOT / ".venv/bin/colt-llvm").exists()), reason="needs make and the set-up in .venv"
)
CHECK = ".venv/bin/python tools/build_programs.py"


@pytest.fixture
def tree(tmp_path: Path) -> Project:
    """A source tree with two programs: one file of C, and one of C++."""
    project = Project(tmp_path)
    for name in ("programs/Makefile", "tools/build_programs.py"):
        (project.folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, project.folder / name)
    for name in ("collatz", "shapes_cpp"):
        shutil.copytree(ROOT / "programs" / name, project.folder / "programs" / name)
    (project.folder / ".venv").symlink_to(ROOT / ".venv")
    return project


def test_all_are_built_and_print_what_they_must(tree: Project) -> None:
    tree.type("make -C programs tuned")
    assert "2 programs, 0 failed" in tree.type(CHECK)
    wrong = tree.folder / "programs/collatz/expected/small.txt"
    wrong.write_text("another output\n")
    said = tree.type(CHECK, status=1)
    assert "collatz              FAILED: " in said
    assert "2 programs, 1 failed" in said


def test_a_program_that_is_not_built_fails_the_check(tree: Project) -> None:
    tree.type("make -C programs PROGRAMS=collatz COLT=1")
    assert "shapes_cpp: is not there; type make programs" in " ".join(tree.type(CHECK, status=1).split())


def test_a_recipe_beside_a_program_is_used(tree: Project) -> None:
    toolchain = find_toolchain()
    root = tree.folder / "programs/collatz"
    words = [*load_program(root).cflags, "-c", str(root / "collatz.c"), "-o", "collatz.o"]
    unit = Unit(parse(words, False), root)
    tuned = Tuned(level="O3", objective="runtime", sequence=(), pipeline="function(mem2reg)", evidence={})
    recipe = record_unit(root, unit, toolchain, tuned)
    save_recipe(root, recipe)
    assert tree.recipes_used("make -C programs tuned") == ["collatz.c"]
    assert tree.recipes_used("make -C programs untuned") == []


def test_which_program_to_tune_has_to_be_said(tree: Project) -> None:
    assert "PROGRAM is not set; type make tune PROGRAM=lz77" in tree.type("make -C programs tune", status=2)
