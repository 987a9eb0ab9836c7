"""Lines of output compared with a tolerance for floating-point numbers."""

from __future__ import annotations

import math
import re

# A literal by itself: not a part of a word, a hexadecimal hash or a version such as 1.2.3.
_NUMBER = re.compile(
    rb"(?<![\w.])[-+]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|nan(?:\(\w*\))?|inf(?:inity)?)(?!\w|\.\d)",
    re.IGNORECASE,
)
_SPACE = re.compile(rb"\s+")
_INTEGER = re.compile(rb"[-+]?\d+")

#: Below this size a number is compared absolutely, with tolerance times this: rounding leaves 1e-17 where 0 was meant.
NEAR_ZERO = 1e-3


def same_line(expected: bytes, actual: bytes, tolerance: float) -> bool:
    """Whether both lines say the same; where both have a number, ``tolerance`` is relative. 0: exactly.

    Two integers have to be equal: a count or a checksum has no rounding.
    """
    if tolerance <= 0 or expected == actual:
        return expected == actual
    if _words(expected) != _words(actual):
        return False
    pairs = zip(_NUMBER.findall(expected), _NUMBER.findall(actual), strict=True)
    return all(same_number(wanted, found, tolerance) for wanted, found in pairs)


def _words(line: bytes) -> list[bytes]:
    """What stands between the numbers. Columns shift with a sign, so any white space is one blank."""
    return [_SPACE.sub(b" ", part) for part in _NUMBER.split(line.rstrip())]


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
