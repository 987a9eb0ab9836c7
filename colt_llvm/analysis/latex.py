"""Tables in LaTeX for the packages booktabs and (as they are wide) graphicx; every name is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from colt_llvm.analysis.markdown import row_texts, title_of
from colt_llvm.analysis.summary import Summary

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
