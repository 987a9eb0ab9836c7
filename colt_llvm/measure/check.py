"""Does the candidate still do what the program does? And can the baseline be judged at all?"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from colt_llvm import process
from colt_llvm.errors import ChildStillRuns, OutputLimitExceeded, ProcessTimeout, ProgramError
from colt_llvm.measure.numbers import same_line
from colt_llvm.measure.own_check import OwnCheck
from colt_llvm.measure.runner import Observation, run_workload
from colt_llvm.program import Check, Workload

_SHOWN_CHARACTERS = 60
_COARSE_CLOCK_SECONDS = 0.02  # time() of the C library lags by up to one tick of the kernel
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
_TIME = re.compile(r"\d\s*(s|ms|us|ns|sec|secs|seconds?)\b|\d\d:\d\d|/s\b|\b(time|elapsed|took)\b", re.IGNORECASE)


def difference(expected: Observation, actual: Observation, check: Check | None = None) -> str | None:
    """One line that says where ``actual`` first differs, or None: status, standard output, output files."""
    tolerance = (check or Check()).float_tolerance
    if line := _status_difference(expected, actual):
        return line
    if line := text_difference("output", expected.stdout, actual.stdout, tolerance):
        return line
    for name, content in expected.outputs.items():
        found = actual.outputs.get(name)
        if content is None and found is None:
            continue
        if content is None or found is None:
            return f"file {name} was {'not ' if found is None else ''}written"
        if line := text_difference(f"file {name}", content, found, tolerance):
            return line
    return None


def fault(
    workload: str, expected: Observation, actual: Observation, check: Check | None = None, own: OwnCheck | None = None
) -> str | None:
    """What is wrong with ``actual``, in one line, or None: by ``difference``, and by the caller's own check.

    Where the own check replaces the comparison, only the exit status is compared. Raises CheckError.
    """
    if own is None or not own.replaces:
        found = difference(expected, actual, check)
    else:
        found = _status_difference(expected, actual)
    if found or own is None:
        return found
    return own.refusal(workload, actual, expected)


def _status_difference(expected: Observation, actual: Observation) -> str | None:
    if expected.status == actual.status:
        return None
    return f"ended with {_status(actual.status)} instead of {_status(expected.status)}"


def text_difference(what: str, expected: bytes, actual: bytes, tolerance: float) -> str | None:
    """``output line 3: "sum 4.0" instead of "sum 5.0"``, or None when they count as the same."""
    if expected == actual:
        return None
    pairs = zip_longest(expected.split(b"\n"), actual.split(b"\n"))
    for number, (wanted, found) in enumerate(pairs, start=1):
        if wanted == found:
            continue
        if wanted is None or found is None:
            return f"{what} line {number}: {_shown(found)} instead of {_shown(wanted)}"
        if not same_line(wanted, found, tolerance):
            place = _first_difference(wanted, found)
            return f"{what} line {number}: {_shown(found, place)} instead of {_shown(wanted, place)}"
    return None


def judge_baseline(
    executable: Path,
    workloads: Sequence[Workload],
    *,
    check: Check | None = None,
    limits: process.Limits | None = None,
    core: int | None = None,
    scratch: Path | None = None,
    allow_nonzero: bool = False,
    next_second: bool = True,
    own: OwnCheck | None = None,
) -> list[Observation]:
    """Run every workload twice and return what each did the first time; candidates are held against that.

    allow_nonzero: accept an exit status other than 0, as long as it is always the same.
    next_second: let the second runs begin in another second of the clock, so that a program that prints the
        time or seeds its random numbers with it is found out. Costs up to one second.
    own: the caller's own check, which has to let the baseline pass.

    Raises ProgramError, in one line with the remedy, for a workload that crashes, never ends, differs from
    run to run or from its known output, or fails; CheckError where the caller's own check does.
    """
    limits = limits or process.Limits()

    def run(workload: Workload) -> Observation:
        observation = _run_once(executable, workload, limits, core, scratch)
        _refuse_failure(workload, observation, allow_nonzero)
        return observation

    observations = [run(workload) for workload in workloads]
    for workload, observation in zip(workloads, observations, strict=True):
        _refuse_wrong_output(workload, observation, check, known=own is None or not own.replaces)
        if own is not None and (found := own.refusal(workload.name, observation, observation)):
            raise ProgramError(
                f"workload {workload.name}: the baseline itself is refused by {found}; mend the check or the program"
            )
    if next_second:
        time.sleep(1 - time.time() % 1 + _COARSE_CLOCK_SECONDS)
    for workload, first in zip(workloads, observations, strict=True):
        if found := fault(workload.name, first, run(workload), check, own):
            raise ProgramError(
                f"workload {workload.name}: differs from run to run, {found}; {_remedy(found)}, "
                "so that every run prints the same"
            )
    return observations


def _run_once(
    executable: Path, workload: Workload, limits: process.Limits, core: int | None, scratch: Path | None
) -> Observation:
    try:
        return run_workload(executable, workload, limits=limits, core=core, scratch=scratch)
    except ProcessTimeout:
        raise ProgramError(
            f"workload {workload.name}: is still running, and never ends within {limits.wall_seconds:g} s; "
            f"give --run a smaller input or raise --timeout{_input_hint(workload)}"
        ) from None
    except ChildStillRuns as error:
        raise ProgramError(f"workload {workload.name}: {error}; let the program end what it starts") from None
    except OutputLimitExceeded:
        raise ProgramError(
            f"workload {workload.name}: prints more than {limits.output_bytes} bytes; "
            f"let it print less, or a checksum{_input_hint(workload)}"
        ) from None


def _refuse_failure(workload: Workload, observation: Observation, allow_nonzero: bool) -> None:
    if observation.status == 0 or (observation.status > 0 and allow_nonzero):
        return
    said = _last_line(observation.stderr)
    if observation.status < 0:
        raise ProgramError(
            f"workload {workload.name}: the baseline dies of {_status(observation.status)}{said}; "
            f"mend the program or its arguments{_input_hint(workload)}"
        )
    raise ProgramError(
        f"workload {workload.name}: the baseline ends with {_status(observation.status)}{said}; check its arguments, "
        f"or allow a nonzero status (--allow-nonzero) if that is what it should do{_input_hint(workload)}"
    )


def _refuse_wrong_output(workload: Workload, observation: Observation, check: Check | None, known: bool) -> None:
    """known: hold it against the output that is known beforehand, too."""
    for name, content in observation.outputs.items():
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
    return "leave out times, addresses and random numbers (or fix the seed)"


def _input_hint(workload: Workload) -> str:
    return "" if workload.stdin else " (standard input is empty and there is no terminal: give its input as a file)"


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return f" and says {_quoted(lines[-1])}" if lines else ""


def _status(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _first_difference(left: bytes, right: bytes) -> int:
    return next((i for i, (a, b) in enumerate(zip(left, right)) if a != b), min(len(left), len(right)))  # noqa: B905


def _shown(line: bytes | None, place: int = 0) -> str:
    """The line in quotes, cut to the part around byte ``place``."""
    if line is None:
        return "its end"
    start = max(0, place - _SHOWN_CHARACTERS // 2) if len(line) > _SHOWN_CHARACTERS else 0
    text = line[start : start + _SHOWN_CHARACTERS + 1].decode("utf-8", "replace")
    return _quoted(("…" if start else "") + text)


def _quoted(text: str) -> str:
    printable = "".join(c if c.isprintable() else "·" for c in text)
    return f'"{printable[:_SHOWN_CHARACTERS]}{"…" if len(printable) > _SHOWN_CHARACTERS else ""}"'
