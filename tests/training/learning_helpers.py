"""Run directories that nobody ran: a program, and trials with rewards of our choice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from colt_llvm.evaluate.evaluation import Evaluation
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.specs import spec_to_dict
from colt_llvm.program.program import program_from_files, program_to_dict
from colt_llvm.program.recipe import source_digest
from colt_llvm.run.trials import TrialRecord, trial_to_dict
from colt_llvm.search import Proposal, Request
from colt_llvm.training.dataset import TrainingRun

SOURCE = "int main(void) { return 0; }\n"


def a_trial(
    number: int, added: str, reward: float | None, *, at: str = "", by: str = "embedded/base", kind: str = "expand"
) -> TrialRecord:
    """added, at: names with spaces between."""
    return TrialRecord(
        Request(number, 0, tuple(at.split()), by, kind),  # type: ignore[arg-type]
        Proposal(tuple(added.split()), by, by),
        Evaluation(reward, f"key-{number}", None if reward is not None else "crash"),
        0.1 * number, known=False,
    )  # fmt: skip


def a_run(
    folder: Path,
    trials: Sequence[TrialRecord],
    *,
    name: str = "tiny",
    models: Sequence[ModelSpec] = (),
    text: str = SOURCE,
    **changes: Any,
) -> Path:
    """A folder as tune leaves it. changes: of the header; ``objective`` is an option."""
    folder.mkdir(parents=True)
    source = folder.parent / f"{name}.c"
    source.write_text(text)
    program = replace(program_from_files([source]), name=name)
    header: dict[str, Any] = {
        "version": 1,
        "program": program_to_dict(program),
        "sources": {str(source): source_digest(source) for source in program.sources},
        "options": {"objective": changes.pop("objective", "size")},
        "models": [spec_to_dict(spec) for spec in models],
        "llvm": "22.1.8",
        **changes,
    }
    (folder / "run.json").write_text(json.dumps(header))
    (folder / "trials.jsonl").write_text("".join(json.dumps(trial_to_dict(trial)) + "\n" for trial in trials))
    return folder


def names(dataset: Sequence[TrainingRun]) -> list[str]:
    return [run.folder.name for run in dataset]
