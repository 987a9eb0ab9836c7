"""``colt-llvm recipes``: what is printed, and the status it ends with."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import click
import pytest

from colt_llvm.builds.cc.arguments import parse
from colt_llvm.builds.cc.compile import Unit
from colt_llvm.builds.recipes.record import Tuned, record_unit
from colt_llvm.builds.recipes.store import UnitRecipe, load_recipes, save_recipe
from colt_llvm.cli.main import EXIT_STATUSES, cli, run
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains

ROOT = Path(__file__).resolve().parents[2]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return installed_toolchains()[0]


@pytest.fixture(scope="module")
def recorded(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> UnitRecipe:
    """Made once; every test writes the same source."""
    place = tmp_path_factory.mktemp("recorded")
    write_source(place)
    flags = ["-march=x86-64-v2"] if toolchain.triple.startswith("x86_64") else ["-fno-plt"]
    unit = Unit(parse([*flags, "-DA_LONG_NAME_OF_A_MACRO=1", "-c", "src/a.c"], False), place)
    made = (datetime.now(timezone.utc) - timedelta(days=3, hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    evidence = {"ratio": 1.0512, "low": 1.04, "high": 1.06, "made": made}
    return record_unit(
        place, unit, toolchain, Tuned(level="O3", objective="runtime", sequence=("licm",), pipeline="default<O3>",
        evidence=evidence)
    )  # fmt: skip


def write_source(root: Path) -> None:
    (root / "src").mkdir()
    (root / "src" / "a.c").write_text("int sum(int x) { int s = 0; while (x) s += x--; return s; }\n")


@pytest.fixture
def root(recorded: UnitRecipe, toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLT_LLVM_PREFIX", str(toolchain.prefix))
    write_source(tmp_path)
    save_recipe(tmp_path, recorded)
    return tmp_path


def test_lists_recipes_from_any_folder(root: Path, recorded: UnitRecipe, capsys: Captured) -> None:
    for folder in (".", "src"):
        assert run(["recipes", folder]) == 0
        out, err = capsys.readouterr()
        header, line = out.splitlines()
        assert header.split() == ["SOURCE", "OBJECTIVE", "GAIN", "AGE", "LLVM", "FLAGS", "STATE"]
        for word in ("src/a.c", "runtime", "1.051x (1.040-1.060)", "3 days", recorded.llvm, "..."):
            assert word in line
        assert line.endswith("fits")
        assert err == "1 recipe: fits 1\n"


def test_says_why_a_recipe_is_stale(root: Path, capsys: Captured) -> None:
    (root / "src" / "a.c").write_text("int other;\n")
    assert run(["recipes"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith("stale: src/a.c has changed since it was tuned")


def test_json_holds_the_same_for_programs(root: Path, recorded: UnitRecipe, capsys: Captured) -> None:
    assert run(["recipes", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["source"], row["state"], row["reason"]) == ("src/a.c", "fits", "")
    assert (row["ratio"], row["low"], row["high"], row["age_days"]) == (1.0512, 1.04, 1.06, 3)
    assert row["flags"] == list(recorded.flags)
    assert row["made"] == recorded.evidence["made"]


def test_evidence_of_another_form_does_not_matter(root: Path, recorded: UnitRecipe, capsys: Captured) -> None:
    save_recipe(root, replace(recorded, evidence={"ratio": "much", "low": True, "made": 7}))
    assert run(["recipes"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:4] == ["src/a.c", "runtime", "-", "-"]


def test_prune_says_what_it_removes_and_a_dry_run_removes_nothing(
    root: Path, recorded: UnitRecipe, capsys: Captured
) -> None:
    file = save_recipe(root, replace(recorded, flags=("-DOLD",), inputs={"src/a.c": "old"}))
    before = file.read_bytes()
    assert run(["recipes", "--prune", "--dry-run"]) == 0
    assert capsys.readouterr().out == "would remove src/a.c (-DOLD): src/a.c has changed since it was tuned\n"
    assert file.read_bytes() == before
    assert run(["recipes", "--prune"]) == 0
    assert capsys.readouterr().out == "removed src/a.c (-DOLD): src/a.c has changed since it was tuned\n"
    assert load_recipes(file) == [recorded]
    assert run(["recipes", "--prune", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_verify_ends_with_the_status_of_what_it_found(root: Path, recorded: UnitRecipe, capsys: Captured) -> None:
    assert run(["recipes", "--verify"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("src/a.c (")
    assert out.endswith("): the same\n")
    assert "1 the same, 0 differ" in err
    save_recipe(root, replace(recorded, object="0" * 64))
    assert run(["recipes", "--verify", "--json"]) == 7
    (row,) = json.loads(capsys.readouterr().out)
    assert row["verified"] == "differs"
    save_recipe(root, replace(recorded, command=()))
    assert run(["recipes", "--verify"]) == 7
    assert "cannot be verified: it does not say how it was built" in capsys.readouterr().out


def test_stale_recipes_are_left_out_of_verify(root: Path, capsys: Captured) -> None:
    (root / "src" / "a.c").write_text("int other;\n")
    assert run(["recipes", "--verify"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "1 stale and left out" in err


def test_a_damaged_file_is_listed_and_named(root: Path, capsys: Captured) -> None:
    (root / ".colt" / "b.c.json").write_text("<<<<<<< ours\n")
    assert run(["recipes"]) == 7
    out, err = capsys.readouterr()
    assert "damaged: holds a merge conflict" in out
    assert "src/a.c" in out
    assert err.count("b.c.json: holds a merge conflict") == 1


def test_no_recipes_are_no_error(root: Path, toolchain: Toolchain, capsys: Captured) -> None:
    for file in (root / ".colt" / "src").iterdir():
        file.unlink()
    assert run(["recipes"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "colt-llvm tune --build makes them" in err


def test_lists_without_a_toolchain_and_says_what_is_not_compared(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("COLT_LLVM_PREFIX", str(root))
    assert run(["recipes"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].endswith("fits")
    assert "LLVM versions are not compared" in err
    assert run(["recipes", "--verify"]) == 3
    assert run(["recipes", "--llvm-prefix", str(root)]) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--dry-run"], "--dry-run: only with --prune"),
        (["--prune", "--verify"], "use one after the other"),
        (["no-such-folder"], "does not exist"),
        (["src/a.c"], "is a file"),
    ],
)
def test_refuses_what_makes_no_sense(root: Path, words: list[str], said: str, capsys: Captured) -> None:
    assert run(["recipes", *words]) == 2
    assert said in capsys.readouterr().err


def test_help_explains_the_states_and_statuses(capsys: Captured) -> None:
    assert run(["recipes", "--help"]) == 0
    text = capsys.readouterr().out
    for word in ("fits", "stale", "idle", "unused", "damaged"):
        assert word in text
    assert "\n  8  " in EXIT_STATUSES


def test_the_sample_workflow_uses_commands_and_options_that_exist() -> None:
    text = (ROOT / "docs" / "examples" / "colt-ci.yml").read_text() + (ROOT / "docs" / "recipes.md").read_text()
    lines = re.findall(r"^ *(?:- run: )?colt-llvm ([a-z][^#|`\n]*)", text, re.MULTILINE)
    assert {line.split()[0] for line in lines} == {"recipes", "tune"}
    for line in lines:
        name, *words = shlex.split(line)
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line
