"""What a person sees: the live view while a run lasts, and the table at its end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from colt_llvm.models.ledger import share_of_largest
from colt_llvm.objectives.base import FIGURES, Figure
from colt_llvm.objectives.registry import known_objective
from colt_llvm.run.progress import Progress, TuneResult

_Row = Mapping[str, Any]

_PLAIN_SECONDS = 10.0  # between lines, where no terminal redraws


class _Console(Console):
    """The run goes on when nobody reads its progress any more, as with `2>&1 | head`."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


def make_console(*, stderr: bool = False) -> Console:
    """For a person: no colour and no other style with NO_COLOR, and nothing but text where no terminal is.

    FORCE_COLOR, which CI systems set, would have rich redraw lines in a log.
    """
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    plain = not terminal or bool(os.environ.get("NO_COLOR"))
    return _Console(
        stderr=stderr, highlight=False, soft_wrap=not stderr, color_system=None if plain else "auto",
        force_terminal=None if terminal else False,
    )  # fmt: skip


@contextmanager
def live_view(title: str, quiet: bool = False) -> Iterator[Callable[[Progress], None] | None]:
    """Redraws on a terminal, prints a line now and then elsewhere, says nothing when quiet. On standard error."""
    console = make_console(stderr=True)
    if quiet:
        yield None
    elif console.is_terminal:
        with Live(Text(title), console=console, refresh_per_second=4, transient=True) as live:
            yield lambda progress: live.update(_panel(title, progress))
    else:
        yield _plain(title, console)


def _plain(title: str, console: Console) -> Callable[[Progress], None]:
    phase, at = "", 0.0

    def show(progress: Progress) -> None:
        nonlocal phase, at
        now = time.monotonic()
        if progress.phase == phase and now - at < _PLAIN_SECONDS:
            return
        phase, at = progress.phase, now
        console.print(f"{title}: {summary(progress)}", markup=False, highlight=False, soft_wrap=True)

    return show


def summary(progress: Progress) -> str:
    """One line."""
    if progress.phase == "prepare":
        return progress.message or "preparing"
    wrong = ", ".join(f"{count} {kind}" for kind, count in sorted(progress.failures.items())) or "no failures"
    line = (
        f"{progress.trials} trials, best {progress.best_ratio:.4f}x, {progress.known} with known object code, {wrong}"
    )
    return f"{progress.message}: {line}" if progress.message else line


def _panel(title: str, progress: Progress) -> Table:
    table = Table(title=escape(title), show_header=False, box=None, title_justify="left", title_style="bold")
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("phase", f"{progress.phase} {progress.message}")
    trials = f"{progress.trials}" + (f" of {progress.trials_wanted}" if progress.trials_wanted else "")
    table.add_row("trials", f"{trials}, {progress.known} with object code seen before")
    tree = f"{progress.nodes} nodes, " if progress.nodes else ""
    table.add_row("tree" if tree else "search", f"{tree}longest sequence {progress.depth}")
    where = f" at trial {progress.best_trial}" if progress.best_trial is not None else ""
    table.add_row("best", f"{progress.best_ratio:.4f}x{where}")
    table.add_row("", escape(", ".join(progress.best_sequence)))
    if progress.models:
        table.add_row("models", ledger_table(progress.models))
    failures = ", ".join(f"{kind} {count}" for kind, count in sorted(progress.failures.items()))
    table.add_row("failures", failures or "none")
    if progress.seconds_wanted is not None:
        left = max(0.0, progress.seconds_wanted - progress.elapsed_seconds)
        table.add_row("time left", f"{left:.0f} s, then the proof")
    return table


def print_result(result: TuneResult) -> None:
    """On standard output."""
    console = make_console()
    table = Table(title=escape(f"{result.program}: {result.verdict}"), title_justify="left")
    table.add_column("")
    table.add_column(result.baseline, justify="right")
    table.add_column("tuned" if result.improved else "kept", justify="right")
    table.add_column("ratio", justify="right")
    stated = known_objective(result.objective)
    known = stated.known_figures if stated else FIGURES
    for name, (baseline, tuned) in result.figures.items():
        if result.corpus and name not in known:
            continue
        figure = known.get(name) or Figure(name, name)
        table.add_row(
            figure.label, figure.text(baseline), figure.text(tuned), f"{baseline / tuned:.4f}x" if tuned else ""
        )
    console.print(table)
    if result.corpus:
        _print_corpus(console, result)
    if result.interval is not None:
        low, high, share = result.interval.low, result.interval.high, result.interval.confidence
        console.print(f"ratio {result.interval.ratio:.4f}, {share:.1%} interval {low:.4f} to {high:.4f}, "
                      f"from {result.interval.rounds} rounds measured after the search")  # fmt: skip
    wrong = ", ".join(f"{kind} {count}" for kind, count in sorted(result.failures.items())) or "none"
    console.print(f"{result.trials} trials, {result.distinct} different object codes, "
                  f"{result.elapsed_seconds:.0f} s; failures: {wrong}")  # fmt: skip
    if result.found_at_trial is not None:
        console.print(f"found at trial {result.found_at_trial}, after {result.found_at_seconds:.1f} s")
        console.print("sequence: " + ", ".join(result.sequence), markup=False)
        if result.dropped:
            console.print(f"dropped: {len(result.dropped)} of the trial's actions, which brought nothing")
    if result.profile_line:
        console.print(result.profile_line, markup=False)
    if result.models:
        console.print(ledger_table(result.models))
        if largest := share_of_largest(result.models):
            console.print(largest, markup=False)
    if result.compared.text and not (result.improved and result.compared.unchecked):
        console.print(result.compared.text, markup=False)
    for note in result.notes:
        console.print(f"note: {note}", markup=False)
    if result.interrupted:
        console.print(f"interrupted; go on with: colt-llvm tune --resume {result.run_directory}", markup=False)
    if result.output:
        console.print(f"written: {result.output}", markup=False)
    if result.recipe:
        console.print(f"recipe: {result.recipe}", markup=False)
    if result.improved and result.compared.unchecked:
        console.print(f"{result.compared.by}; test it before you ship it", markup=False)


def _print_corpus(console: Console, result: TuneResult) -> None:
    """Program by program; those that lose are named once more, as they are what a user has to decide about."""
    figure, programs = FIGURES.get(result.corpus["figure"]) or Figure("", ""), result.corpus["programs"]
    table = Table(box=None, pad_edge=False)
    table.add_column("program")
    for title in (result.baseline, "tuned" if result.improved else "kept", "ratio", "left out"):
        table.add_column(title, justify="right")
    for name, row in programs.items():
        table.add_row(
            escape(name), figure.text(row["baseline"]), figure.text(row["tuned"]), f"{row['ratio']:.4f}x",
            f"{row['left_out_ratio']:.4f}x",
        )  # fmt: skip
    console.print(table)
    console.print(f"geometric mean of {len(programs)} programs: {result.ratio:.4f}x")
    losers = {name: row["ratio"] for name, row in programs.items() if row["ratio"] < 1}
    if losers:
        told = ", ".join(f"{name} {1 / ratio - 1:.2%} larger" for name, ratio in losers.items())
        console.print(f"worse than with {result.baseline}: {told}", markup=False)
    console.print(
        f"left out: {result.corpus['left_out_ratio']:.4f}x in the geometric mean. Of all trials of this run, each "
        "program's column has the one that is best for the others; no search was made without it", markup=False,
    )  # fmt: skip


def ledger_table(models: Mapping[str, Any]) -> Table:
    """Calls, hits, tokens and cost of each model; a column that would be empty is left out.

    models: as ``TuneResult.models``, which must not be empty.
    """
    rows: Mapping[str, _Row] = models["models"]
    table = Table(box=None, pad_edge=False)
    table.add_column("model")
    columns = {
        title: [shown(row) for row in rows.values()] for title, shown in _COLUMNS.items()
    }  # fmt: skip
    kept = {title: cells for title, cells in columns.items() if title in _ALWAYS or any(cells)}
    for title in kept:
        table.add_column(title, justify="right")
    for number, name in enumerate(rows):
        table.add_row(escape(name), *(cells[number] for cells in kept.values()))
    return table


def _errors(row: _Row) -> str:
    kinds = dict(row["errors"])
    wrong = row.get("wrong_answers", 0) - sum(kinds.values())
    if wrong > 0:
        kinds["wrong answer"] = wrong
    return ", ".join(f"{kind} {count}" for kind, count in kinds.items())


def _some(name: str, form: str = "{}") -> Callable[[_Row], str]:
    return lambda row: form.format(row[name]) if row.get(name) else ""


_ALWAYS = ("calls", "hit rate")
_COLUMNS: Mapping[str, Callable[[_Row], str]] = {
    "calls": lambda row: str(row["calls"]),
    "hit rate": lambda row: "" if row.get("hit_rate") is None else f"{row['hit_rate']:.0%}",
    "corrections": _some("corrections"),
    "kept": _some("corrections_kept"),
    "tokens": _some("tokens"),
    "cached": _some("cached_tokens"),
    "cost": _some("cost", "{:.4f}"),
    "s a call": lambda row: f"{row['mean_seconds']:.1f}" if (row.get("mean_seconds") or 0) >= 0.05 else "",
    "errors": _errors,
}
