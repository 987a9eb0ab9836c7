"""Where two texts differ, by line and by figure, so that a time that varies hides nothing else of its line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from colt_llvm.measure.numbers import same_line, same_number

#: Number of a line, and of a figure in it, both from 1; figure 0 is all of the line.
Place = tuple[int, int]
#: Wall-clock and CPU seconds of a run.
Spent = tuple[float, float]
_FIGURE = re.compile(rb"0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_SPACE = re.compile(rb"[ \t]+")
_UNIT = re.compile(rb"\s*(s|secs?|seconds?|ms|msecs?|milliseconds?|us|usecs?|microseconds?|ns)(?!\w)")
_SECONDS = {b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
#: What a program says of its own time lies within these shares of it; printed to hundredths it may be none.
_LEAST_SHARE, _MOST_SHARE = 0.3, 1.1


def differing_places(
    expected: bytes, actual: bytes, left_out: Collection[Place], tolerance: float, spent: tuple[Spent, Spent]
) -> Iterator[Place]:
    """Of texts with equally many lines. left_out: what does not count. tolerance: of numbers.

    spent: by each run. A figure with a unit of time that is about that in both is a time, which need not
    be the same: printed in hundredths it may be the same in all runs of one program, and another one in a faster one.
    """
    pairs = zip(expected.split(b"\n"), actual.split(b"\n"), strict=True)
    for number, (wanted, found) in enumerate(pairs, start=1):
        if (number, 0) in left_out or same_line(wanted, found, tolerance):
            continue
        if _words(wanted) != _words(found):
            yield number, 0
            continue
        figures = zip(_FIGURE.finditer(wanted), _FIGURE.finditer(found), strict=True)
        for place, (left, right) in enumerate(figures, start=1):
            if (number, place) in left_out or _same(left[0], right[0], tolerance):
                continue
            if not (_is_time(wanted, left, spent[0]) and _is_time(found, right, spent[1])):
                yield number, place


def tells_own_time(text: bytes, spent: Spent) -> bool:
    """Whether a figure of it is one that ``differing_places`` takes for a time."""
    return any(_is_time(line, figure, spent) for line in text.split(b"\n") for figure in _FIGURE.finditer(line))


def _words(line: bytes) -> list[bytes]:
    """What stands between the figures; columns shift with their length."""
    return [_SPACE.sub(b" ", part) for part in _FIGURE.split(line)]


def _same(wanted: bytes, found: bytes, tolerance: float) -> bool:
    if wanted == found:
        return True
    return tolerance > 0 and b"x" not in (wanted + found).lower() and same_number(wanted, found, tolerance)


def _is_time(line: bytes, figure: re.Match[bytes], spent: Spent) -> bool:
    unit = _UNIT.match(line, figure.end())
    if unit is None or b"x" in figure[0].lower():
        return False
    name = unit[1]
    seconds = float(figure[0]) * (1.0 if name.startswith(b"s") else _SECONDS[name[:1]])
    return any(_LEAST_SHARE * total <= seconds <= _MOST_SHARE * total for total in spent)
