"""Tables in Markdown and LaTeX, with the sentences that their intervals support.

LaTeX needs the packages booktabs and (as tables are wide) graphicx. Every name is escaped in both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from colt_llvm.analysis.cells import Results
from colt_llvm.analysis.curves import Reached
from colt_llvm.analysis.groups import EVERYTHING, Group
from colt_llvm.analysis.sentences import RULE, claims, show_per_cent
from colt_llvm.analysis.statistics import TIE
from colt_llvm.analysis.summary import Row, Summary

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
        lines += [f"- {escape(sentence)}" for sentence in claims(summary)]
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
