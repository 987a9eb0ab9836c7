"""Runs, trials and results as JSON-able dicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from colt_llvm import __version__
from colt_llvm.core.errors import RunDirectoryError
from colt_llvm.core.variables import deciding_variables
from colt_llvm.evaluate.target import Target
from colt_llvm.measure.host import fingerprint
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.specs import spec_to_dict
from colt_llvm.program.program import program_to_dict
from colt_llvm.program.recipe import source_digest
from colt_llvm.run.driver import TrialRecord
from colt_llvm.run.progress import TuneResult
from colt_llvm.search.records import (
    outcome_from_dict,
    outcome_to_dict,
    proposal_from_dict,
    proposal_to_dict,
    request_from_dict,
    request_to_dict,
)


def run_header(
    target: Target, specs: Sequence[ModelSpec], output: Path | None, hooks: Mapping[str, str]
) -> dict[str, Any]:
    """hooks: their names, under "hooks"; nothing where there are none."""
    program, toolchain, baseline = target.program, target.toolchain, target.baseline
    named = {"hooks": dict(hooks)} if hooks else {}
    return {
        **named,
        "colt_llvm": __version__,
        "begun": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "program": program_to_dict(program),
        "sources": {str(source): source_digest(source) for source in program.sources},
        "options": target.options.to_dict(),
        "models": [spec_to_dict(spec) for spec in specs],
        "llvm": toolchain.version,
        "triple": toolchain.triple,
        "baseline": baseline.name,
        "completion": baseline.completion.pipeline,
        "host": asdict(fingerprint()),
        "variables": deciding_variables(),
        "output": str(output.absolute()) if output else None,
    }


def trial_to_dict(trial: TrialRecord) -> dict[str, Any]:
    return {
        "request": request_to_dict(trial.request),
        "proposal": proposal_to_dict(trial.proposal),
        "outcome": outcome_to_dict(trial.outcome),
        "seconds": round(trial.seconds, 6),
        "known": trial.known,
        "checked": trial.checked,
        "detail": trial.detail,
        "samples": dict(trial.samples),
    }


def trial_from_dict(record: Mapping[str, Any]) -> TrialRecord:
    """Raises RunDirectoryError for a record that is no trial."""
    try:
        return TrialRecord(
            request_from_dict(record["request"]), proposal_from_dict(record["proposal"]),
            outcome_from_dict(record["outcome"]), float(record["seconds"]), bool(record["known"]),
            str(record["detail"]), bool(record["checked"]), dict(record["samples"]),
        )  # fmt: skip
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunDirectoryError(f"trials.jsonl: holds something that is no trial ({error}); start a new run") from None


def result_to_dict(result: TuneResult) -> dict[str, Any]:
    """JSON-able."""
    data = {**asdict(result), "compared": result.compared.to_dict()}
    for key in ("run_directory", "recipe", "output"):
        data[key] = str(data[key]) if data[key] is not None else None
    if result.interval is not None and not all(map(math.isfinite, (result.interval.low, result.interval.high))):
        data["interval"] = None
    return data
