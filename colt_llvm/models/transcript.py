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
from dataclasses import replace
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import RunDirectoryError
from colt_llvm.core.files import write_file
from colt_llvm.models.base import LATE, Message
from colt_llvm.models.record import CallRecord, record_from_dict, record_to_dict

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
