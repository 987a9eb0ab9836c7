"""Where two runs of one program differ: what has to be the same, and what may be left out where it varies by itself.

Exit status, standard output and the files that the user names are strict. Standard error and files that nobody named
are compared too, but for what differs between the baseline's own runs (times, progress): those figures and lines are
left out, or all of it where lines do not correspond.

Before a candidate is called wrong, it and the baseline run again, in turn (``confirm``). A program that does not do the
same each time (threads, a counter in a file, the time of day) passes a few runs of the baseline and is found out when a
candidate happens to differ. Where both would differ at the same rate p, the candidate differs in c runs of c and the
baseline in none of n with probability p^c (1 - p)^n: at most 0.03% for 5 runs of each after 2 of the baseline.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import zip_longest

from colt_llvm.measure.folder_state import FileSeen
from colt_llvm.measure.lines import Place, differing_places, same_line
from colt_llvm.measure.runner import Observation
from colt_llvm.program.program import Check

STDERR = "standard error"
#: Stands among what varies where each run gives its files other names.
OTHER_FILES = "files whose names differ from run to run"
#: Where more varies, nobody knows what will be next: then all of it is left out.
_MOST_PLACES = 200
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class Difference:
    """One way in which two runs differ."""

    what: str  #: exit status, output, standard error, or "file NAME"
    text: str  #: says where, in one line
    strict: bool = True  #: it counts even where the baseline varies by itself
    places: frozenset[Place] = frozenset()  #: all that differ; none where lines do not correspond


def differences(expected: Observation, actual: Observation, check: Check | None = None) -> Iterator[Difference]:
    """All of them, the strict ones first; of what varies by itself (``expected.varying``) none, nor of what the user
    ignores (``check.ignore``).
    """
    check = check or Check()
    yield from strict_differences(expected, actual, check)
    if not ignored(STDERR, check):
        yield from _lenient(STDERR, (expected, expected.stderr), (actual, actual.stderr), check)
    known = expected.files.keys() | {what.removeprefix("file ") for what in expected.varying}
    for name in sorted(expected.files.keys() | actual.files.keys()):
        if ignored(name, check) or (OTHER_FILES in expected.varying and name not in known):
            continue
        yield from _of_file(name, expected, actual, check)


def strict_differences(expected: Observation, actual: Observation, check: Check) -> Iterator[Difference]:
    """Of exit status, standard output and the files that the user named."""
    if line := status_difference(expected, actual):
        yield Difference("exit status", line)
    if line := text_difference("output", expected.stdout, actual.stdout, check.float_tolerance):
        yield Difference("output", line)
    for name, content in expected.outputs.items():
        found, what = actual.outputs.get(name), f"file {name}"
        if (content is None) is not (found is None):
            yield Difference(what, f"{what} was {'not ' if found is None else ''}written")
        elif line := text_difference(what, content or b"", found or b"", check.float_tolerance):
            yield Difference(what, line)


def ignored(name: str, check: Check) -> bool:
    """Whether ``--ignore`` names it: a file, a folder around it, or a pattern of either's name; or standard error."""
    if name == STDERR:
        return "stderr" in check.ignore
    parts = name.split("/")
    paths = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    names = {*paths, *filter(None, parts)}
    return any(fnmatchcase(one, os.path.normpath(pattern)) for pattern in check.ignore for one in names)


def with_varying(expected: Observation, actual: Observation, check: Check | None = None) -> Observation:
    """``expected``, which from now on leaves out what ``actual`` differs in that is not strict: both did right."""
    varying = dict(expected.varying)
    for one in differences(expected, actual, check):
        if not one.strict:
            before = varying.get(one.what, one.places)
            places = before | one.places if before and one.places else frozenset[Place]()
            varying[one.what] = places if len(places) <= _MOST_PLACES else frozenset()
    changed = [name for name in expected.files.keys() ^ actual.files.keys() if f"file {name}" in varying]
    if len({name in expected.files for name in changed}) == 2:
        varying[OTHER_FILES] = frozenset()
    shared = expected.writes_shared or actual.writes_shared
    if varying == expected.varying and shared == expected.writes_shared:
        return expected
    return replace(expected, varying=varying, writes_shared=shared)


def _of_file(name: str, before: Observation, after: Observation, check: Check) -> Iterator[Difference]:
    what, expected, actual = f"file {name}", before.files.get(name), after.files.get(name)
    if expected == actual or before.varying.get(what) == frozenset():
        return
    if expected is None or actual is None:
        seen = expected or actual
        assert seen is not None
        did = "removed" if seen.kind == "removed" else "written"
        yield Difference(what, f"{what} was {'not ' if actual is None else ''}{did}", strict=False)
    elif expected.kind != actual.kind:
        yield Difference(what, f"{what} is {_kind(actual)} instead of {_kind(expected)}", strict=False)
    elif expected.mode != actual.mode:
        yield Difference(what, f"{what} has mode {actual.mode:o} instead of {expected.mode:o}", strict=False)
    elif expected.content is not None and actual.content is not None:
        yield from _lenient(what, (before, expected.content), (after, actual.content), check)
    elif expected.kind == "link":
        yield Difference(what, f"{what} leads to {actual.digest} instead of {expected.digest}", strict=False)
    else:
        sizes = f" ({actual.size:,} bytes instead of {expected.size:,})" if actual.size != expected.size else ""
        yield Difference(what, f"{what} holds something else{sizes}", strict=False)


def _lenient(
    what: str, before: tuple[Observation, bytes], after: tuple[Observation, bytes], check: Check
) -> Iterator[Difference]:
    """A run and what it wrote, twice."""
    (reference, expected), (seen, actual) = before, after
    left_out = reference.varying.get(what)
    if expected == actual or left_out == frozenset():
        return
    lines = expected.count(b"\n") == actual.count(b"\n") and b"\0" not in expected and b"\0" not in actual
    if not lines:
        if line := text_difference(what, expected, actual, check.float_tolerance):
            yield Difference(what, line, strict=False)
        return
    spent = (reference.wall_seconds, reference.cpu_seconds), (seen.wall_seconds, seen.cpu_seconds)
    places = frozenset(differing_places(expected, actual, left_out or (), check.float_tolerance, spent))
    if places:
        first = min(places)[0]
        line = _line(what, first, expected.split(b"\n")[first - 1], actual.split(b"\n")[first - 1])
        yield Difference(what, line, strict=False, places=places)


def status_difference(expected: Observation, actual: Observation) -> str | None:
    """``ended with SIGSEGV instead of exit status 0``, or None."""
    if expected.status == actual.status:
        return None
    return f"ended with {status_text(actual.status)} instead of {status_text(expected.status)}"


def text_difference(what: str, expected: bytes, actual: bytes, tolerance: float) -> str | None:
    """``output line 3: "sum 4.0" instead of "sum 5.0"``, or None when they count as the same."""
    if expected == actual:
        return None
    pairs = zip_longest(expected.split(b"\n"), actual.split(b"\n"))
    for number, (wanted, found) in enumerate(pairs, start=1):
        if wanted != found and (wanted is None or found is None or not same_line(wanted, found, tolerance)):
            return _line(what, number, wanted, found)
    return None


def _line(what: str, number: int, wanted: bytes | None, found: bytes | None) -> str:
    place = 0 if wanted is None or found is None else _first_difference(wanted, found)
    return f"{what} line {number}: {_shown(found, place)} instead of {_shown(wanted, place)}"


def status_text(status: int) -> str:
    """``exit status 3`` or ``SIGSEGV``."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _kind(seen: FileSeen) -> str:
    return seen.kind if seen.kind == "removed" else f"a {seen.kind}" if seen.kind != "other" else "something else"


def _first_difference(left: bytes, right: bytes) -> int:
    return next((i for i, (a, b) in enumerate(zip(left, right)) if a != b), min(len(left), len(right)))  # noqa: B905


def _shown(line: bytes | None, place: int = 0) -> str:
    """The line in quotes, cut to the part around byte ``place``."""
    if line is None:
        return "its end"
    start = max(0, place - _SHOWN_CHARACTERS // 2) if len(line) > _SHOWN_CHARACTERS else 0
    text = line[start : start + _SHOWN_CHARACTERS + 1].decode("utf-8", "replace")
    return quoted(("…" if start else "") + text)


def quoted(text: str) -> str:
    """In quotes, printable, and not long."""
    printable = "".join(c if c.isprintable() else "·" for c in text)
    return f'"{printable[:_SHOWN_CHARACTERS]}{"…" if len(printable) > _SHOWN_CHARACTERS else ""}"'


#: The greatest probability with which a program that varies by itself may have looked like a wrong candidate.
_DOUBT = 1e-3
#: One pinned and one not, in any case; more while there is doubt. Of standard error and files that nobody named, which
#: are left out where it stays, fewer.
_LEAST_ROUNDS, _MOST_ROUNDS, _MOST_LENIENT_ROUNDS = 2, 60, 8
#: Of wall-clock time, for a candidate that differs not each time, and for one that does.
_MORE_SECONDS, _MOST_SECONDS = 30.0, 60.0
#: A candidate that differs only now and then has to do so this often while the baseline never does: by chance 1 in
#: 2^10.
_OFTEN = 10


@dataclass(frozen=True)
class Reruns:
    """How the two are run once more."""

    candidate: Callable[[], Difference | None]  #: None where it does what the program does
    baseline: Callable[[bool], None]  #: pinned to a core or not; raises where it differs from itself
    explained: Callable[[], bool]  #: whether the first difference counts no more, as the baseline has it too


@dataclass(frozen=True)
class Confirmation:
    """What was seen."""

    fault: Difference | None  #: the candidate's; None where it is not to blame
    again: int  #: runs of the candidate that differed again
    candidate_runs: int  #: in all, after the first
    baseline_runs: int  #: all agreed


def confirm(
    first: Difference,
    rerun: Reruns,
    *,
    agreed: int,
    hangs: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Confirmation:
    """Whether ``first``, a difference of the candidate's, is its own.

    agreed: runs of the baseline before, which did the same. hangs: the candidate did not end, so that each of its runs
    takes long; then it has one more.
    """
    began, again, runs = clock(), 0, 0
    last = first
    while runs < (_MOST_ROUNDS if first.strict else _MOST_LENIENT_ROUNDS):
        runs += 1
        # In another order each time, so that what goes by a count of runs meets both.
        for is_baseline in (True, False) if runs % 2 else (False, True):
            if is_baseline:
                rerun.baseline(runs % 2 == 1)
            elif found := None if hangs and runs > 1 else rerun.candidate():
                again, last = again + 1, found
        if rerun.explained():
            break
        if runs < _LEAST_ROUNDS:
            continue
        spent, doubt = clock() - began, _chance(again, agreed + runs)
        tried = 1 if hangs else runs
        if again == tried and (doubt < _DOUBT or hangs or spent > _MOST_SECONDS):
            return Confirmation(last, again, tried, runs)
        if again >= _OFTEN:
            return Confirmation(last, again, tried, runs)
        if again < tried and (hangs or spent > _MORE_SECONDS):
            break
    return Confirmation(None, again, 1 if hangs else runs, runs)


def _chance(differing: int, agreeing: int) -> float:
    """The most that p^differing (1 - p)^agreeing can be."""
    if not differing:
        return 1.0
    rate = differing / (differing + agreeing)
    return math.exp(differing * math.log(rate) + agreeing * math.log1p(-rate)) if agreeing else 1.0
