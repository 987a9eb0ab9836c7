"""What each pass contributes, and the hot function: the two parts of the page that are measured after a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from colt_llvm.report.diff import diff_table
from colt_llvm.report.text import Markup, change, e, ratio, table

_BAR_WIDTH, _BAR_HEIGHT = 160, 12


@dataclass(frozen=True)
class PassRow:
    """One action of the recipe. without: ratio to the baseline when it is left out; None where that failed.

    interval: of ``without``; None for an exact figure. note: why there is no ratio, or what else is to be known.
    """

    action: str
    without: float | None
    interval: tuple[float, float] | None = None
    note: str = ""


@dataclass(frozen=True)
class Code:
    """One function before and after. kind: "IR" or "assembly". why: how it was chosen, such as its share."""

    name: str
    why: str
    kind: str
    before: str
    after: str


def passes_section(whole: float, rows: Sequence[PassRow], baseline: str) -> str:
    """whole: the recipe's ratio to the baseline. A pass contributes what the ratio loses without it."""
    gains = [None if row.without is None else whole / row.without - 1 for row in rows]
    largest = max((abs(gain) for gain in gains if gain is not None), default=0.0)
    cells = [
        (
            str(number), Markup(f"<code>{e(row.action)}</code>"), ratio(row.without), _interval(row.interval),
            "" if gain is None else change(gain), Markup(_bar(gain, largest)), row.note,
        )
        for number, (row, gain) in enumerate(zip(rows, gains, strict=True), start=1)
    ]  # fmt: skip
    head = ("Place", "Action left out", "Ratio without it", "Interval", "It contributes", "", "Note")
    return (
        f"<p>Each action of the recipe was left out in turn, and the program built, checked and measured without it. "
        f"The whole recipe gives {e(ratio(whole))} against {e(baseline)}. Contributions need not add up: passes work "
        "on each other\N{RIGHT SINGLE QUOTATION MARK}s results.</p>\n"
        + table("What the recipe loses without each action", head, cells, (2, 3, 4))
    )


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"


def _bar(gain: float | None, largest: float) -> str:
    """To the right for what helps, to the left for what harms. For the eye: the figure stands beside it."""
    if gain is None or largest <= 0:
        return ""
    middle = _BAR_WIDTH / 2
    length = abs(gain) / largest * (middle - 2)
    start = middle if gain >= 0 else middle - length
    kind = "bar" if gain >= 0 else "bar worse"
    return (
        f'<svg class="inline" width="{_BAR_WIDTH}" height="{_BAR_HEIGHT}" aria-hidden="true">'
        f'<path class="level" d="M{middle:.0f} 0V{_BAR_HEIGHT}"/>'
        f'<rect class="{kind}" x="{start:.1f}" y="2" width="{length:.1f}" height="{_BAR_HEIGHT - 4}"/></svg>'
    )


def code_section(code: Code) -> str:
    """The function as a diff of what the baseline and the recipe make of it."""
    lines = [len(text.splitlines()) for text in (code.before, code.after)]
    return (
        f"<p><code>{e(code.name)}</code>, as {e(code.kind)}: {e(code.why)}. "
        f"{lines[0]:,} lines before and {lines[1]:,} after.</p>\n"
        + diff_table(code.before, code.after, f"{code.name}: {code.kind} of the baseline and of the recipe")
    )


def missing(what: str, remedy: str = "") -> str:
    """In place of a section that is not there. remedy: the command that makes it."""
    hint = f" It is made by <code>{e(remedy)}</code>." if remedy else ""
    return f'<p class="missing">{e(what)}{hint}</p>\n'
