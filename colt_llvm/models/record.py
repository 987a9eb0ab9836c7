"""One call as it is written down: what was asked, what came of it, what it took."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from colt_llvm.models.base import Answer, CallError, Message, Usage
from colt_llvm.models.question import Question


@dataclass(frozen=True)
class CallRecord:
    """One attempt. request, kind: the search's own. attempt: from 1 on, of this request and model.

    digest: of what was asked. error: kind of failure; None for an answer. cost: in the currency of the prices.
    seconds: how long the call took. estimated: usage and cost are the worst case, for the endpoint never told.
    form: how the next request is to be put, where the endpoint left a choice. served_from: the request of an earlier
    part of the run whose answer was taken, so nothing was asked or paid; None for a call that went out.
    """

    request: int
    digest: str
    kind: str
    model: str
    attempt: int
    answer: str | None = None
    error: str | None = None
    error_text: str = ""
    retryable: bool = False
    retry_after_seconds: float | None = None
    usage: Usage = field(default_factory=Usage)
    cost: float = 0.0
    seconds: float = 0.0
    estimated: bool = False
    form: Mapping[str, Any] | None = None
    served_from: int | None = None
    messages: tuple[Message, ...] = ()

    def outcome(self) -> Answer:
        """The answer. Raises CallError where the call had failed."""
        if self.error is None:
            return Answer(self.answer or "", self.usage)
        raise CallError(
            self.error,
            self.error_text,
            retryable=self.retryable,
            retry_after_seconds=self.retry_after_seconds,
            usage=self.usage,
        )


def digest_of(question: Question) -> str:
    """What the search asked: kind, sequence and the rejected proposal. Statistics and wording are left out."""
    rejected = question.rejected and [list(question.rejected.passes), question.rejected.model]
    text = json.dumps([question.kind, list(question.state.sequence), rejected])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def record_to_dict(record: CallRecord) -> dict[str, Any]:
    """For one line of JSON, without the messages; what has its usual value is left out."""
    usage = record.usage
    values: dict[str, Any] = {
        "request": record.request, "digest": record.digest, "kind": record.kind, "model": record.model,
        "attempt": record.attempt, "answer": record.answer, "error": record.error,
        "usage": [usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens],
        "cost": record.cost, "seconds": record.seconds,
    }  # fmt: skip
    if record.error is not None:
        values["error_text"] = record.error_text
        values["retryable"] = record.retryable
        values["retry_after_seconds"] = record.retry_after_seconds
    for name in ("estimated", "form", "served_from"):
        value = getattr(record, name)
        if value is not None and value is not False:
            values[name] = value
    return values


def record_from_dict(values: Mapping[str, Any]) -> CallRecord:
    """The inverse, without the messages. Raises KeyError, TypeError or ValueError for what is no record."""
    prompt, cached, completion = values["usage"]
    return CallRecord(
        request=int(values["request"]),
        digest=str(values["digest"]),
        kind=str(values["kind"]),
        model=str(values["model"]),
        attempt=int(values["attempt"]),
        answer=values["answer"],
        error=values["error"],
        error_text=str(values.get("error_text", "")),
        retryable=bool(values.get("retryable", False)),
        retry_after_seconds=values.get("retry_after_seconds"),
        usage=Usage(int(prompt), int(cached), int(completion)),
        cost=float(values["cost"]),
        seconds=float(values["seconds"]),
        estimated=bool(values.get("estimated", False)),
        form=values.get("form"),
        served_from=values.get("served_from"),
    )
