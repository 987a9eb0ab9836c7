"""Tables as files: CSV and JSON with every number, Markdown and LaTeX to be read.

cells.csv          one row a cell, failed ones too
strategies.csv     one row a strategy in a group
models.csv         one row a model of a strategy in a group
programs.csv       one row a program and strategy in a group
summary.json       all of the statistics, and what was refused
tables.md, tables.tex with the sentences that the intervals support

LaTeX needs the packages booktabs and (as tables are wide) graphicx. Every name is escaped in both.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from colt_llvm.analysis.cells import Cell, Results
from colt_llvm.analysis.curves import Reached
from colt_llvm.analysis.groups import EVERYTHING, Group, group_cells
from colt_llvm.analysis.sentences import RULE, below_baseline, findings, show_per_cent
from colt_llvm.analysis.statistics import TIE, Estimate
from colt_llvm.analysis.summary import Row, Summary, summarise
from colt_llvm.core.errors import RunDirectoryError

Record = dict[str, Any]


def write_tables(results: Results, folder: Path, reference: str | None = None) -> list[Path]:
    """Write all of them into ``folder``, made if needed; gives the files. Raises RunDirectoryError.

    reference: the strategy that others are held against; by default COLT.
    """
    summaries = [summarise(group, reference) for group in group_cells(results)]
    texts = {
        "cells.csv": csv_text(map(cell_record, results.cells)),
        "strategies.csv": csv_text(record for summary in summaries for record in strategy_records(summary)),
        "programs.csv": csv_text(record for summary in summaries for record in program_records(summary.group)),
        "models.csv": csv_text(record for summary in summaries for record in model_records(summary)),
        "summary.json": json_text(results, summaries),
        "tables.md": markdown_document(results, summaries),
        "tables.tex": latex_document(summaries),
    }
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="")
            written.append(folder / name)
    except OSError as error:
        raise RunDirectoryError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder with -o"
        ) from None
    return written


def csv_text(records: Iterable[Record]) -> str:
    """A header of all names, and a line a record. Empty where there is none."""
    rows = list(records)
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


def json_text(results: Results, summaries: Sequence[Summary]) -> str:
    """Numbers that are not finite are null."""
    groups = [
        {
            **_group_record(summary.group),
            "programs": [list(program) for program in summary.group.programs],
            "reference": summary.reference,
            "strategies": strategy_records(summary),
            "models": model_records(summary),
            "findings": findings(summary),
            "part_of_the_trials": {
                f"{part:g}": {name: _estimate("gain", estimate) for name, estimate in found.items()}
                for part, found in summary.efficiency.items()
            },
        }
        for summary in summaries
    ]
    value = {"kind": "colt-llvm bench summary", "version": 1, "refused": list(results.refused), "groups": groups}
    return json.dumps(_finite(value), indent=1, allow_nan=False) + "\n"


def cell_record(cell: Cell) -> Record:
    low, high = cell.interval or ("", "")
    return {
        "suite": cell.suite, "program": cell.program, "split": cell.split, "family": cell.family,
        "strategy": cell.strategy, "objective": cell.objective, "strict": cell.strict, "budget": cell.budget.amount,
        "unit": cell.budget.unit, "seed": cell.seed, "llvm": cell.llvm, "host": cell.host, "made": cell.made,
        "status": cell.status, "error": cell.error, "gain": cell.gain if cell.done else "",
        "ratio": math.exp(cell.gain) if cell.done else "", "ratio_low": low, "ratio_high": high,
        "checked": "" if cell.checked is None else cell.checked, "trials": cell.trials, "distinct": cell.distinct,
        "seconds": cell.seconds, "money": cell.curve[-1].money if cell.curve else 0.0,
        "work": cell.curve[-1].work if cell.curve else 0.0,
        "failures": " ".join(f"{kind}={count}" for kind, count in sorted(cell.failures.items())),
    }  # fmt: skip


def strategy_records(summary: Summary) -> list[Record]:
    return [{**_group_record(summary.group), **_row_record(row)} for row in summary.rows]


def _row_record(row: Row) -> Record:
    record: Record = {
        "strategy": row.strategy, "programs": row.programs, "searches": row.searches, "failed": row.failed,
        **_estimate("gain", row.gain), "below_baseline_percent": below_baseline(row.gain.value), "area": row.area,
        "reached_share_of_best": row.reached.share, "reached": row.reached.reached, "reached_of": row.reached.searches,
        "reached_median": row.reached.median, "mean_rank": row.rank, "checked": row.checked[0],
        "check_failed": row.checked[1], "nothing_to_check": row.checked[2], "mean_trials": row.trials,
        "mean_seconds": row.seconds, "mean_money": row.money, "mean_work": row.work,
    }  # fmt: skip
    if row.comparison is not None:
        found = row.comparison
        record |= {
            "reference": found.reference, **_estimate("difference", found.difference), "wins": found.counts.wins,
            "ties": found.counts.ties, "losses": found.counts.losses, "p": found.p, "p_holm": found.p_holm,
            "p_sign": found.p_sign, "told_apart": found.told_apart,
        }  # fmt: skip
    return record


def program_records(group: Group) -> list[Record]:
    """Mean, least and greatest log gain over the seeds, one a program and strategy."""
    records = []
    for strategy in group.strategies:
        for program in group.programs_of(strategy):
            gains = [cell.gain for cell in group.cells[strategy][program]]
            records.append(
                {
                    **_group_record(group), "suite": program[0], "program": program[1], "strategy": strategy,
                    "seeds": len(gains), "mean_gain": float(np.mean(gains)), "least_gain": min(gains),
                    "greatest_gain": max(gains), "best_known_gain": group.best[program],
                }
            )  # fmt: skip
    return records


def model_records(summary: Summary) -> list[Record]:
    """Sums over the group's searches."""
    return [
        {**_group_record(summary.group), "strategy": row.strategy, "model": model, **sums}
        for row in summary.rows
        for model, sums in row.models.items()
    ]


def _group_record(group: Group) -> Record:
    key = group.key
    return {
        "objective": key.objective, "strict": key.strict, "budget": key.budget.amount, "unit": key.budget.unit,
        "llvm": key.llvm, "host": key.host, "part": group.part,
    }  # fmt: skip


def _estimate(name: str, estimate: Estimate) -> Record:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


LEGEND = (
    "*Below baseline* is the geometric mean over programs and seeds, in per cent, with a 95% interval from a bootstrap "
    "over programs and seeds in them. *Area* is the share of the best known gain that was held, averaged over the "
    "budget. *90% reached* is the median of what was used up until 90% of the best known gain of a program was there, "
    "and how many searches got there; those that did not count as later than all. *Against* the reference is how far "
    "the strategy's results are below the reference's, with its interval, so above 0 is better. *W/T/L* counts "
    f"programs on which it is better, within {100 * TIE:g}%, and worse. *p* is that of a two-sided signed-rank test "
    "over programs, after Holm's correction. *Checked*: results that passed all workloads, of those that could be "
    f"run. {RULE}"
)


def markdown_document(results: Results, summaries: Sequence[Summary]) -> str:
    """All groups, one section each."""
    lines = ["# Comparison of strategies\n", LEGEND, ""]
    for line in results.refused:
        lines.append(f"- refused: {escape(line)}")
    for summary in summaries:
        lines += ["", f"## {escape(title_of(summary.group))}\n", markdown_table(summary), ""]
        lines += [f"- {escape(sentence)}" for sentence in findings(summary)]
    return "\n".join(lines) + "\n"


def title_of(group: Group) -> str:
    part = "" if group.part == EVERYTHING else f", {group.part} programs"
    return f"{group.key}{part}"


def markdown_table(summary: Summary) -> str:
    """One row a strategy, the greatest gain first. Ends without a newline."""
    unit = summary.group.key.budget.unit
    heads = ["strategy", "programs", "below baseline", "area", f"90% reached, {unit}", f"against {summary.reference}",
             "W/T/L", "p", "rank", "checked"]  # fmt: skip
    lines = [f"| {' | '.join(map(escape, heads))} |", "|---" * len(heads) + "|"]
    lines += [f"| {' | '.join(map(escape, row_texts(row)))} |" for row in summary.ranked]
    return "\n".join(lines)


def row_texts(row: Row) -> list[str]:
    """What stands in a row, column by column; shared by Markdown and LaTeX."""
    found = row.comparison
    run = row.checked[0] + row.checked[1]
    return [
        row.strategy,
        str(row.programs),
        show_per_cent(row.gain),
        "" if math.isnan(row.area) else f"{row.area:.3f}",
        show_reached(row.reached),
        show_per_cent(found.difference, signed=True) if found else "",
        str(found.counts) if found else "",
        show_p(found.p_holm) if found else "",
        "" if math.isnan(row.rank) else f"{row.rank:.2f}",
        f"{row.checked[0]} of {run}" if run else "",
    ]


def show_reached(reached: Reached) -> str:
    """``12 (80 of 95)``, or that half of them never did."""
    if not reached.searches:
        return ""
    median = f"{reached.median:.3g}" if math.isfinite(reached.median) else "not by half"
    return f"{median} ({reached.reached} of {reached.searches})"


def show_p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def escape(text: str) -> str:
    """Names are anybody's: nothing in them may end a cell or begin a tag."""
    text = " ".join(text.split())
    for mark in "\\|`*_<[]":
        text = text.replace(mark, f"\\{mark}")
    return text


_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "λ": r"$\lambda$", "×": r"$\times$",
}  # fmt: skip


def escape_latex(text: str) -> str:
    """Text that LaTeX sets as it stands; line ends become spaces."""
    return "".join(_ESCAPES.get(letter, letter) for letter in " ".join(text.split()))


def latex_document(summaries: Sequence[Summary]) -> str:
    """One table environment a group, to be taken in by ``\\input``."""
    head = "% Needs \\usepackage{booktabs} and \\usepackage{graphicx}; with pdfTeX also \\usepackage[T1]{fontenc}.\n"
    return head + "\n".join(map(latex_table, summaries))


def latex_table(summary: Summary) -> str:
    """One group, the greatest gain first."""
    unit = summary.group.key.budget.unit
    heads = ["strategy", "programs", "below baseline", "area", f"90% of best, {unit}", f"against {summary.reference}",
             "W/T/L", "p (Holm)", "rank", "checked"]  # fmt: skip
    lines = [
        r"\begin{table}", r"\centering",
        rf"\caption{{{escape_latex(title_of(summary.group))}. Intervals: 95\%, bootstrap over programs and seeds.}}",
        r"\resizebox{\linewidth}{!}{%", rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}", r"\toprule",
        " & ".join(map(escape_latex, heads)) + r" \\", r"\midrule",
    ]  # fmt: skip
    lines += [" & ".join(map(escape_latex, row_texts(row))) + r" \\" for row in summary.ranked]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}", ""])
