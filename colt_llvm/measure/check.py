"""Does the candidate still do what the program does? And does the baseline always do the same?

The built-in comparison, and a check of the caller's own: a Python function that says whether a run is right. A package
adds one with an entry point, whose name is what --check takes:

    [project.entry-points."colt_llvm.checks"]
    roots = "their_package:ROOTS"

Why so: docs/decisions/0019.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from colt_llvm.core import process
from colt_llvm.core.errors import (
    ChildStillRuns,
    ColtError,
    NotRepeatable,
    OutputLimitExceeded,
    ProcessTimeout,
    ProgramError,
    UsageError,
)
from colt_llvm.core.plugins import find_plugin, offered
from colt_llvm.measure.difference import (
    Difference,
    differences,
    ignored,
    quoted,
    status_difference,
    status_text,
    text_difference,
    with_varying,
)
from colt_llvm.measure.runner import Observation, run_workload
from colt_llvm.program.program import Check, Workload

GROUP = "colt_llvm.checks"
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
            raise CheckError(f"check {self.name}: raised {said}, on workload {workload}; fix it") from error
        if reason is not None and not isinstance(reason, str):
            raise CheckError(f"check {self.name}: gave {_line(repr(reason))}; return None, or the reason as text")
        return None if reason is None else f"check {self.name}: {_line(reason) or 'refused, without a reason'}"


@cache
def find_check(name: str) -> OwnCheck:
    """The check of an installed package by its name, or of ``module:NAME``. Raises UsageError."""
    found = find_plugin(GROUP, name)
    if isinstance(found, OwnCheck):
        return found
    if callable(found):
        return OwnCheck(found)
    if found is not None:
        raise UsageError(f"--check {name}: is a {type(found).__name__}; name an OwnCheck or a function of a ProgramRun")
    there = f"use one of {', '.join(offered(GROUP))}" if offered(GROUP) else "install its package"
    raise UsageError(
        f"--check {name!r}: is not known; {there}, or name your own as module:NAME; in Python "
        "give one that takes a ProgramRun"
    )


def _run_of(workload: str, seen: Observation, reference: ProgramRun | None) -> ProgramRun:
    return ProgramRun(workload, seen.status, seen.stdout, seen.stderr, dict(seen.outputs), reference)


def _line(text: str) -> str:
    """One printable line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[:_SHOWN_CHARACTERS] + "…"


_COARSE_CLOCK_SECONDS = 0.02  # time() of the C library lags by up to one tick of the kernel
#: Quick programs run some more times, and so show what varies before the search: for so long, up to so many times.
_MORE_SECONDS, _MOST_RUNS = 0.3, 6
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
_TIME = re.compile(r"\d\s*(s|ms|us|ns|sec|secs|seconds?)\b|\d\d:\d\d|/s\b|\b(time|elapsed|took)\b", re.IGNORECASE)


def first_difference(
    workload: str, expected: Observation, actual: Observation, check: Check | None = None, own: OwnCheck | None = None
) -> Difference | None:
    """By ``differences``, and by the caller's own check.

    Where the own check replaces the comparison, only the exit status is compared. Raises CheckError.
    """
    if own is None or not own.replaces:
        found = next(differences(expected, actual, check), None)
    else:
        line = status_difference(expected, actual)
        found = Difference("exit status", line) if line else None
    if found or own is None:
        return found
    refusal = own.refusal(workload, actual, expected)
    return Difference(f"check {own.name}", refusal) if refusal else None


@dataclass(frozen=True)
class BaselineRuns:
    """How the baseline is run while it is verified."""

    limits: process.Limits = field(default_factory=process.Limits)  #: of each run
    core: int | None = None  #: the first runs are pinned to it
    scratch: Path | None = None  #: where temporary folders are made; among the system's own when None
    allow_nonzero: bool = False  #: accept an exit status other than 0, as long as it is always the same
    #: Let the second runs begin in another second of the clock, which finds out a program that prints the time or seeds
    #: its random numbers with it. Costs up to one second.
    next_second: bool = True


def verify_baseline(
    executable: Path,
    workloads: Sequence[Workload],
    check: Check | None = None,
    own: OwnCheck | None = None,
    runs: BaselineRuns | None = None,
) -> list[Observation]:
    """Run every workload twice or more and return what each did the first time; candidates are held against that.

    What differs from run to run on standard error, or in files that nobody named, is in ``varying`` of that.

    check: what is compared, and how exactly. own: the caller's own check, which has to let the baseline pass.

    Raises ProgramError, in one line with the remedy, for a workload that crashes, never ends, differs from
    run to run or from its known output, or fails; CheckError where the caller's own check does.
    """
    how = runs or BaselineRuns()

    def run(workload: Workload, core: int | None = how.core, number: int = 0) -> Observation:
        observation = _run_once(executable, workload, replace(how, core=core), number)
        if observation.status and how.limits.memory_bytes is not None:
            _refuse_lack_of_memory(executable, workload, observation, how)
        _refuse_failure(workload, observation, how.allow_nonzero)
        return observation

    def by_folder(workload: Workload, first: Observation, second: Observation) -> bool:
        """Each does the same in its own folder, time and again."""
        return all(
            first_difference(workload.name, seen, run(workload, number=number), check, own) is None
            for number, seen in ((0, first), (1, second), (0, first), (1, second))
        )

    observations = [run(workload) for workload in workloads]
    for workload, observation in zip(workloads, observations, strict=True):
        _refuse_wrong_output(workload, observation, check, known=own is None or not own.replaces)
        if own is not None and (found := own.refusal(workload.name, observation, observation)):
            raise ProgramError(
                f"workload {workload.name}: the baseline itself is refused by {found}; fix the check or the program"
            )
    if how.next_second:
        time.sleep(1 - time.time() % 1 + _COARSE_CLOCK_SECONDS)
    began = time.monotonic()
    for count in range(2, _MOST_RUNS + 1):
        if count > 2 and (own is not None or time.monotonic() - began > _MORE_SECONDS):
            break
        for index, workload in enumerate(workloads):
            # Threads take turns where they share a core; runs at once have folders of other names.
            again = run(workload, how.core if count % 2 else None, number=1 - count % 2)
            observations[index] = with_varying(observations[index], again, check)
            if differs := first_difference(workload.name, observations[index], again, check, own):
                if own is None and workload.cwd is None and by_folder(workload, observations[index], again):
                    raise NotRepeatable(
                        f"workload {workload.name}: does something else in a folder of another name, {differs.text}; "
                        "let it not use that name, or give --run '{exe}', which runs it in this folder"
                    )
                raise not_repeatable(workload.name, differs)
    return observations


def not_repeatable(workload: str, found: Difference, more: str = "") -> NotRepeatable:
    """The error for a program that does not do the same each time. more: what else is known of it."""
    if found.what.startswith("check "):
        return NotRepeatable(
            f"workload {workload}: the baseline's own runs differ, one is refused by {found.text}{more}; "
            "fix the check or the program, so that every run of the baseline passes"
        )
    return NotRepeatable(
        f"workload {workload}: differs from run to run, {found.text}{more}; {_remedy(found.text)}, "
        "so that every run does the same"
    )


def _run_once(executable: Path, workload: Workload, how: BaselineRuns, number: int = 0) -> Observation:
    try:
        return run_workload(executable, workload, limits=how.limits, core=how.core, scratch=how.scratch, number=number)
    except ProcessTimeout:
        raise ProgramError(
            f"workload {workload.name}: is still running, and never ends within {how.limits.wall_seconds:g} s; "
            f"give --run a smaller input or raise --timeout{_input_hint(workload)}"
        ) from None
    except ChildStillRuns as error:
        raise ProgramError(f"workload {workload.name}: {error}; let the program end what it starts") from None
    except OutputLimitExceeded:
        raise ProgramError(
            f"workload {workload.name}: prints more than {how.limits.output_bytes} bytes; "
            f"let it print less, or a checksum{_input_hint(workload)}"
        ) from None


def _refuse_lack_of_memory(executable: Path, workload: Workload, failed: Observation, how: BaselineRuns) -> None:
    """Only where the same run with no such limit ends otherwise."""
    unlimited = replace(how, limits=replace(how.limits, memory_bytes=None), core=None)
    with_all = _run_once(executable, workload, unlimited)
    if with_all.status != failed.status:
        raise ProgramError(
            f"workload {workload.name}: the baseline ends with {status_text(failed.status)} under --memory "
            f"{(how.limits.memory_bytes or 0) >> 20} and with {status_text(with_all.status)} without it; "
            f"raise --memory (it uses {-(-with_all.max_rss_bytes >> 20)} MiB, and what it reserves counts too)"
        )


def _refuse_failure(workload: Workload, observation: Observation, allow_nonzero: bool) -> None:
    if observation.status == 0 or (observation.status > 0 and allow_nonzero):
        return
    said = _last_line(observation.stderr)
    if observation.status < 0:
        raise ProgramError(
            f"workload {workload.name}: the baseline dies of {status_text(observation.status)}{said}; "
            f"fix the program or its arguments{_input_hint(workload)}"
        )
    raise ProgramError(
        f"workload {workload.name}: the baseline ends with {status_text(observation.status)}{said}; "
        "check its arguments, or allow a nonzero status (--allow-nonzero) if that is what it should do"
        f"{_input_hint(workload)}"
    )


def _refuse_wrong_output(workload: Workload, observation: Observation, check: Check | None, known: bool) -> None:
    """known: hold it against the output that is known beforehand, too."""
    for name, content in observation.outputs.items():
        if ignored(name, check or Check()):
            raise UsageError(f"--ignore: covers {name}, which --output-file names; leave one of them out")
        if content is None:
            raise ProgramError(
                f"workload {workload.name}: the baseline writes no file {name}; correct the name, or leave it out"
            )
    if workload.expected_stdout is None or not known:
        return
    try:
        wanted = workload.expected_stdout.read_bytes()
    except OSError as error:
        raise ProgramError(
            f"{workload.expected_stdout}: cannot be read ({error.strerror}); name the file of expected output, or none"
        ) from None
    if found := text_difference("output", wanted, observation.stdout, (check or Check()).float_tolerance):
        raise ProgramError(
            f"workload {workload.name}: the baseline itself gives the wrong output, {found}; "
            f"correct {workload.expected_stdout} or the program, or give a float tolerance"
        )


def _remedy(found: str) -> str:
    if _ADDRESS.search(found):
        return "it seems to print an address: leave it out"
    if _TIME.search(found):
        return "it seems to print a time: leave it out"
    return (
        "leave out times, addresses and random numbers (or fix the seed), the order of threads, and what it keeps from "
        "one run to the next"
    )


def _input_hint(workload: Workload) -> str:
    return "" if workload.stdin else " (standard input is empty and there is no terminal: give its input as a file)"


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return f" and says {quoted(lines[-1])}" if lines else ""
