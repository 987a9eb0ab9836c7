"""A gain that is too small to be told is none: never "improved 1.0000x"."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import colt_llvm
from colt_llvm.cli.main import run
from colt_llvm.objectives.base import is_gain
from colt_llvm.program.program import program_from_files
from colt_llvm.program.recipe import load_recipe, save_recipe, source_digests
from tests.run.tune_helpers import EXACT, SOURCE, tune_here

#: The same program, and what is gained is lost beside its table.
LARGE = SOURCE.replace(
    "int main(int argc, char **argv) {",
    "static const char table[1 << 20] = {1, 2, 3};\n"
    'int main(int argc, char **argv) {\n    volatile int at = argc; printf("%d\\n", table[at]);',
)
FEW = ("--trials", "12")


@pytest.mark.parametrize(("ratio", "gain"), [(0.9, False), (1.0, False), (1.00004, False), (1.0005, True), (2, True)])
def test_what_counts_as_a_gain(ratio: float, gain: bool) -> None:
    assert is_gain(ratio) == gain


def test_bytes_beside_a_large_table_are_no_improvement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("large.c").write_text(LARGE)
    Path("small.c").write_text(SOURCE)
    result = tune_here(capfd, "large.c", *EXACT, *FEW)
    trials = [json.loads(line) for line in Path(result["run_directory"], "trials.jsonl").read_text().splitlines()]
    best = max(trial["outcome"]["reward"] or 0 for trial in trials)
    assert 0 < best < 0.0005, "something was found, and is too little"
    assert (result["verdict"], result["recipe"]) == ("no improvement found", None)
    assert "what was found gains less than 0.05%, which does not count as an improvement" in result["notes"]
    assert not colt_llvm.tune("large.c", objective="size", trials=12, seed=1, workers=1).improved

    # Its recipe, from where the same sequence pays, is worth nothing here.
    improved = tune_here(capfd, "small.c", *EXACT, *FEW)
    assert improved["verdict"] == "improved"
    assert not [note for note in improved["notes"] if "does not count" in note]
    recipe = load_recipe(Path(improved["recipe"]))
    save_recipe(replace(recipe, sources=source_digests(program_from_files(["large.c"]))), Path("recipe.json"))
    assert run(["minimize", "recipe.json", "large.c"]) == 7
    assert "the recipe is no better than the baseline here and now" in capfd.readouterr().err


@pytest.mark.needs("make")
def test_a_project_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("prog.c").write_text(SOURCE)
    Path("table.c").write_text("const char table[1 << 20] = {1, 2, 3};\n")
    Path("Makefile").write_text("prog: prog.o table.o\n\t$(CC) -o prog prog.o table.o\n")
    words = ["--build", "make", "--run", "./prog", "--objective", "size", "--trials", "12", "--seed", "1", "--json"]
    assert run(["tune", *words]) == 0
    result = json.loads(capfd.readouterr().out)
    assert result["verdict"] == "no improvement found"
    assert result["recipes"] == []
    mark, tuned = result["figures"]["size"]
    assert 1 < mark / tuned < 1.0005
    assert not Path(".colt").exists()
