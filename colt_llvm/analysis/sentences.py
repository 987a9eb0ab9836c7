"""Sentences about a group, made from its intervals: what these do not show is not said.

Why so: docs/decisions/0027.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from colt_llvm.analysis.statistics import Estimate
from colt_llvm.analysis.summary import MIN_PROGRAMS, SIGNIFICANCE, Comparison, Row, Summary

RULE = (
    "Two strategies are told apart where the 95% interval of their difference leaves out 0 and the signed-rank test "
    f"over programs has p < 0.05 after Holm's correction, on {MIN_PROGRAMS} programs or more; otherwise they are not."
)


def below_baseline(gain: float) -> float:
    """Per cent below the baseline, of a mean log gain: 100 (1 - exp(-gain))."""
    return -100 * math.expm1(-gain) + 0.0  # no minus before 0


def show_per_cent(estimate: Estimate, signed: bool = False) -> str:
    """``6.41% (5.20 to 7.73)``; without an interval it says so."""
    sign = "+" if signed else ""
    value = f"{below_baseline(estimate.value):{sign}.2f}%"
    if not estimate.bounded:
        return f"{value} (no interval)"
    return f"{value} ({below_baseline(estimate.low):{sign}.2f} to {below_baseline(estimate.high):{sign}.2f})"


def findings(summary: Summary) -> list[str]:
    """Sentences on who found most, on the reference against the others, and on what is missing."""
    said = [_leader(summary), _reference(summary), *_sooner(summary), *_cautions(summary)]
    return [sentence for sentence in said if sentence]


def _leader(summary: Summary) -> str:
    rows = summary.ranked
    if len(rows) < 2:
        return f"{rows[0].strategy} alone was run: {show_per_cent(rows[0].gain)} below the baseline."
    leader = rows[0]
    behind = [name for name, found in summary.trailing.items() if found.told_apart and found.difference.value < 0]
    level = [row.strategy for row in rows[1:] if row.strategy not in behind]
    text = f"The greatest mean gain is that of {leader.strategy}, {show_per_cent(leader.gain)} below the baseline"
    if not behind:
        return f"{text}, but it is not told apart from any other."
    if not level:
        return f"{text}; it is better than all others: told apart from {_list(behind)}."
    return f"{text}; it is told apart from {_list(behind)}, and not told apart from {_list(level)}."


def _reference(summary: Summary) -> str:
    rows = [row for row in summary.rows if row.comparison is not None]
    if not rows:
        return ""
    better, worse, level = split_rows(rows)
    name = summary.reference
    parts = []
    if worse:
        parts.append(f"better than {_with_differences(worse)}")
    if better:
        parts.append(f"worse than {_with_differences(better)}")
    if level:
        parts.append(f"not told apart from {_with_differences(level)}")
    best = summary.ranked[0].strategy
    ending = "" if best == name else f" {name} is not the best here: {best} has the greatest mean gain."
    return f"{name} is {'; '.join(parts)}. (In brackets: how far {name} is below the other.){ending}"


def split_rows(rows: Sequence[Row]) -> tuple[list[Row], list[Row], list[Row]]:
    """Rows that are better than the reference, worse, and not told apart."""
    better, worse, level = [], [], []
    for row in rows:
        found = _comparison(row)
        if not found.told_apart:
            level.append(row)
        elif found.difference.value > 0:
            better.append(row)
        else:
            worse.append(row)
    return better, worse, level


def _sooner(summary: Summary) -> list[str]:
    """The reference after a part of the trials against the others after all of them."""
    return [_after(summary, part, found) for part, found in summary.efficiency.items() if found]


def _after(summary: Summary, part: float, found: Mapping[str, Estimate]) -> str:
    amount = summary.group.key.budget.amount
    after = f"{amount * part:g}"
    enough = {name: estimate for name, estimate in found.items() if estimate.programs >= MIN_PROGRAMS}
    ahead = [name for name, estimate in enough.items() if estimate.low > 0]
    behind = [name for name, estimate in enough.items() if estimate.high < 0]
    if not ahead and not behind:
        return (
            f"{summary.reference} after {after} trials is not told apart by its interval from any other after "
            f"{amount:g}."
        )
    parts = []
    if ahead:
        parts.append(f"has found more than {_list(ahead)} after {amount:g}")
    if behind:
        parts.append(f"has found less than {_list(behind)} after {amount:g}")
    rest = [name for name in found if name not in (*ahead, *behind)]
    other = f"; not told apart from {_list(rest)}" if rest else ""
    return f"After {after} trials {summary.reference} {', and '.join(parts)} (95% intervals){other}."


def _cautions(summary: Summary) -> list[str]:
    group, said = summary.group, []
    short = [row for row in summary.rows if row.programs < len(group.programs)]
    if short:
        named = _list([f"{row.strategy} ({row.programs} of {len(group.programs)})" for row in short])
        said.append(f"Not all programs were done by {named}: compare these by the paired differences alone.")
    failed = [f"{name} {count}" for name, count in group.failed.items()]
    if failed:
        said.append(f"Searches that failed and are left out: {', '.join(failed)}.")
    wrong = [f"{row.strategy} {row.checked[1]}" for row in summary.rows if row.checked[1]]
    if wrong:
        said.append(f"Searches whose best failed its check, and count as no gain: {', '.join(wrong)}.")
    comparisons = sum(row.comparison is not None for row in summary.rows)
    needed = programs_needed(comparisons)
    if len(group.programs) < needed:
        counted = f"{len(group.programs)} programs" + (f" and {comparisons} comparisons" if comparisons > 1 else "")
        said.append(f"With {counted} nothing can be told apart; use {needed} programs or more.")
    said += [f"Doubtful: {line}." for line in group.doubtful]
    return said


def programs_needed(comparisons: int) -> int:
    """With fewer no signed-rank test can have p < 0.05: the least is 2 / 2^n, times ``comparisons`` after Holm."""
    programs = MIN_PROGRAMS
    while comparisons * 2.0 ** (1 - programs) >= SIGNIFICANCE:
        programs += 1
    return programs


def _comparison(row: Row) -> Comparison:
    assert row.comparison is not None
    return row.comparison


def _with_differences(rows: Sequence[Row]) -> str:
    return _list(
        [f"{row.strategy} ({show_per_cent(_comparison(row).difference.negated(), signed=True)})" for row in rows]
    )


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
