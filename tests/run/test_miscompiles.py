"""A candidate that does something else never wins, is counted, and leaves what reproduces it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from tune_helpers import EXACT, SOURCE, trials_of, tune_here

from colt_llvm.evaluate import builder, target
from colt_llvm.evaluate.builder import Builder
from colt_llvm.evaluate.target import Built, built_from_objects
from colt_llvm.llvm.toolchain import installed_toolchains
from colt_llvm.program.compilation import baseline_objects
from colt_llvm.program.program import program_from_files

WRONG = {
    "other output": '#include <stdio.h>\nint main(void) { puts("sum 0"); return 0; }\n',
    "crash": "int main(void) { __builtin_trap(); }\n",
    "other status": "int main(void) { return 3; }\n",
    "no end": "int main(void) { for (volatile int i = 0;; i = 1) { } }\n",
    "no main": "int other(void) { return 0; }\n",
}


def is_chosen(sequence: Sequence[str]) -> bool:
    """About every third sequence, and always the same."""
    return sum(map(ord, "".join(sequence))) % 3 == 1


def wrong_builder(folder: Path, text: str) -> type[Builder]:
    """Builds the wrong program, which is far smaller, for some of the sequences."""
    (folder / "wrong.c").write_text(text)

    @cache
    def wrong() -> Built:
        return built_from_objects(
            baseline_objects(installed_toolchains()[0], program_from_files([folder / "wrong.c"]), "Oz"), 1
        )

    class WrongBuilder(Builder):
        def build(self, sequence: Sequence[str]) -> Built:
            return wrong() if is_chosen(sequence) else super().build(sequence)

    return WrongBuilder


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_program_is_pruned_counted_and_never_wins(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(builder, "Builder", wrong_builder(tmp_path, WRONG[kind]))
    source = tmp_path / "parts.c"
    source.write_text(SOURCE)
    run = tmp_path / "run"
    result = tune_here(capfd, source, *EXACT, "--risky", "--trials", "25", "--run-dir", run, "-o", tmp_path / "tuned")
    trials = trials_of(run)
    wrong = [trial for trial in trials if trial["outcome"]["failure"] == "miscompile"]
    assert wrong, "the double was asked for the wrong program"
    assert all(is_chosen(t["request"]["sequence"] + t["proposal"]["passes"]) for t in wrong)
    assert all(trial["outcome"]["reward"] is None for trial in wrong)
    assert result["failures"] == {"miscompile": len(wrong)}
    assert len({trial["outcome"]["key"] for trial in wrong}) == 1
    assert all(trial["detail"] for trial in wrong)
    assert not is_chosen(result["sequence"])

    # Nothing is built on a sequence that is wrong.
    nodes = {tuple(trial["request"]["sequence"] + trial["proposal"]["passes"]) for trial in wrong}
    assert not any(tuple(trial["request"]["sequence"]) in nodes for trial in trials)

    folders = sorted((run / "miscompiles").iterdir())
    assert [int(folder.name) for folder in folders] == [trial["request"]["id"] for trial in wrong]
    reproducer = json.loads((folders[0] / "miscompile.json").read_text())
    assert reproducer["sequence"] == wrong[0]["request"]["sequence"] + wrong[0]["proposal"]["passes"]
    assert reproducer["difference"] == wrong[0]["detail"]
    assert reproducer["pipeline"]
    assert any("-passes=" in line for line in reproducer["opt"])

    plain = tmp_path / "plain"
    subprocess.run([installed_toolchains()[0].clang, source, "-o", plain], check=True)
    outputs = [subprocess.run([exe], capture_output=True, check=True).stdout for exe in (plain, tmp_path / "tuned")]
    assert outputs[0] == outputs[1]


def test_what_is_wrong_only_as_a_whole_pipeline_is_not_proved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The proof builds anew, and checks again what it has built."""

    def wrong_objects(*_: object) -> list[bytes]:
        (tmp_path / "wrong.c").write_text(WRONG["other output"])
        return baseline_objects(installed_toolchains()[0], program_from_files([tmp_path / "wrong.c"]), "Oz")

    monkeypatch.setattr(target, "generate_objects", wrong_objects)
    source = tmp_path / "parts.c"
    source.write_text(SOURCE)
    result = tune_here(capfd, source, *EXACT, "--trials", "20", "--run-dir", tmp_path / "run")
    assert any((trial["outcome"]["reward"] or 0) > 0 for trial in trials_of(tmp_path / "run"))
    assert result["verdict"] == "no improvement found"
    assert not (tmp_path / "run" / "recipe.json").exists()
    rejected = json.loads((tmp_path / "run" / "result.json").read_text())["rejected"]
    assert rejected
    assert all("workload default: " in reason for reason in rejected.values())
