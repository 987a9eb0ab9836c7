"""From a run directory to one HTML file: sections in order, script and style inlined, and nothing loaded."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from colt_llvm import __version__
from colt_llvm.core.errors import ColtError, RunDirectoryError, UsageError
from colt_llvm.explain.contributions import contributions, read_contributions
from colt_llvm.explain.hot_function import hot_function, read_hot_function
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.report.evidence import (
    failures_section,
    host_section,
    ledger_section,
    notes_section,
    recipe_section,
    repeat_section,
)
from colt_llvm.report.measured import code_section, missing, passes_section
from colt_llvm.report.picture import node_data, picture_section
from colt_llvm.report.run import Run, read_run
from colt_llvm.report.text import data_script, e
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
