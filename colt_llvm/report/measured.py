"""What each pass contributes, and the hot function: the two parts of the page that are measured after a run."""

from __future__ import annotations

from colt_llvm.explain.contributions import Contribution, Contributions
from colt_llvm.explain.hot_function import HotFunction
from colt_llvm.report.diff import diff_table
from colt_llvm.report.text import Markup, change, e, ratio, table

_BAR_WIDTH, _BAR_HEIGHT = 160, 12


def passes_section(found: Contributions, baseline: str) -> str:
    """How many times better the recipe is with each action than without it; exact, or with an interval."""
    gains = [None if item.factor is None else item.factor - 1 for item in found]
    largest = max((abs(gain) for gain in gains if gain is not None), default=0.0)
    cells = [
        (
            str(item.position + 1), Markup(f"<code>{e(item.action)}</code>"), ratio(item.ratio),
            "" if gain is None else change(gain), Markup(_bar(gain, largest)), _interval(item), _note(item),
        )
        for item, gain in zip(found, gains, strict=True)
    ]  # fmt: skip
    head = ("Place", "Action left out", "Ratio without it", "It contributes", "", "Interval", "Note")
    timed = f", from {found.rounds:,} rounds" if found.rounds else ""
    return (
        f"<p>Each action of the recipe was left out in turn, and the program built, checked and measured without it. "
        f"The whole recipe gives {e(ratio(found.ratio))} against {e(baseline)}{timed}. Contributions need not add up: "
        "passes work on each other\N{RIGHT SINGLE QUOTATION MARK}s results.</p>\n"
        + table("What the recipe loses without each action", head, cells, (0, 2, 3))
        + "".join(f"<p>{e(note)}.</p>\n" for note in found.notes)
    )


def _interval(item: Contribution) -> str:
    if item.factor_interval is None:
        return ""
    low, high = item.factor_interval
    return f"{change(low - 1)} to {change(high - 1)}"


def _note(item: Contribution) -> str:
    if item.failure:
        return item.failure[:300]
    return "same object code without it" if item.no_effect else ""


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


def code_section(code: HotFunction) -> str:
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
