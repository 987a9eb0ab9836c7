"""From a run directory to one HTML file: sections in order, script and style inlined, and nothing loaded."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from importlib.resources import files
from pathlib import Path

from colt_llvm import __version__
from colt_llvm.core.errors import ColtError, RunDirectoryError, UsageError
from colt_llvm.explain.contributions import Contribution, Contributions, contributions, read_contributions
from colt_llvm.explain.hot_function import HotFunction, hot_function, read_hot_function
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.report.evidence import (
    failures_section,
    host_section,
    ledger_section,
    notes_section,
    recipe_section,
    repeat_section,
)
from colt_llvm.report.functions import functions_section
from colt_llvm.report.picture import node_data, picture_section
from colt_llvm.report.run import Run, read_run
from colt_llvm.report.text import Markup, change, data_script, e, ratio, table
from colt_llvm.report.tree import nodes_of
from colt_llvm.report.verdict import convergence_section, figures_section, verdict, verdict_class

DEFAULT_NAME = "report.html"
_LATER = "colt-llvm report RUN, without --no-measure"


def write_report(run_directory: Path, output: Path | None = None, *, toolchain: Toolchain | None = None) -> Path:
    """Write the report and return where it is: ``output``, or report.html in the run directory.

    toolchain: to measure what each pass contributes and to look up the hot function, where the run has not got them
    yet; that builds and runs the program, and is kept in the run directory. None: they are left out then.
    Raises RunDirectoryError for a folder without a run, UsageError for a project's run or an output that is no page.
    """
    run = read_run(run_directory)
    place = output or run_directory / DEFAULT_NAME
    if place.suffix not in (".html", ".htm"):
        raise UsageError(f"-o {place}: a report is HTML; give a name in .html")
    text = page(run, _passes(run, toolchain), _code(run, toolchain))
    try:
        place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunDirectoryError(
            f"{place}: {error.strerror or error}; free some space, or choose another place with -o"
        ) from None
    return place


def _passes(run: Run, toolchain: Toolchain | None) -> str:
    """What is known or can be measured; else why not: a report is worth having without it."""
    if run.recipe is None:
        return missing("There is no recipe, so no pass to leave out.")
    try:
        found = read_contributions(run.directory)
        if found is None or found.sequence != run.recipe.sequence:
            if toolchain is None:
                return missing("Not measured.", _LATER)
            found = contributions(run.directory, toolchain)
    except ColtError as error:
        return missing(f"Not measured: {error}")
    return passes_section(found, run.baseline)


def _code(run: Run, toolchain: Toolchain | None) -> str:
    if run.recipe is None:
        return missing("There is no recipe, so no function to compare.")
    try:
        found = read_hot_function(run.directory)
        if found is None or found.sequence != run.recipe.sequence:
            if toolchain is None:
                return missing("Not looked up.", _LATER)
            found = hot_function(run.directory, toolchain)
    except ColtError as error:
        return missing(f"Not looked up: {error}")
    return code_section(found)


_STYLES = ("page.css", "tree.css")
_SCRIPTS = ("data.js", "layout.js", "marks.js", "view.js", "panel.js", "table.js", "page.js")


def page(run: Run, passes: str, hot_function: str, notes: Sequence[str] = ()) -> str:
    """The whole file as text. passes, hot_function: the bodies of these two sections. notes: more of them."""
    nodes = nodes_of(run)
    style = "".join(_asset(name) for name in _STYLES)
    script = '"use strict";\n(() => {\n' + "".join(_asset(name) for name in _SCRIPTS) + "})();\n"
    more = [*notes, *([nodes.note] if nodes.note else [])]
    sections = [
        ("convergence", "Convergence", convergence_section(run)),
        ("tree", "The search tree" if nodes.is_tree else "The trials", picture_section(nodes)),
        ("functions", "Functions, and what was decided", functions_section(run)),
        ("passes", "What each pass contributes", passes),
        ("models", "Models", ledger_section(run, nodes)),
        ("recipe", "The recipe", recipe_section(run)),
        ("code", "The hot function, before and after", hot_function),
        ("failures", "Failures", failures_section(run)),
        ("notes", "Notes", notes_section(run, more)),
        ("host", "Host, toolchain and options", host_section(run)),
        ("repeat", "How to repeat this run", repeat_section(run)),
    ]
    links = "".join(f'<li><a href="#{name}">{e(title)}</a></li>' for name, title, _ in sections)
    body = "".join(
        f'<section id="{name}" aria-labelledby="{name}-title">\n'
        f'<h2 id="{name}-title">{e(title)}</h2>\n{content}</section>\n'
        for name, title, content in sections
    )
    name = run.program.name
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{e(name)}: {e(run.options.objective)} against {e(run.baseline)}</title>\n"
        f"<style>{style}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">Skip to the result</a>\n'
        f'<header><p class="kind">colt-llvm report</p><h1><bdi>{e(name)}</bdi> '
        f'<span>{e(run.options.objective)} against {e(run.baseline)}</span></h1></header>\n'
        f'<main id="main">\n<p class="verdict {verdict_class(run)}">{e(verdict(run))}</p>\n{figures_section(run)}'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n{body}</main>\n'
        f"<footer><p>Made by colt-llvm {e(__version__)} from a run of {e(run.header.get('begun', ''))}.</p></footer>\n"
        f"{data_script(node_data(run, nodes), 'run-data')}\n<script>{script}</script>\n</body>\n</html>\n"
    )  # fmt: skip


def _asset(name: str) -> str:
    text = (files("colt_llvm.report") / "assets" / name).read_text(encoding="utf-8")
    assert "</" not in text, name  # ends an inlined script or style
    return text


def _policy(style: str, script: str) -> str:
    """Nothing is loaded, sent, framed or run but this style and this script."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


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
