"""The sections of docs/BENCHMARKS.md on what ``bench run`` compared: as measured, good or bad."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from colt_llvm.analysis import Results, Summary, group_cells, load_results, summarise
from colt_llvm.analysis.sentences import findings
from colt_llvm.analysis.summary import Row
from colt_llvm.analysis.tables import LEGEND, escape, markdown_table, title_of

_STRATEGIES = (
    "`colt-llvm bench run`: every strategy on the same programs from the same action set, in the same harness, and "
    "each result built again and checked. The models are the embedded policies: small ones, not language models. "
    "*Answers*, *corrections* and *parameters x answers* are means of one search, the last relative to COLT; *largest* "
    "is the largest model's share of the answers.\n"
)
_ABLATIONS = (
    "COLT with one part changed at a time, each held against COLT whole. *Answers*, *corrections* and *parameters x "
    "answers* are means of one search, the last relative to COLT; *largest* is the largest model's share of the "
    "answers.\n"
)
_LONG = "`colt-llvm bench run long`: what COLT has after a part of the trials, beside a genetic search after all.\n"
_MINUTE = "`colt-llvm bench run minute`: code size in a minute a program, beside the peers.\n"
_DECISIONS = (
    "`colt-llvm bench run decisions`: code size in a minute a program by what a search may decide about, and rivals "
    "with the same decisions.\n"
)
_RUNTIME = (
    "`colt-llvm bench run runtime`: run time against plain `clang -O3`, beside clang's own profile-guided build, which "
    "is trained on the very input it is timed on. Only what is proved counts as a gain: anything else is 0.\n"
)
_NOT_MEASURED = "Not measured.\n"


def strategies_section(folder: Path) -> str:
    """``## Strategies``: setting, a table for each objective and budget, and what the intervals bear out."""
    return _section("Strategies", _STRATEGIES, folder, models=True)


def ablations_section(folder: Path) -> str:
    """``## Ablations``: the same, with what each variant asked its models."""
    return _section("Ablations", _ABLATIONS, folder, models=True)


def long_section(folder: Path) -> str:
    """``## Long searches``: COLT's first trials against many of another."""
    return _section("Long searches", _LONG, folder, models=True)


def minute_section(folder: Path) -> str:
    """``## A minute a program``: code size at equal seconds."""
    return _section("A minute a program", _MINUTE, folder, models=True)


def decisions_section(folder: Path) -> str:
    """``## A minute a program, with decisions``: code size by scope, beside rivals with the same decisions."""
    return _section("A minute a program, with decisions", _DECISIONS, folder, models=True)


def runtime_section(folder: Path) -> str:
    """``## Run time beside a profile-guided build``."""
    return _section("Run time beside a profile-guided build", _RUNTIME, folder, models=False)


def _section(title: str, text: str, folder: Path, *, models: bool) -> str:
    lines = [f"## {title}\n", text]
    if not any((folder / "cells").glob("*.json")):
        return "\n".join([*lines, _NOT_MEASURED])
    results = load_results(folder)
    summaries = [summarise(group) for group in group_cells(results)]
    lines += [_setting(results), LEGEND, ""]
    for summary in summaries:
        lines += [f"### {escape(title_of(summary.group))}\n", markdown_table(summary), ""]
        if models:
            lines += [_models_table(summary), ""]
        lines += [*(f"- {escape(sentence)}" for sentence in findings(summary)), ""]
    return "\n".join(lines)


def _setting(results: Results) -> str:
    """Programs, seeds, budgets, hosts, LLVM, dates and cells in one line each."""
    cells = results.cells
    dates = sorted({cell.made[:10] for cell in cells if cell.made})
    done = sum(cell.done for cell in cells)
    subjects = {cell.subject: cell.split for cell in cells}
    splits = {split: list(subjects.values()).count(split) for split in sorted(set(subjects.values()) - {""})}
    named = ", ".join(f"{count} {split}" for split, count in splits.items())
    parts = [
        " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "",
        f"{len(subjects)} program{'s' if len(subjects) != 1 else ''}{f' ({named})' if named else ''}",
        _seeds(results),
        f"budgets of {_joined([str(cell.budget) for cell in cells])}",
        _joined([cell.host for cell in cells]),
        f"LLVM {_joined([cell.llvm for cell in cells])}",
        f"{done} of {len(cells)} searches done",
    ]
    lines = [f"{', '.join(filter(None, map(escape, parts)))}.\n"]
    lines += [f"- refused: {escape(line)}" for line in results.refused]
    return "\n".join(lines)


def _seeds(results: Results) -> str:
    """How many, and which strategies have fewer."""
    pairs = {(cell.strategy, cell.seed) for cell in results.cells}
    counts = Counter(strategy for strategy, _ in pairs)
    most = max(counts.values(), default=0)
    fewer = "; ".join(f"{label}: {count}" for label, count in sorted(counts.items()) if count < most)
    return f"{most} seed{'s' if most != 1 else ''}{f' ({fewer})' if fewer else ''}"


def _models_table(summary: Summary) -> str:
    """What each variant asked, and what that cost against the reference."""
    whole = summary.row(summary.reference).work
    lines = [
        "| variant | answers | corrections | largest | parameters x answers | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for row in summary.ranked:
        answers = sum(sums["answers"] for sums in row.models.values())
        if not answers:
            continue
        corrections = sum(sums["corrections"] for sums in row.models.values())
        cost = f"{row.work / whole:.3f}" if whole else ""
        lines.append(
            f"| {escape(row.strategy)} | {answers / row.searches:.1f} | {corrections / row.searches:.1f} | "
            f"{_largest(summary.rows, row):.0%} | {cost} | {row.seconds:.2f} |"
        )
    return "\n".join(lines)


def _largest(rows: Sequence[Row], row: Row) -> float:
    """Share of the row's answers that the largest model of all rows gave."""
    sizes = {name: sums["parameters"] for one in rows for name, sums in one.models.items()}
    largest = max(sizes, key=lambda name: sizes[name])
    answers = sum(sums["answers"] for sums in row.models.values())
    return row.models[largest]["answers"] / answers if largest in row.models else 0.0


def _joined(values: Sequence[str]) -> str:
    return " and ".join(dict.fromkeys(values))
