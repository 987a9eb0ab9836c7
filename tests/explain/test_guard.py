"""Recipes held to their promise, with the real clang."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from colt_llvm.cli.main import run
from colt_llvm.core.errors import RecipeError
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.verifier import Miscompiled, Verifier
from colt_llvm.explain.guard import GuardOptions, guard
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain
from colt_llvm.program.program import program_from_files
from colt_llvm.run.tuner import tune

SOURCE = """
#include <stdio.h>
static int mix(int a, int b) { return (a * 31 + b) ^ (a >> 3); }
static int walk(const int *values, int count) {
    int sum = 0;
    for (int i = 0; i < count; i++) sum = mix(sum, values[i] % 7 == 3 ? values[i] * values[i] : values[i] >> 1);
    return sum;
}
int main(int argc, char **argv) {
    int values[64], sum = argc;
    for (int i = 0; i < 64; i++) values[i] = i * 77 % 101;
    for (int round = 0; round < 20000; round++) { values[round & 63] ^= sum; sum += walk(values, 64) & 15; }
    printf("%d\\n", sum);
    return 0;
}
"""


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return find_toolchain()


@pytest.fixture(scope="module")
def tuned(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source and, in ``run``, a run that found something."""
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "prog.c").write_text(SOURCE)
    options = TuneOptions(objective="size", trials=12, workers=1, scopes=("passes", "module"))
    result = tune(program_from_files([folder / "prog.c"]), toolchain, options, run_directory=folder / "run")
    assert result.improved
    return folder


@pytest.fixture
def recipe(tuned: Path, tmp_path: Path) -> Path:
    """A run directory of its own, of a source of its own."""
    shutil.copytree(tuned, tmp_path, dirs_exist_ok=True)
    header = tmp_path / "run" / "run.json"
    header.write_text(header.read_text().replace(str(tuned), str(tmp_path)))
    return tmp_path / "run"


def edit(recipe: Path, change: Callable[[dict[str, Any]], None]) -> None:
    file = recipe / "recipe.json"
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


def test_a_recipe_of_today_keeps_its_promise(
    toolchain: Toolchain, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = guard(recipe, toolchain)
    assert (found.state, found.ratio, found.changes) == ("kept", found.promised, ())
    assert run(["guard", str(recipe), str(recipe / "recipe.json")]) == 0
    assert capsys.readouterr().out.count(": kept: promised") == 2


def test_less_than_promised_ends_with_10(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(recipe, lambda data: data["evidence"].update(ratio=data["evidence"]["ratio"] + 0.001))
    assert run(["guard", str(recipe), "--json"]) == 10
    (row,) = json.loads(capsys.readouterr().out)
    assert row["state"] == "less"
    assert row["ratio"] < row["promised"]


def test_a_changed_source_is_named_and_the_figure_decides(toolchain: Toolchain, recipe: Path) -> None:
    source = recipe.parent / "prog.c"
    source.write_text(SOURCE + "/* reviewed */\n")
    found = guard(recipe, toolchain)
    assert found.state == "kept"
    assert any("prog.c: has changed" in change for change in found.changes)
    source.write_text('#include <stdio.h>\nint main(void) { puts("none"); return 0; }\n')
    found = guard(recipe, toolchain)
    assert found.state == "less"
    assert any("object code" in change for change in found.changes)


@pytest.mark.parametrize("pipeline", ["no-such-pass", "function("])
def test_a_recipe_that_does_not_build_fails(toolchain: Toolchain, recipe: Path, pipeline: str) -> None:
    edit(recipe, lambda data: data.update(pipeline=pipeline))
    found = guard(recipe, toolchain)
    assert (found.state, found.ratio) == ("fails", None)
    assert found.detail


def test_a_program_that_does_something_else_fails(
    toolchain: Toolchain, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(self: Verifier, executable: Path, **rest: object) -> bool:
        raise Miscompiled("workload default: output line 1", executable)

    monkeypatch.setattr(Verifier, "check", wrong)
    found = guard(recipe, toolchain)
    assert (found.state, found.detail) == ("fails", "workload default: output line 1")


def test_another_llvm_is_said(toolchain: Toolchain, recipe: Path) -> None:
    found = guard(recipe, replace(toolchain, version="99.1.0"))
    assert found.state == "fails"
    assert "this is 99.1.0" in found.detail


def test_another_host_is_said(toolchain: Toolchain, recipe: Path) -> None:
    edit(recipe, lambda data: data["evidence"]["host"].update(cpu="PDP-11"))
    assert any("PDP-11" in change for change in guard(recipe, toolchain).changes)


def test_a_run_time_is_held_to_the_interval_that_was_promised(toolchain: Toolchain, recipe: Path) -> None:
    def of_time(low: float) -> Callable[[dict[str, Any]], None]:
        def change(data: dict[str, Any]) -> None:
            data.update(objective="runtime", level="O3", pipeline="default<O3>", sequence=[])
            data["evidence"].update(ratio=low + 0.1, interval={"low": low, "high": low + 0.2})

        return change

    header = recipe / "run.json"
    data = json.loads(header.read_text())
    data["options"].update(objective="runtime", scopes=["passes"])
    header.write_text(json.dumps(data))
    edit(recipe, of_time(5.0))
    found = guard(recipe, toolchain, None, GuardOptions(1.0))
    assert found.state == "less"
    assert found.interval is not None
    assert found.interval.low <= found.interval.ratio <= found.interval.high
    edit(recipe, of_time(0.2))
    assert guard(recipe, toolchain, None, GuardOptions(1.0)).state in ("kept", "unsure")


def test_bad_input_is_one_line(toolchain: Toolchain, recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["guard", str(recipe / "none.json")]) == 7
    assert run(["guard", str(recipe), "--time", "0"]) == 2
    assert run(["guard"]) == 2
    assert run(["report", str(recipe / "recipe.json")]) == 6
    edit(recipe, lambda data: data["evidence"].pop("ratio"))
    with pytest.raises(RecipeError, match="promises no gain"):
        guard(recipe, toolchain)
    assert all(line.startswith("colt-llvm: ") for line in capsys.readouterr().err.splitlines())
