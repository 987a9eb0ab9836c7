"""What each pass contributes, and the hot function as a diff: the two parts that are measured after a run."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from colt_llvm.explain.contributions import Contribution, Contributions
from colt_llvm.explain.hot_function import HotFunction
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
        "passes change each other\N{RIGHT SINGLE QUOTATION MARK}s input.</p>\n"
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


_CONTEXT = 3
_MOST_LINES = 1000  # of each text: a diff takes time that grows with their product


def diff_table(before: str, after: str, caption: str) -> str:
    """Lines that are the same on both sides and far from any change are left out, and said to be."""
    old, new = before.splitlines()[:_MOST_LINES], after.splitlines()[:_MOST_LINES]
    if old == new:
        return "<p>Both are the same.</p>\n"
    rows = "".join(_rows(old, new))
    return (
        f'<div class="scroll tall" tabindex="0" role="group" aria-label="{e(caption)}"><table class="diff">'
        f'<caption>{e(caption)}</caption><thead><tr><th scope="col">Before</th><th scope="col">After</th>'
        f'<th scope="col"><span class="hidden">Change</span></th><th scope="col">Code</th></tr></thead>'
        f"<tbody>\n{rows}</tbody></table></div>\n"
    )


def _rows(old: list[str], new: list[str]) -> Iterator[str]:
    at = 0
    for group in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(_CONTEXT):
        yield _skipped(group[0][1] - at)
        for kind, a, b, c, d in group:
            if kind == "equal":
                for line in range(a, b):
                    yield _row("", str(line + 1), str(c + line - a + 1), "", old[line])
                continue
            for line in range(a, b):
                yield _row("minus", str(line + 1), "", "\N{MINUS SIGN}", old[line])
            for line in range(c, d):
                yield _row("plus", "", str(line + 1), "+", new[line])
        at = group[-1][2]
    yield _skipped(len(old) - at)


def _row(kind: str, left: str, right: str, sign: str, text: str) -> str:
    name = f' class="{kind}"' if kind else ""
    return (
        f'<tr{name}><td class="number">{left}</td><td class="number">{right}</td><td class="sign">{sign}</td>'
        f"<td><code>{e(text)}</code></td></tr>\n"
    )


def _skipped(lines: int) -> str:
    if lines <= 0:
        return ""
    noun = "line" if lines == 1 else "lines"
    return f'<tr class="skipped"><td colspan="4">{lines} {noun} alike</td></tr>\n'
