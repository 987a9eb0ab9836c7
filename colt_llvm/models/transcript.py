"""Every call of a run, in ``calls.jsonl``: appended as it ends, read again when the run goes on.

    calls.jsonl        one line a call
    prompts/<hash>.txt messages of more than 2 KB, each stored once

What was recorded for a request that the search was not told of is served again, so that nothing is paid twice.
Why so: docs/decisions/0014.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import RunDirectoryError
from colt_llvm.core.files import write_file
from colt_llvm.models.base import LATE, Answer, CallError, Message, Usage
from colt_llvm.models.question import Question


@dataclass(frozen=True)
class CallRecord:
    """One attempt. request, kind: the search's own. attempt: from 1 on, of this request and model.

    digest: of what was asked. error: kind of failure; None for an answer. cost: in the currency of the prices.
    seconds: how long the call took. estimated: usage and cost are the worst case, for the endpoint never told.
    form: how the next request is to be put, where the endpoint left a choice. served_from: the request of an earlier
    part of the run whose answer was taken, so nothing was asked or paid; None for a call that went out.
    reasoning: what the model thought before it answered. estimated_prompt: tokens of the prompt before it was sent.
    counted_prompt, context_tokens: of a prompt that was too long, and what the endpoint takes, as far as it said so.
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
    reasoning: str = ""
    estimated_prompt: int = 0
    counted_prompt: int = 0
    context_tokens: int = 0

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
    if usage.reasoning_tokens:
        values["usage"].append(usage.reasoning_tokens)
    for name in ("form", "served_from"):
        if (value := getattr(record, name)) is not None:
            values[name] = value
    for name in ("estimated", "reasoning", "estimated_prompt", "counted_prompt", "context_tokens"):
        if value := getattr(record, name):
            values[name] = value
    return values


def record_from_dict(values: Mapping[str, Any]) -> CallRecord:
    """The inverse, without the messages. Raises KeyError, TypeError or ValueError for what is no record."""
    prompt, cached, completion, *thought = values["usage"]
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
        usage=Usage(int(prompt), int(cached), int(completion), *map(int, thought)),
        cost=float(values["cost"]),
        seconds=float(values["seconds"]),
        estimated=bool(values.get("estimated", False)),
        form=values.get("form"),
        served_from=values.get("served_from"),
        reasoning=str(values.get("reasoning", "")),
        estimated_prompt=int(values.get("estimated_prompt", 0)),
        counted_prompt=int(values.get("counted_prompt", 0)),
        context_tokens=int(values.get("context_tokens", 0)),
    )


CALLS = "calls.jsonl"
_LONGEST_INLINE = 2048
_SYNC_SECONDS = 1.0


class Recorded:
    """Attempts by what was asked, in their order. Those that were cancelled are not served.

    Of a request that nobody waited for any more only that is served: another one answered in its place.
    """

    def __init__(self, records: Sequence[CallRecord], told: Collection[int] = ()) -> None:
        self._waiting: dict[tuple[int, str, str], deque[CallRecord]] = {}
        used = {
            (record.served_from, record.digest, record.model) for record in records if record.served_from is not None
        }
        late = {(record.request, record.digest, record.model) for record in records if record.error == LATE}
        self.requests: set[int] = set()  # those with an attempt to be served
        for record in records:
            key = (record.request, record.digest, record.model)
            if record.error == "cancelled" or record.request in told or key in used:
                continue
            if key in late and record.error != LATE:
                continue
            self.requests.add(record.request)
            self._waiting.setdefault(key, deque()).append(record)

    def take(self, request: int, digest: str, model: str) -> CallRecord | None:
        """The next attempt of just this request."""
        waiting = self._waiting.get((request, digest, model))
        return waiting.popleft() if waiting else None

    def knew(self, request: int, digest: str, model: str) -> bool:
        """Whether just this was asked, though nothing more is left of it."""
        return (request, digest, model) in self._waiting

    @property
    def last_request(self) -> int:
        """-1 where nothing is recorded."""
        return max(self.requests, default=-1)

    def take_whole(self, digest: str, model: str) -> list[CallRecord]:
        """All attempts of some request that asked the same and was answered."""
        for key, waiting in self._waiting.items():
            if key[1:] == (digest, model) and waiting and waiting[-1].error is None:
                return list(self._waiting.pop(key))
        return []


class Transcript:
    """The calls of one run directory. Thread-safe. records: those of earlier parts of the run."""

    def __init__(
        self, directory: Path, told: Collection[int] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        """told: requests whose trials are in the journal. Cuts off a torn last line. Raises RunDirectoryError."""
        self.directory = directory
        self._lock = threading.Lock()
        self._clock = clock
        self._synced = clock()
        self._stored: set[str] = set()
        self.records, sound_bytes = _read(directory / CALLS)
        self._recorded = Recorded(self.records, told)
        self._moved: dict[tuple[int, str, str], deque[CallRecord]] = {}
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = open(directory / CALLS, "ab")  # noqa: SIM115  closed by close()
            self._file.truncate(sound_bytes)
        except OSError as error:
            raise _unwritable(directory, error) from None

    def append(self, record: CallRecord) -> None:
        """Write one call. It outlives this process at once, and the machine within a second."""
        with self._lock:
            self._write(record)

    def take(self, request: int, digest: str, model: str) -> CallRecord | None:
        """The next recorded attempt for this request; None when it has to be asked.

        A request that was under way when the run was killed may come back under another id: then its answer is taken
        all the same, and written down as served from there.
        """
        with self._lock:
            key = (request, digest, model)
            if key not in self._moved:
                record = self._recorded.take(*key)
                if record is not None:
                    return record
                whole = self._recorded.take_whole(digest, model) if request not in self._recorded.requests else []
                self._moved[key] = deque(replace(old, request=request, served_from=old.request) for old in whole)
            if not self._moved[key]:
                return None
            record = self._moved[key].popleft()
            self._write(record)
            return record

    def forms(self) -> dict[str, Mapping[str, Any]]:
        """How each endpoint is to be asked, as far as earlier parts of the run found out."""
        return {record.model: record.form for record in self.records if record.form}

    def close(self) -> None:
        """Raises RunDirectoryError where what is left cannot be written."""
        with self._lock:
            try:
                self._file.close()
            except OSError as error:
                raise _unwritable(self.directory, error) from None

    def _write(self, record: CallRecord) -> None:
        values = record_to_dict(record)
        try:
            if record.messages:
                values["messages"] = [self._stored_message(message) for message in record.messages]
            line = json.dumps(values, separators=(",", ":"), allow_nan=False) + "\n"
            self._file.write(line.encode("utf-8"))
            self._file.flush()
            if self._clock() - self._synced >= _SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = self._clock()
        except (OSError, ValueError) as error:
            raise _unwritable(self.directory, error) from None

    def _stored_message(self, message: Message) -> dict[str, str]:
        text = message.content.encode("utf-8", "backslashreplace")
        if len(text) <= _LONGEST_INLINE:
            return {"role": message.role, "content": message.content}
        name = hashlib.sha256(text).hexdigest()[:32]
        if name not in self._stored:
            file = self.directory / "prompts" / f"{name}.txt"
            if not file.exists():
                file.parent.mkdir(exist_ok=True)
                write_file(file, text)
            self._stored.add(name)
        return {"role": message.role, "stored": name}


def read_calls(directory: Path) -> list[CallRecord]:
    """The calls of a run, for readers: changes nothing, and leaves a torn last line out. Raises RunDirectoryError."""
    return _read(directory / CALLS)[0]


def _read(path: Path) -> tuple[list[CallRecord], int]:
    """Records, and how many bytes of the file they take. Only the last line may be torn."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise RunDirectoryError(f"{path}: {error.strerror}; name a run directory that can be read") from None
    records, position = [], 0
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        whole = len(line) + 1
        try:
            records.append(record_from_dict(json.loads(line)))
        except (ValueError, KeyError, TypeError):
            if position + whole < len(data):
                raise RunDirectoryError(
                    f"{path} line {number}: is not a call; restore the file, or start a new run"
                ) from None
            break
        position += whole
    return records, position


def _unwritable(directory: Path, error: Exception) -> RunDirectoryError:
    said = getattr(error, "strerror", None) or str(error)
    return RunDirectoryError(f"{directory}: {said}; free some space, or choose a folder that can be written")
