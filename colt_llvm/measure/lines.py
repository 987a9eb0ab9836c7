"""Lines of output compared: numbers with a tolerance, and which figures of which lines differ.

Figures are told apart so that a time that varies hides nothing else of its line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator

#: Number of a line, and of a figure in it, both from 1; figure 0 is all of the line.
Place = tuple[int, int]
#: Wall-clock and CPU seconds of a run.
Spent = tuple[float, float]

# A literal by itself: not a part of a word, a hexadecimal hash or a version such as 1.2.3.
_NUMBER = re.compile(
    rb"(?<![\w.])[-+]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|nan(?:\(\w*\))?|inf(?:inity)?)(?!\w|\.\d)",
    re.IGNORECASE,
)
_ANY_SPACE = re.compile(rb"\s+")
_INTEGER = re.compile(rb"[-+]?\d+")

#: Below this size a number is compared absolutely, with tolerance times this: rounding leaves 1e-17 where 0 was meant.
NEAR_ZERO = 1e-3
_FIGURE = re.compile(rb"0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_BLANKS = re.compile(rb"[ \t]+")
_UNIT = re.compile(rb"\s*(s|secs?|seconds?|ms|msecs?|milliseconds?|us|usecs?|microseconds?|ns)(?!\w)")
_SECONDS = {b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
#: What a program says of its own time lies within these shares of it; printed to hundredths it may be none.
_LEAST_SHARE, _MOST_SHARE = 0.3, 1.1


def same_line(expected: bytes, actual: bytes, tolerance: float) -> bool:
    """Whether both lines say the same; where both have a number, ``tolerance`` is relative. 0: exactly.

    Two integers have to be equal: a count or a checksum has no rounding.
    """
    if tolerance <= 0 or expected == actual:
        return expected == actual
    if _between_numbers(expected) != _between_numbers(actual):
        return False
    pairs = zip(_NUMBER.findall(expected), _NUMBER.findall(actual), strict=True)
    return all(same_number(wanted, found, tolerance) for wanted, found in pairs)


def _between_numbers(line: bytes) -> list[bytes]:
    """What stands between the numbers. Columns shift with a sign, so any white space is one blank."""
    return [_ANY_SPACE.sub(b" ", part) for part in _NUMBER.split(line.rstrip())]


def same_number(expected: bytes, actual: bytes, tolerance: float) -> bool:
    """Compare two literals. NaN equals NaN, whatever its sign; an infinity equals only itself."""
    if _INTEGER.fullmatch(expected) and _INTEGER.fullmatch(actual):
        return expected == actual or (len(expected) < 4000 and len(actual) < 4000 and int(expected) == int(actual))
    wanted, found = _value(expected), _value(actual)
    if math.isnan(wanted) or math.isnan(found):
        return math.isnan(wanted) and math.isnan(found)
    return math.isclose(wanted, found, rel_tol=tolerance, abs_tol=tolerance * NEAR_ZERO)


def _value(literal: bytes) -> float:
    return float(literal.split(b"(")[0])


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
        if _between_figures(wanted) != _between_figures(found):
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


def _between_figures(line: bytes) -> list[bytes]:
    """What stands between the figures; columns shift with their length."""
    return [_BLANKS.sub(b" ", part) for part in _FIGURE.split(line)]


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
