"""The picture of all nodes: its frame, and the data that the page's script draws it from."""

from __future__ import annotations

import math
from typing import Any

from colt_llvm.objectives.base import FIGURES, RUN_TIME
from colt_llvm.report.run import Run
from colt_llvm.report.text import label, visible
from colt_llvm.report.tree import MARKS, Nodes, best_trial
from colt_llvm.search.protocol import KINDS


def picture_section(nodes: Nodes) -> str:
    """The canvas with its buttons, the panel, the legend and the table of trials: filled by the script."""
    if len(nodes.rows) == 1:
        return "<p>No trial has ended yet.</p>\n"
    options = (
        '<option value="radial">Rings</option><option value="levels">Left to right</option>' if nodes.is_tree else ""
    )
    what = (
        "Each node is a program state: the passes on the way from the root, applied in turn. "
        if nodes.is_tree
        else "Each mark is a trial: a whole sequence of passes. "
    )
    intro = (
        f"<p>{what}Drag to move, turn the wheel to zoom, click a node to read it. With the keyboard, on the picture: "
        "<kbd>+</kbd> <kbd>\N{MINUS SIGN}</kbd> <kbd>0</kbd> zoom, arrows move, <kbd>Shift</kbd> and arrows walk "
        "from node to node, <kbd>N</kbd> <kbd>P</kbd> next and previous trial, <kbd>B</kbd> the best, "
        "<kbd>M</kbd> next miscompile, <kbd>Enter</kbd> the node in the middle.</p>\n"
    )
    return intro + (
        '<noscript><p class="missing">The picture needs JavaScript; nothing else on this page does.</p></noscript>\n'
        '<div class="tree" id="tree-view" hidden>\n'
        '<div class="bar" role="toolbar" aria-label="Tree">'
        '<button type="button" id="zoom-in" aria-label="Zoom in">+</button>'
        '<button type="button" id="zoom-out" aria-label="Zoom out">\N{MINUS SIGN}</button>'
        '<button type="button" id="zoom-fit">Whole picture</button>'
        f'<label>Layout <select id="layout">{options}<option value="trials">Ratio by trial</option></select></label>'
        '<button type="button" id="to-best">Jump to the best</button>'
        '<button type="button" id="previous-miscompile">Previous miscompile</button>'
        '<button type="button" id="next-miscompile">Next miscompile</button>'
        '<label class="filter">Filter <input type="search" id="filter" autocomplete="off" spellcheck="false" '
        'placeholder="pass, model, failure or #trial"></label>'
        '<output id="matches" for="filter" aria-live="polite"></output></div>\n'
        '<div class="stage"><canvas id="tree-canvas" tabindex="0" role="application" '
        'aria-label="Search tree; the table of trials below says the same in text" aria-describedby="panel"></canvas>\n'
        '<aside id="panel" aria-live="polite" aria-label="Selected node"></aside></div>\n'
        '<ul class="legend" id="legend" aria-label="Legend"></ul>\n'
        '<details id="trials"><summary>All trials as a table</summary>'
        '<div class="scroll" tabindex="0" role="group" aria-label="Trials"><table><caption>Trials that match the filter'
        '</caption><thead><tr><th scope="col" class="number">Trial</th><th scope="col">Passes added</th>'
        '<th scope="col">Proposed by</th><th scope="col" class="number">Ratio</th><th scope="col">Result</th></tr>'
        '</thead><tbody id="trial-rows"></tbody></table></div><div class="bar">'
        '<button type="button" id="page-back">Earlier trials</button><span id="page-place"></span>'
        '<button type="button" id="page-on">Later trials</button></div></details>\n</div>\n'
    )


_ANSWER_CHARACTERS = 400_000  # of all answers together
_LONGEST_ANSWER = 2_000
_LONGEST_DETAIL = 600
_DIGITS = 7


class Texts:
    """Texts by number, each held once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str | None) -> int:
        """-1 for none."""
        return self._numbers.setdefault(visible(text), len(self._numbers)) if text else -1

    def all(self) -> list[str]:
        """In the order of their numbers."""
        return list(self._numbers)


def node_data(run: Run, nodes: Nodes) -> dict[str, Any]:
    """JSON-able. Columns hold one value for each node, the root's first; texts are numbers into ``texts``."""
    texts = Texts()
    rows = nodes.rows
    trials = [row.trial for row in rows]
    answers = _answers(run)
    measured = {name for trial in trials if trial for name in trial.outcome.figures}
    names = [*(name for name in FIGURES if name in measured), *sorted(measured - {*FIGURES})]
    columns: dict[str, list[Any]] = {
        "parent": [row.parent for row in rows],
        "mark": [MARKS.index(row.mark) for row in rows],
        "ratio": [None if row.reward is None else _short(math.exp(row.reward)) for row in rows],
        "failure": [texts.number(row.failure) for row in rows],
        "next": [texts.number(row.next_model) for row in rows],
        "request": [trial.request.id if trial else -1 for trial in trials],
        "kind": [KINDS.index(trial.request.kind) if trial else -1 for trial in trials],
        "asked": [texts.number(trial.proposal.asked or trial.request.model) if trial else -1 for trial in trials],
        "by": [texts.number(trial.proposal.model) if trial else -1 for trial in trials],
        "passes": [[texts.number(name) for name in trial.proposal.passes if name] if trial else [] for trial in trials],
        "error": [texts.number(trial.proposal.error) if trial else -1 for trial in trials],
        "detail": [texts.number(_cut(trial.outcome.detail, _LONGEST_DETAIL)) if trial else -1 for trial in trials],
        "seconds": [round(trial.seconds, 3) if trial else 0 for trial in trials],
        "known": [int(trial.known) if trial else 0 for trial in trials],
        "answer": [texts.number(answers.get(trial.request.id)) if trial else -1 for trial in trials],
    }
    if nodes.search is not None:
        columns["visits"] = [row.visits for row in rows]
    figures = {
        name: [_short(trial.outcome.figures[name]) if trial and name in trial.outcome.figures else None
               for trial in trials]
        for name in names
    }  # fmt: skip
    return {
        "tree": nodes.is_tree,
        "objective": run.options.objective,
        "baseline": visible(run.baseline),
        "marks": list(MARKS),
        "kinds": list(KINDS),
        "winner": _node_of(run, nodes, run.winner),
        "best": _node_of(run, nodes, _best(run)),
        "root": {name: _short(pair[0]) for name, pair in run.result.figures.items()} if run.result else {},
        "figures": figures,
        "labels": {name: label(name) for name in names},
        "times": [RUN_TIME],
        "columns": columns,
        "texts": texts.all(),
    }


def _best(run: Run) -> int | None:
    if run.winner is not None:
        return run.winner
    best = best_trial(run.trials)
    return best.request.id if best else None


def _node_of(run: Run, nodes: Nodes, request: int | None) -> int | None:
    if request is None:
        return None
    at = (number for number, row in enumerate(nodes.rows) if row.trial and row.trial.request.id == request)
    return next(at, None)


def _answers(run: Run) -> dict[int, str]:
    """Request -> the last answer of a model to it, as it came. Shorter, the more there are."""
    found = {call.request: call.answer for call in run.calls if call.answer}
    longest = min(_LONGEST_ANSWER, _ANSWER_CHARACTERS // max(1, len(found)))
    return {request: _cut(answer, longest) for request, answer in found.items()}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]} \N{HORIZONTAL ELLIPSIS}"


def _short(value: float) -> float | None:
    """As many digits as anybody reads, and a whole number as such."""
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short == int(short) and abs(short) < 1e15 else short
