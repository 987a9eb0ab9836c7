"""The page: sections in order, script and style inlined, and a policy that lets nothing else in or out."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from colt_llvm import __version__
from colt_llvm.report.evidence import (
    failures_section,
    host_section,
    ledger_section,
    notes_section,
    recipe_section,
    repeat_section,
)
from colt_llvm.report.nodes import node_data
from colt_llvm.report.picture import picture_section
from colt_llvm.report.run import Run
from colt_llvm.report.text import data_script, e
from colt_llvm.report.tree import nodes_of
from colt_llvm.report.verdict import convergence_section, figures_section, verdict, verdict_class

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
