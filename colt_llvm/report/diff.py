"""Two texts as one unified diff: a table with line numbers, signs and colours."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from colt_llvm.report.text import e

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
