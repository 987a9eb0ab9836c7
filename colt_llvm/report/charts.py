"""Convergence as SVG: the best of the search so far, against trials and against seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from colt_llvm.report.text import Markup, e

_WIDTH, _HEIGHT = 520, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 16, 14, 48


@dataclass(frozen=True)
class Line:
    """The best so far against one axis."""

    points: Sequence[tuple[float, float]]  # x and the ratio to the baseline, in the order of x
    end: float  # the last x that the axis shows
    axis: str  # what x is
    unit: str  # of x; "" for a count
    proved: tuple[float, float] | None  # x of the winner's trial and its proved ratio; None where nothing was proved


def convergence(line: Line, title: str, baseline: str, found: str) -> str:
    """One figure with a caption. found: how the marked point is named in the legend."""
    ratios = [1.0, *(value for _, value in line.points), *([line.proved[1]] if line.proved else [])]
    end = line.end if line.end > 0 else 1.0
    low, high = min(ratios), max(ratios)
    room = (high - low or 0.01) * 0.12
    frame = _Frame(end, low - room, high + room)
    x, y = frame.x, frame.y
    steps = [f"M{x(0):.1f} {y(1):.1f}"]
    for at, value in line.points:
        steps.append(f"H{x(at):.1f}V{y(value):.1f}")
    steps.append(f"H{x(end):.1f}")
    parts = [_grid(frame, line, baseline)]
    parts.append(f'<path class="level" d="M{x(0):.1f} {y(1):.1f}H{x(end):.1f}"/>')
    parts.append(f'<text class="small" x="{x(end) - 4:.1f}" y="{y(1) - 5:.1f}" text-anchor="end">{e(baseline)}</text>')
    parts.append(f'<path class="best" d="{"".join(steps)}"/>')
    if line.proved:
        parts.append(f'<path class="found" d="{_star(x(line.proved[0]), y(line.proved[1]), 9)}"/>')
    last = line.points[-1][1] if line.points else 1.0
    label = f"{title}: from 1 to {last:.4f} of {baseline}"
    caption = f"Best of the search so far, against {line.axis}" + (f". Star: {found}." if line.proved else ".")
    return Markup(
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{e(label)}">{"".join(parts)}</svg>'
        f"<figcaption>{e(caption)}</figcaption></figure>\n"
    )


@dataclass(frozen=True)
class _Frame:
    """From values to places in the picture."""

    end: float  # the greatest x; the least is 0
    low: float  # the least y
    high: float  # the greatest y

    def x(self, value: float) -> float:
        """Pixels from the left."""
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * value / self.end

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (value - self.low) / (self.high - self.low)


def _grid(frame: _Frame, line: Line, baseline: str) -> str:
    parts = []
    x, y = frame.x, frame.y
    rows, digits = ticks(frame.low, frame.high, 5)
    for value in rows:
        parts.append(f'<path class="grid" d="M{_LEFT} {y(value):.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(
            f'<text x="{_LEFT - 7}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.{max(digits, 2)}f}</text>'
        )
    columns, digits = ticks(0, frame.end, 6 if line.unit else min(6, max(1, int(frame.end))))  # no half a trial
    for value in columns:
        parts.append(f'<path class="grid" d="M{x(value):.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
        text = f"{value:,.{digits}f}"
        parts.append(f'<text x="{x(value):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{text}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    name = f"{line.axis} ({line.unit})" if line.unit else line.axis
    parts.append(f'<text x="{middle:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">{e(name)}</text>')
    half = (_TOP + _HEIGHT - _BOTTOM) / 2
    side = f"ratio to {baseline} (\N{MULTIPLICATION SIGN})"
    parts.append(
        f'<text x="14" y="{half:.0f}" text-anchor="middle" transform="rotate(-90 14 {half:.0f})">{e(side)}</text>'
    )
    return "".join(parts)


def ticks(low: float, high: float, about: int) -> tuple[list[float], int]:
    """Round values within the span, and how many digits after the point tell them apart."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [low], 0
    power = 10.0 ** math.floor(math.log10(span / about))
    step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= about)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)], max(0, -math.floor(math.log10(step) + 1e-9))


def _star(x: float, y: float, size: float) -> str:
    points = []
    for corner in range(10):
        angle, reach = math.pi * corner / 5, size if corner % 2 == 0 else size * 0.42
        points.append(f"{x + reach * math.sin(angle):.1f} {y - reach * math.cos(angle):.1f}")
    return "M" + "L".join(points) + "Z"
