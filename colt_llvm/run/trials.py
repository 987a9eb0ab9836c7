"""One trial of a run, and the line of ``trials.jsonl`` that holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from colt_llvm.core.errors import RunDirectoryError
from colt_llvm.evaluate.evaluation import Evaluation
from colt_llvm.search.protocol import Proposal, Request
from colt_llvm.search.records import (
    outcome_from_dict,
    outcome_to_dict,
    proposal_from_dict,
    proposal_to_dict,
    request_from_dict,
    request_to_dict,
)


@dataclass(frozen=True)
class TrialRecord:
    """One trial as it ended."""

    request: Request
    proposal: Proposal
    outcome: Evaluation
    seconds: float  # since the search began, earlier parts of the run included
    known: bool  # the object code had been seen before

    @property
    def sequence(self) -> tuple[str, ...]:
        """All actions from the root."""
        return self.request.sequence + self.proposal.passes


def trial_to_dict(trial: TrialRecord) -> dict[str, Any]:
    """JSON-able."""
    return {
        "request": request_to_dict(trial.request),
        "proposal": proposal_to_dict(trial.proposal),
        "outcome": outcome_to_dict(trial.outcome),
        "seconds": round(trial.seconds, 6),
        "known": trial.known,
        "checked": trial.outcome.checked,
        "detail": trial.outcome.detail,
        "samples": dict(trial.outcome.samples),
    }


def trial_from_dict(record: Mapping[str, Any]) -> TrialRecord:
    """Raises RunDirectoryError for a record that is no trial."""
    try:
        told = outcome_from_dict(record["outcome"])
        outcome = Evaluation(
            **vars(told), detail=str(record["detail"]), checked=bool(record["checked"]),
            samples=dict(record["samples"]),
        )  # fmt: skip
        return TrialRecord(
            request_from_dict(record["request"]), proposal_from_dict(record["proposal"]), outcome,
            float(record["seconds"]), bool(record["known"]),
        )  # fmt: skip
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunDirectoryError(f"trials.jsonl: holds something that is no trial ({error}); start a new run") from None
