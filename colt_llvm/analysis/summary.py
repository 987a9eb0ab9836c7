"""What is said of each strategy in a group, as numbers: the rows of every table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from colt_llvm.analysis.curves import Reached, efficiency, end_of, mean_area, reach
from colt_llvm.analysis.groups import Group
from colt_llvm.analysis.statistics import (
    TIE,
    Counts,
    Estimate,
    count_outcomes,
    difference_interval,
    holm,
    mean_interval,
    mean_ranks,
    sign_test,
    wilcoxon_signed_rank,
)

#: Fewer programs than this cannot give p < 0.05 in a two-sided signed-rank test, whatever they show: no finding.
MIN_PROGRAMS = 6
SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Comparison:
    """A strategy against the reference, on the programs that both have."""

    reference: str
    difference: Estimate  # of mean log gains; above 0 the strategy is better
    counts: Counts
    p: float  # two-sided signed-rank test over programs
    p_holm: float  # after Holm's correction over the group's strategies
    p_sign: float  # of the sign test

    @property
    def told_apart(self) -> bool:
        """Enough programs, an interval without 0, and the test's p after correction below 5%: all three."""
        enough = self.difference.programs >= MIN_PROGRAMS
        return enough and self.difference.excludes_zero and self.p_holm < SIGNIFICANCE


@dataclass(frozen=True)
class Row:
    """One strategy in one group."""

    strategy: str
    programs: int
    searches: int
    failed: int
    gain: Estimate  # mean log gain
    area: float  # share of the best known gain held over the budget, 0 to 1, or nan
    reached: Reached  # how soon 90% of it was there
    rank: float  # mean over the programs that all strategies have, 1 is best, or nan
    checked: tuple[int, int, int]  # searches whose result passed all workloads, did not, had nothing to run
    trials: float  # mean of a search, as the next three
    seconds: float
    money: float  # dollars
    work: float  # parameters x answers
    models: Mapping[str, Mapping[str, float]]  # model -> its answers, calls, work, cost and corrections, summed
    comparison: Comparison | None  # None for the reference


#: Parts of a budget of trials after which the reference is held against the others after all of it.
EARLIER = (0.5, 0.2)


@dataclass(frozen=True)
class Summary:
    """A group and its rows."""

    group: Group
    reference: str
    rows: tuple[Row, ...]  # in the experiment's order
    leader: str  # who has the greatest mean gain
    trailing: Mapping[str, Comparison]  # the others against the leader
    #: Part of a budget of trials (EARLIER) -> strategy -> the reference's gain after that part less the strategy's
    #: after the whole; empty for other budgets.
    efficiency: Mapping[float, Mapping[str, Estimate]]

    def row(self, strategy: str) -> Row:
        """Of one strategy."""
        return next(row for row in self.rows if row.strategy == strategy)

    @property
    def ranked(self) -> tuple[Row, ...]:
        """The most first."""
        return tuple(sorted(self.rows, key=lambda row: -row.gain.value))


def choose_reference(strategies: Sequence[str]) -> str:
    """``COLT``, or the first whose label begins so, or the first of all."""
    exact = [label for label in strategies if label.lower() == "colt"]
    begins = [label for label in strategies if label.lower().startswith("colt")]
    return (exact or begins or list(strategies))[0]


def summarise(group: Group, reference: str | None = None, tie: float = TIE) -> Summary:
    """All rows of a group. reference: what each is held against; by default see ``choose_reference``."""
    if reference not in group.strategies:
        reference = choose_reference(group.strategies)
    comparisons = compare_with(group, reference, tie)
    ranks = mean_rank(group)
    rows = tuple(_row(group, name, ranks.get(name, math.nan), comparisons.get(name)) for name in group.strategies)
    sooner: dict[float, dict[str, Estimate]] = {}
    if group.key.budget.unit == "trials":
        amount = group.key.budget.amount
        for part in EARLIER:
            sooner[part] = {name: efficiency(group, reference, amount * part, name, amount) for name in comparisons}
    leader = max(rows, key=lambda row: row.gain.value).strategy
    trailing = comparisons if leader == reference else compare_with(group, leader, tie)
    return Summary(group, reference, rows, leader, trailing, sooner)


def compare_with(group: Group, reference: str, tie: float = TIE) -> dict[str, Comparison]:
    """Each other strategy against the reference; those without a program in common are left out."""
    measured = {}
    for name in group.strategies:
        programs = group.programs_of(name, reference)
        if name == reference or not programs:
            continue
        first, second = group.gains(name, programs), group.gains(reference, programs)
        by_program = program_differences(first, second)
        measured[name] = (difference_interval(first, second), by_program)
    p_values = {name: wilcoxon_signed_rank(differences) for name, (_, differences) in measured.items()}
    corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return {
        name: Comparison(
            reference, estimate, count_outcomes(differences, tie), p_values[name], corrected[name],
            sign_test(differences, tie),
        )
        for name, (estimate, differences) in measured.items()
    }  # fmt: skip


def program_differences(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> list[float]:
    """Mean over seeds of the first less that of the second, one a program."""
    return [float(np.mean(a) - np.mean(b)) for a, b in zip(first, second, strict=True)]


def mean_rank(group: Group) -> dict[str, float]:
    """Strategy -> mean rank by mean gain over the programs that all strategies have, 1 is best; ties share."""
    programs = group.programs_of(*group.strategies)
    if not programs:
        return {}
    means = np.array([[np.mean(seeds) for seeds in group.gains(name, programs)] for name in group.strategies])
    ranks = np.array([mean_ranks(-np.round(column, 12)) for column in means.T])
    return dict(zip(group.strategies, (float(rank) for rank in ranks.mean(axis=0)), strict=True))


def _row(group: Group, strategy: str, rank: float, comparison: Comparison | None) -> Row:
    cells = group.all_cells(strategy)
    checks = [cell.checked for cell in cells]
    return Row(
        strategy=strategy,
        programs=len(group.programs_of(strategy)),
        searches=len(cells),
        failed=group.failed.get(strategy, 0),
        gain=mean_interval(group.gains(strategy)),
        area=mean_area(group, strategy),
        reached=reach(group, strategy, group.key.budget.unit),
        rank=rank,
        checked=(checks.count(True), checks.count(False), checks.count(None)),
        trials=float(np.mean([cell.trials for cell in cells])),
        seconds=float(np.mean([cell.seconds for cell in cells])),
        money=float(np.mean([end_of(cell, "money") for cell in cells])),
        work=float(np.mean([end_of(cell, "work") for cell in cells])),
        models=_models(group, strategy),
        comparison=comparison,
    )


def _models(group: Group, strategy: str) -> dict[str, dict[str, float]]:
    total: dict[str, dict[str, float]] = {}
    for cell in group.all_cells(strategy):
        for name, use in cell.models.items():
            sums = total.setdefault(name, dict.fromkeys(("parameters", "calls", "answers", "corrections", "cost"), 0.0))
            sums["parameters"] = use.parameters
            for what in ("calls", "answers", "corrections", "cost"):
                sums[what] += getattr(use, what)
    for sums in total.values():
        sums["work"] = sums["parameters"] * sums["answers"]
    return dict(sorted(total.items(), key=lambda item: (item[1]["parameters"], item[0])))
