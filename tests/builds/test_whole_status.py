"""Recipes of whole programs in the list: beside those of single sources, and by the same states."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from colt_llvm.builds.cc.settings import FOLDER, PROGRAMS
from colt_llvm.builds.recipes.record import verify
from colt_llvm.builds.recipes.status import entries, prune, removable, stale
from colt_llvm.builds.recipes.store import input_digest
from colt_llvm.builds.whole_program.store import Member, ProgramRecipe, save_program
from colt_llvm.cli.main import run
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return installed_toolchains()[0]


@pytest.fixture
def root(tmp_path: Path, toolchain: Toolchain) -> Path:
    (tmp_path / "a.c").write_text("int a;\n")
    member = Member("a.c", (), {"a.c": input_digest(tmp_path / "a.c")})
    recipe = ProgramRecipe(
        "prog", (member,), ("-o", "prog"), ("main",), "O3", toolchain.version, toolchain.triple, "runtime", ("licm",),
        "default<O3>", "digest", {"made": "2026-01-02T03:04:05Z", "program": {"ratio": 1.25}},
    )  # fmt: skip
    save_program(tmp_path, recipe)
    save_program(tmp_path, replace(recipe, output="other", triple="vax-dec-ultrix"))
    return tmp_path


def states(root: Path, toolchain: Toolchain) -> dict[str, str]:
    return {entry.source: entry.state for entry in entries(root, toolchain)}


def test_it_fits_until_a_member_changes(root: Path, toolchain: Toolchain) -> None:
    assert states(root, toolchain) == {"prog": "fits", "other": "idle"}
    (root / "a.c").write_text("int b;\n")
    assert states(root, toolchain) == {"prog": "stale", "other": "idle"}
    assert stale(root, toolchain) == []  # these are of single sources


def test_a_stale_one_is_pruned_and_the_others_stay(root: Path, toolchain: Toolchain) -> None:
    (root / "a.c").write_text("int b;\n")
    assert [entry.source for entry in removable(entries(root, toolchain))] == ["prog"]
    prune(entries(root, toolchain))
    assert states(root, toolchain) == {"other": "idle"}


def test_a_damaged_one_is_told(root: Path, toolchain: Toolchain) -> None:
    (root / FOLDER / PROGRAMS / "prog.json").write_text("{")
    assert states(root, toolchain)["prog"] == "damaged"


def test_it_is_not_called_verified(root: Path, toolchain: Toolchain) -> None:
    outcomes = {result.entry.source: result.outcome for result in verify(entries(root, toolchain), toolchain)}
    assert outcomes == {"prog": "unverified", "other": "unverified"}


def test_the_list_shows_gain_and_members(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", str(root)]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "/prog " in f"/{line} " or "prog  " in line)
    assert "1.250x" in line
    assert "1 files as one" in line
