"""One trial of a run, and the line of ``trials.jsonl`` that holds it. Reading back gives an equal value.

Unknown fields are ignored, so that a journal may say more than the search reads. A missing or ill-typed field raises
UsageError and names the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from colt_llvm.core.errors import RunDirectoryError, UsageError
from colt_llvm.evaluate.evaluation import Evaluation
from colt_llvm.search.protocol import KINDS, Outcome, Proposal, Request


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


Record = dict[str, Any]


def proposal_to_dict(proposal: Proposal) -> Record:
    """One flat dict of strings, a list of strings and nulls; with a confidence, a number, only where there is one."""
    record: Record = {
        "passes": list(proposal.passes),
        "next_model": proposal.next_model,
        "model": proposal.model,
        "error": proposal.error,
        "asked": proposal.asked,
    }
    if proposal.promised is not None:
        record["promised"] = proposal.promised
    if proposal.confidence is not None:
        record["confidence"] = proposal.confidence
    if proposal.further:
        record["further"] = [proposal_to_dict(further) for further in proposal.further]
    return record


def proposal_from_dict(record: Mapping[str, Any]) -> Proposal:
    """The inverse of :func:`proposal_to_dict`."""
    further = record.get("further", [])
    if not isinstance(further, list) or not all(isinstance(item, Mapping) for item in further):
        raise _bad("further", "a list of objects", further)
    return Proposal(
        passes=_texts(record, "passes"),
        next_model=_text(record, "next_model"),
        model=_text(record, "model"),
        error=_text_or_none(record, "error"),
        asked=_text_or_none(record, "asked") or "",
        promised=_number_or_none(record, "promised"),
        confidence=_chance_or_none(record, "confidence"),
        further=tuple(map(proposal_from_dict, further)),
    )


def request_to_dict(request: Request) -> Record:
    """One dict; ``rejected`` is a nested proposal or null; with ``given``, another, only where there is one."""
    record: Record = {
        "id": request.id,
        "node": request.node,
        "sequence": list(request.sequence),
        "model": request.model,
        "kind": request.kind,
        "rejected": None if request.rejected is None else proposal_to_dict(request.rejected),
    }
    if request.given is not None:
        record["given"] = proposal_to_dict(request.given)
    return record


def request_from_dict(record: Mapping[str, Any]) -> Request:
    """The inverse of :func:`request_to_dict`."""
    kind = _text(record, "kind")
    if kind not in KINDS:
        raise _bad("kind", f"one of {', '.join(KINDS)}", kind)
    nested = {name: record.get(name) for name in ("rejected", "given")}
    for name, value in nested.items():
        if value is not None and not isinstance(value, Mapping):
            raise _bad(name, "an object or null", value)
    return Request(
        id=_count(record, "id"),
        node=_count(record, "node"),
        sequence=_texts(record, "sequence"),
        model=_text(record, "model"),
        kind=kind,
        **{name: None if value is None else proposal_from_dict(value) for name, value in nested.items()},
    )


def outcome_to_dict(outcome: Outcome) -> Record:
    """One dict; floats are written as they are, so JSON keeps every bit of them."""
    record: Record = {
        "reward": outcome.reward,
        "key": outcome.key,
        "failure": outcome.failure,
        "figures": dict(outcome.figures),
    }
    if outcome.parts:
        record["parts"] = dict(outcome.parts)
    return record


def outcome_from_dict(record: Mapping[str, Any]) -> Outcome:
    """The inverse of :func:`outcome_to_dict`."""
    reward = record.get("reward")
    figures = record.get("figures", {})
    if reward is not None and not _is_number(reward):
        raise _bad("reward", "a number or null", reward)
    if not isinstance(figures, Mapping) or not all(_is_number(value) for value in figures.values()):
        raise _bad("figures", "an object of numbers", figures)
    parts = record.get("parts", {})
    if not isinstance(parts, Mapping) or not all(isinstance(value, int) for value in parts.values()):
        raise _bad("parts", "an object of whole numbers", parts)
    return Outcome(
        reward=None if reward is None else float(reward),
        key=_text_or_none(record, "key"),
        failure=_text_or_none(record, "failure"),
        figures={str(name): float(value) for name, value in figures.items()},
        parts={str(name): int(value) for name, value in parts.items()},
    )


def _bad(field: str, expected: str, found: object) -> UsageError:
    return UsageError(f"record field {field!r} must be {expected}, found {found!r}: the journal was edited or cut off")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(record: Mapping[str, Any], field: str) -> str:
    value = record.get(field)
    if not isinstance(value, str):
        raise _bad(field, "text", value)
    return value


def _text_or_none(record: Mapping[str, Any], field: str) -> str | None:
    return None if record.get(field) is None else _text(record, field)


def _texts(record: Mapping[str, Any], field: str) -> tuple[str, ...]:
    value = record.get(field)
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise _bad(field, "a list of texts", value)
    return tuple(value)


def _number_or_none(record: Mapping[str, Any], field: str) -> float | None:
    value = record.get(field)
    if value is None:
        return None
    if not _is_number(value):
        raise _bad(field, "a number or null", value)
    return float(value)


def _chance_or_none(record: Mapping[str, Any], field: str) -> float | None:
    value = record.get(field)
    if value is None:
        return None
    if not _is_number(value) or not 0.0 <= value <= 1.0:
        raise _bad(field, "a number from 0 to 1 or null", value)
    return float(value)


def _count(record: Mapping[str, Any], field: str) -> int:
    value = record.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _bad(field, "a whole number, 0 or more", value)
    return value
