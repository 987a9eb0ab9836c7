"""A check of the caller's own: a Python function that says whether one run of a candidate is right."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from colt_llvm.core.errors import ColtError, UsageError
from colt_llvm.measure.runner import Observation

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class ProgramRun:
    """What a program did in one run of a workload."""

    workload: str  #: its name
    status: int  #: exit status, or minus the number of the signal that ended it
    stdout: bytes  #: all of it
    stderr: bytes  #: all of it
    files: Mapping[str, bytes | None]  #: content of each output file that the workload names; None: not written
    #: What the baseline did in its first run; for that run, the same again.
    reference: ProgramRun | None = field(default=None, repr=False)


#: None where the run is right, else the reason why it is not.
CheckFunction = Callable[[ProgramRun], "str | None"]


class CheckError(ColtError, RuntimeError):
    """A check function raised, or gave something else than a reason or None. That is no miscompile."""


@dataclass(frozen=True)
class OwnCheck:
    """A check that the caller wrote. The exit status is compared in any case. Raises UsageError."""

    function: CheckFunction  #: called for every run of every candidate and of the baseline, one call at a time
    #: It decides in place of the comparison with the baseline's output, which may then differ from run to run; else
    #: both have to agree.
    replaces: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)  # one call at a time

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise UsageError(f"check: {self.function!r} is no function; give one that takes a ProgramRun")

    @property
    def name(self) -> str:
        """The function's own name."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def refusal(self, workload: str, observation: Observation, reference: Observation) -> str | None:
        """Why the run is wrong, in one line; None where it is right. Raises CheckError."""
        run = _run_of(workload, observation, _run_of(workload, reference, None))
        try:
            with self._lock:
                reason = self.function(run)
        except Exception as error:
            said = _line(f"{type(error).__name__}: {error}")
            raise CheckError(f"check {self.name}: raised {said}, on workload {workload}; mend it") from error
        if reason is not None and not isinstance(reason, str):
            raise CheckError(f"check {self.name}: gave {_line(repr(reason))}; return None, or the reason as text")
        return None if reason is None else f"check {self.name}: {_line(reason) or 'refused, without a reason'}"


def _run_of(workload: str, seen: Observation, reference: ProgramRun | None) -> ProgramRun:
    return ProgramRun(workload, seen.status, seen.stdout, seen.stderr, dict(seen.outputs), reference)


def _line(text: str) -> str:
    """One printable line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[:_SHOWN_CHARACTERS] + "…"
