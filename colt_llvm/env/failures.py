"""Why a service ended, as one of the package's typed errors."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

from colt_llvm.core import errors
from colt_llvm.core.errors import PassCrashed, PassError, PassOutOfMemory, PassTimedOut
from colt_llvm.env import guard

_MEMORY = re.compile(r"out of memory|bad_alloc|Allocation failed|MemoryError|Cannot allocate memory", re.IGNORECASE)
_TELLING = re.compile(r"LLVM ERROR|Assertion|Error\b|terminate called|report_fatal_error|UNREACHABLE")
_LOG_BYTES = 64 << 10
_SENTENCE = 300


class ServiceLost(PassError, ConnectionError):
    """The service was ended from outside, or cannot be reached; no pass is to blame."""


def classify(status: int | None, log: str, limit_seconds: float, what: str) -> PassError:
    """The error for a service that ended with ``status`` (minus the signal's number) while it did ``what``."""
    if status == guard.EXIT_TIMED_OUT:
        return PassTimedOut(f"{what}: not done after {limit_seconds:g} s; leave it out or raise the time limit")
    if status == guard.EXIT_OUT_OF_MEMORY or _MEMORY.search(log):
        return PassOutOfMemory(f"{what}: went over the memory limit; leave it out or raise the limit")
    reason = _how_it_ended(status)
    if status in (-signal.SIGKILL, -signal.SIGTERM, None, 0):
        return ServiceLost(f"{what}: the service is gone ({reason}); check that nobody ends it, and free memory")
    telling = next((line.strip() for line in log.splitlines() if _TELLING.search(line)), "")
    return PassCrashed(f"{what}: crashed ({f'{telling[:_SENTENCE]}; ' if telling else ''}{reason}); leave it out")


def read_log(folder: Path) -> str:
    """The end of what the service wrote to standard error."""
    try:
        with open(folder / "logs" / "stderr.txt", "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LOG_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _how_it_ended(status: int | None) -> str:
    if status is None:
        return "no answer"
    if status < 0:
        try:
            return signal.Signals(-status).name
        except ValueError:
            return f"signal {-status}"
    return f"exit status {status}"


class Refusal(Exception):
    """A service that lives refused a step; ``error`` is the typed error, ``index`` the action's number or None."""

    def __init__(self, details: str) -> None:
        super().__init__(details)
        try:
            data = json.loads(details)
            kind, message = str(data["type"]), str(data["message"])
            self.index = int(data["index"]) if data["during"] == guard.ACTION else None
        except (ValueError, KeyError, TypeError):
            kind, message, self.index = "ValueError", details, None
        named = getattr(errors, kind, None)
        if not (isinstance(named, type) and issubclass(named, errors.ColtError)):
            named = ValueError
        self.error: Exception = named(message)
