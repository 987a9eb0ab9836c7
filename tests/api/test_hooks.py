"""Python objects in a real run: used, written down by name, and asked for again when the run goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import colt_llvm

#: A program of the documents; it has room for improvement.
WORDS = Path(__file__).resolve().parents[2] / "docs" / "examples" / "words.c"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "words.c"
    shutil.copy(WORDS, path)
    return path


class Cycle(colt_llvm.SequenceSearch):
    """Edits one after the other; after a gain, two of them."""

    def __init__(self, task: colt_llvm.Task) -> None:
        super().__init__("cycle", colt_llvm.ActionSet(task.passes, task.edits), task.seed)
        self.gained: list[tuple[str, ...]] = []

    def _choose(self, request_id: int, random: Any) -> tuple[str, ...]:
        start = random.choice(self.gained) if self.gained and request_id % 2 else ()
        return self.actions.tidy([*start, self.actions.draw(random)])

    def _learn(self, request_id: int, sequence: tuple[str, ...], outcome: colt_llvm.Outcome) -> None:
        if (outcome.reward or 0.0) > 0:
            self.gained.append(sequence)


def bulk(figures: Any) -> float:
    return float(figures["size"] + 2 * figures["instructions"])


def trials_of(directory: Path) -> list[dict[str, Any]]:
    trials = [json.loads(line) for line in (directory / "trials.jsonl").read_text().splitlines()]
    for trial in trials:
        del trial["seconds"]
    return trials


@pytest.mark.needs("LLVM 22")  # of its actions 24 draws find a gain
def test_a_run_with_own_objective_strategy_and_check_goes_on_as_if_it_had_not_stopped(source: Path) -> None:
    """A check that raises ends the run, and is no miscompile; patched, under its name, it goes on."""
    patched = False
    runs: list[Any] = []

    def sound(run: Any) -> None:
        runs.append(run)
        assert patched or len(runs) < 4

    own: dict[str, Any] = {"objective": bulk, "strategy": Cycle}
    with pytest.raises(colt_llvm.CheckError, match=r"check sound: raised AssertionError.*on workload default; fix it"):
        colt_llvm.tune(source, check=sound, run_directory="cut", trials=24, workers=1, seed=5, **own)
    cut = trials_of(Path("cut"))
    assert 0 < len(cut) < 24
    assert not any(trial["outcome"]["failure"] for trial in cut)
    first = runs[0]
    assert (first.workload, first.status, first.stderr, dict(first.files)) == ("default", 0, b"", {})
    assert first.stdout.startswith(b" 2 letters: ")
    assert first.reference.stdout == first.stdout
    patched = True
    with pytest.raises(colt_llvm.UsageError, match=r"began with strategy Cycle"):
        colt_llvm.resume("cut", objective=bulk, check=sound)
    resumed = colt_llvm.resume("cut", check=sound, **own)
    whole = colt_llvm.tune(source, check=sound, run_directory="whole", trials=24, workers=1, seed=5, **own)
    assert trials_of(Path("cut")) == trials_of(Path("whole"))
    assert (resumed.sequence, resumed.ratio, resumed.verdict) == (whole.sequence, whole.ratio, whole.verdict)
    assert whole.objective == "bulk"
    assert whole.notes[-1] == "proposed by strategy Cycle, no model"
    (size, tuned), (count, fewer) = whole.figures["size"], whole.figures["instructions"]
    assert whole.improved
    assert whole.ratio == pytest.approx((size + 2 * count) / (tuned + 2 * fewer))
    assert json.loads(Path("whole/run.json").read_text())["hooks"] == {
        "objective": "bulk of size, text, instructions", "check": "sound", "strategy": "Cycle",
    }  # fmt: skip
    assert colt_llvm.load_recipe(Path("whole/recipe.json")).objective == "bulk"


def test_what_a_check_refuses_is_a_miscompile_with_its_reason(source: Path) -> None:
    source = source.with_name("known.c")  # what it prints depends on whether indvars runs
    source.write_text("""
        #include <stdio.h>
        int main(void) {
            unsigned sum = 0;
            for (unsigned i = 0; i < 1000; i++) sum += i;
            puts(__builtin_constant_p(sum) ? "a root and another one" : "none");
            return 0;
        }
    """)

    def strict(run: Any) -> str | None:
        return "no\nroots" if b"none" in run.stdout else None

    check = colt_llvm.OwnCheck(strict, replaces=True)
    result = colt_llvm.tune(source, objective="size", check=check, trials=16, workers=1, run_directory="run")
    assert set(result.failures) == {"miscompile"}
    assert result.compared.what == ("exit status", "check strict")
    refused = [trial for trial in trials_of(Path("run")) if trial["outcome"]["failure"]]
    assert refused[0]["detail"] == "workload default: check strict: no roots"
    assert list(Path("run/miscompiles").iterdir())


def test_a_check_that_refuses_the_baseline_now_and_then_blames_no_candidate(source: Path) -> None:
    runs = 0

    def moody(run: Any) -> str | None:
        nonlocal runs
        runs += 1
        return "no roots" if runs > 3 else None

    with pytest.raises(colt_llvm.ProgramError, match=r"one is refused by check moody: no roots.*fix the check"):
        colt_llvm.tune(source, objective="size", check=moody, trials=16, workers=1)


def test_a_check_that_refuses_the_baseline_is_told_before_the_search(source: Path) -> None:
    def never(run: Any) -> str:
        return "wrong"

    with pytest.raises(colt_llvm.ProgramError, match="the baseline itself is refused by check never: wrong"):
        colt_llvm.tune(source, objective="size", check=never, trials=4)
    assert not Path("colt-runs").exists()


class Counting:
    """Draws an edit by the request's number, and names itself."""

    def __init__(self) -> None:
        self.spec = colt_llvm.ModelSpec("counting", kind="python", parameters=1e9)
        self.texts: list[str] = []
        self.closed = False

    def ask(self, prompt: colt_llvm.Prompt, timeout_seconds: float) -> colt_llvm.Answer:
        self.texts.append(prompt.messages[-1].content)
        edits = prompt.question.edits
        passes = [edits[(7 * prompt.question.request_id + step) % len(edits)] for step in range(3)]
        return colt_llvm.Answer(json.dumps({"passes": passes, "next_model": "counting"}), colt_llvm.Usage(10, 0, 2))

    def close(self) -> None:
        self.closed = True


def test_a_model_of_ones_own_is_asked_and_counted_like_any_other(source: Path) -> None:
    model = Counting()
    colt_llvm.tune(source, objective=bulk, models=[model], trials=4, workers=1, run_directory="run")
    with pytest.raises(colt_llvm.UsageError, match=r"began with models counting.*models="):
        colt_llvm.resume("run", objective=bulk, trials=8)
    result = colt_llvm.resume("run", objective=bulk, models=[model], trials=8)
    counted = result.models["models"]["counting"]
    assert (counted["answers"], counted["tokens"]) == (8, 96)
    assert len(model.texts) == 8
    assert "bulk, less is better" in model.texts[0]
    assert model.closed
