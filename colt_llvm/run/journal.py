"""A run directory: what was asked for, and every trial as it ends.

    run.json       written once: options, program, toolchain, host, baseline
    trials.jsonl   one line a trial, appended as it ends
    result.json    written at the end
    miscompiles/   one folder a wrong program, with what reproduces it

A process that is killed at any moment leaves at worst a torn last line; it is cut off when the run is opened again.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import RunDirectoryError
from colt_llvm.core.files import explained, write_json

VERSION = 1
_SYNC_SECONDS = 1.0


class Journal:
    """An open run directory. One process at a time writes to it."""

    def __init__(self, directory: Path, header: Mapping[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        self.directory = directory
        self.header = header
        self._clock = clock
        self._synced = clock()
        with explained(directory):
            self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            _lock_or_refuse(self._lock, directory)
            self._file = open(directory / "trials.jsonl", "ab")  # noqa: SIM115  closed by close()

    @staticmethod
    def create(directory: Path, header: Mapping[str, Any]) -> Journal:
        """Begin a run in a new or empty directory. Raises RunDirectoryError."""
        with explained(directory):
            directory.mkdir(parents=True, exist_ok=True)
        header = {"version": VERSION, **header}
        journal = Journal(directory, header)  # locked from here on
        try:
            if (directory / "run.json").exists():
                raise RunDirectoryError(
                    f"{directory}: holds a run already; go on with --resume, or choose another folder"
                )
            try:
                write_json(directory / "run.json", header)
            except BaseException:
                for name in ("trials.jsonl", "lock"):  # a run that could not begin leaves nothing
                    (directory / name).unlink(missing_ok=True)
                raise
        except BaseException:
            journal.close()
            raise
        return journal

    @staticmethod
    def open(directory: Path) -> tuple[Journal, list[dict[str, Any]]]:
        """Go on with a run: the journal and its trials. A torn last line is cut off. Raises RunDirectoryError."""
        header = read_header(directory)
        journal = Journal(directory, header)
        try:
            with explained(directory):
                trials, sound_bytes = _read_trials(directory / "trials.jsonl")
                os.truncate(directory / "trials.jsonl", sound_bytes)
        except BaseException:
            journal.close()
            raise
        return journal, trials

    def append(self, trial: Mapping[str, Any]) -> None:
        """Write one trial. It outlives this process at once, and the machine within a second."""
        line = json.dumps(trial, separators=(",", ":"), allow_nan=False) + "\n"
        with explained(self.directory):
            self._file.write(line.encode("utf-8"))
            self._file.flush()
            if self._clock() - self._synced >= _SYNC_SECONDS:
                os.fsync(self._file.fileno())
                self._synced = self._clock()

    def write_result(self, result: Mapping[str, Any]) -> None:
        write_json(self.directory / "result.json", result)

    def folder(self, *parts: str) -> Path:
        """A folder inside the run directory, made if needed."""
        path = self.directory.joinpath(*parts)
        with explained(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def close(self) -> None:
        if self._lock < 0:
            return
        try:
            with explained(self.directory):
                self._file.close()
        finally:
            os.close(self._lock)
            self._lock = -1


def read_header(directory: Path) -> dict[str, Any]:
    """run.json of a run directory. Raises RunDirectoryError."""
    file = directory / "run.json"
    try:
        header = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunDirectoryError(f"{directory}: holds no run (no run.json); name the folder that tune made") from None
    except NotADirectoryError:
        raise RunDirectoryError(f"{directory}: is a file; name the folder that it lies in") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunDirectoryError(f"{file}: cannot be read ({error}); start a new run") from None
    if not isinstance(header, dict) or header.get("version") != VERSION:
        raise RunDirectoryError(f"{file}: was not written by this version of colt-llvm; start a new run")
    return header


def read_result(directory: Path) -> dict[str, Any] | None:
    """result.json of a run; None for a run that is not at its end. Raises RunDirectoryError."""
    file = directory / "result.json"
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise RunDirectoryError(
            f"{file}: cannot be read ({error}); remove it and go on with colt-llvm tune --resume"
        ) from None
    if not isinstance(result, dict):
        raise RunDirectoryError(f"{file}: holds no result; remove it and go on with colt-llvm tune --resume")
    return result


def is_at_work(directory: Path) -> bool:
    """Whether a process is writing to this run now. Changes nothing."""
    import fcntl

    try:
        descriptor = os.open(directory / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def locked_directory(chosen: Path | None, name: str) -> Iterator[Path]:
    """The folder of a run: ``chosen``, or a new ``colt-runs/NAME-N`` here, which nobody else gets at the same time.

    A new one goes again where nothing came into it. Raises RunDirectoryError.
    """
    if chosen is not None:
        yield chosen
        return
    root = Path("colt-runs")
    with explained(root):
        made_root = _made(root)
        number = 1
        while not _made(root / f"{name}-{number}"):
            number += 1
    try:
        yield root / f"{name}-{number}"
    finally:
        with contextlib.suppress(OSError):  # not empty, as it should be
            (root / f"{name}-{number}").rmdir()
            if made_root:
                root.rmdir()


def _made(folder: Path) -> bool:
    """Whether this call made it: of several at once, one is told so. The folder above goes when its last run failed."""
    while True:
        try:
            folder.mkdir()
        except FileExistsError:
            return False
        except FileNotFoundError:
            if not folder.parent.name:
                raise
            folder.parent.mkdir(exist_ok=True)
        else:
            return True


def read_trials(directory: Path) -> list[dict[str, Any]]:
    """The trials of a run, for readers: changes nothing, and leaves a torn last line out."""
    with explained(directory):
        return _read_trials(directory / "trials.jsonl")[0]


def _read_trials(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Trials, and how many bytes of the file they take. Only the last line may be torn."""
    if not path.exists():
        return [], 0
    data = path.read_bytes()
    trials, position = [], 0
    for number, line in enumerate(_lines(data), start=1):
        try:
            trial = json.loads(line)
        except ValueError:
            if position + len(line) < len(data):
                raise RunDirectoryError(
                    f"{path} line {number}: is not a trial; restore the file, or start a new run"
                ) from None
            break
        if not line.endswith(b"\n"):
            break
        trials.append(trial)
        position += len(line)
    return trials, position


def _lines(data: bytes) -> Iterator[bytes]:
    yield from data.splitlines(keepends=True)


def _lock_or_refuse(descriptor: int, directory: Path) -> None:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise RunDirectoryError(f"{directory}: another process is at work on this run; let it end first") from None
