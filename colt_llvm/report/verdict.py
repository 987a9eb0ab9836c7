"""The first part of the page: what came of the run in one sentence, its figures, and how the search got there."""

from __future__ import annotations

import math
from collections import Counter

from colt_llvm.measure.compared import Compared
from colt_llvm.objectives.base import Objective
from colt_llvm.objectives.registry import known_objective
from colt_llvm.report.charts import Line, convergence
from colt_llvm.report.run import Run
from colt_llvm.report.text import Markup, change, e, figure, label, ratio, seconds, table
from colt_llvm.report.tree import best_trial, improvements


def verdict_class(run: Run) -> str:
    """The CSS class of the verdict."""
    if run.result is None:
        return "open"
    return "improved" if run.result.improved else "kept"


def verdict(run: Run) -> str:
    """One sentence, as text."""
    if run.result is None:
        return _unfinished(run)
    result = run.result
    if not result.improved:
        return (
            f"No improvement found: in {_count(result.trials, 'trial')} nothing was proved better than "
            f"{result.baseline}"
            f"{_measured(run)}{_noise(run)}; the baseline is kept."
        )
    stated = known_objective(result.objective)
    old, new = result.figures.get(stated.figures[0] if stated else "", (0.0, 0.0))
    said = (stated.improved if stated else Objective.improved).format(
        ratio=result.ratio, share=f"{1 - 1 / result.ratio:.1%}", baseline=result.baseline, old=old, new=new
    )
    return f"{result.program} {said}{_measured(run)}; {_checked(run)}."


def _unfinished(run: Run) -> str:
    told = _count(len(run.trials), "trial")
    best = best_trial(run.trials)
    so_far = "none better than the baseline so far"
    if best is not None:
        so_far = f"the best so far measured {math.exp(best.outcome.reward or 0.0):.4f} times as good in the search"
    what = "is still at work" if run.at_work else "ended before its proof"
    return f"This run {what}: {told}, {so_far}; nothing is proved yet against {run.baseline}."


def _measured(run: Run) -> str:
    interval = run.result.interval if run.result else None
    if interval is None:
        return ""
    return (
        f" ({interval.confidence:.1%} interval {interval.low:.4f} to {interval.high:.4f}, ratio {interval.ratio:.4f}, "
        f"{_count(interval.rounds, 'round')} measured after the search)"
    )


def _noise(run: Run) -> str:
    """Why an interval above 1 proves nothing: the baseline differs from its own copy by as much."""
    interval, noise = run.result.interval if run.result else None, run.evidence.get("host_noise")
    if interval is None or interval.low <= 1 or not noise:
        return ""
    return f", which is within the noise floor of this host, {noise:.2%} in the A/A control"


def _checked(run: Run) -> str:
    workloads = len(run.program.workloads)
    where = f"on {'its workload' if workloads == 1 else f'all {workloads} workloads'}"
    compared = run.result.compared if run.result else Compared()
    if not compared.text:
        return f"its output was the same {where}"
    return f"it did the same {where} ({compared.text})"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def figures_section(run: Run) -> str:
    """Figures before and after where the run has a result; counts of the search in any case."""
    parts = []
    if run.result is not None:
        chosen = run.options.objective
        new = "Tuned" if run.result.improved else "Kept"
        rows = [
            (Markup(f"{e(label(name))}{_chosen(run, name)}"), figure(name, old), figure(name, tuned),
             ratio(old / tuned) if tuned else "", change(tuned / old - 1) if old else "")
            for name, (old, tuned) in sorted(run.result.figures.items(), key=lambda item: item[0] != chosen)
        ]  # fmt: skip
        parts.append(
            table("Figures of the program", ("Figure", run.baseline, new, "Ratio", "Change"), rows, (1, 2, 3, 4))
        )
    parts.append(table("The search in numbers", ("", ""), _counts(run), (1,), kind="plain"))
    return f'<div class="columns">{"".join(parts)}</div>\n'


def _chosen(run: Run, name: str) -> str:
    return ' <span class="tag">objective</span>' if name == run.options.objective else ""


def _counts(run: Run) -> list[tuple[str, str]]:
    trials = run.trials
    failures = Counter(trial.outcome.failure for trial in trials if trial.outcome.failure)
    spent = max((trial.seconds for trial in trials), default=0.0)
    rows = [
        ("Trials", f"{len(trials):,}"),
        ("Different object codes", f"{len({trial.outcome.key for trial in trials if trial.outcome.key}):,}"),
        ("Time of the search", seconds(run.result.elapsed_seconds if run.result else spent)),
        ("Failures", f"{sum(failures.values()):,}"),
        ("Of these, miscompiles", f"{failures.get('miscompile', 0):,}"),
    ]
    if run.result and run.result.found_at_trial is not None:
        rows.append(("Found at trial", f"{run.result.found_at_trial:,}"))
        rows.append(("Found after", seconds(run.result.found_at_seconds or 0.0)))
    if run.evidence.get("host_noise"):
        rows.append(("Noise floor (A/A control)", f"\N{PLUS-MINUS SIGN}{run.evidence['host_noise']:.2%}"))
    return rows


def convergence_section(run: Run) -> str:
    """Two charts: trials, and seconds since the search began."""
    if not run.trials:
        return "<p>No trial has ended yet.</p>\n"
    steps = list(improvements(run.trials))
    found = None
    if run.result is not None and run.result.improved:
        for told, trial in enumerate(run.trials, start=1):
            if trial.request.id == run.winner:
                found = (float(told), trial.seconds, run.result.ratio)
    by_trial = Line(
        [(told, math.exp(reward)) for told, _, reward in steps], float(len(run.trials)), "trials", "",
        (found[0], found[2]) if found else None,
    )  # fmt: skip
    by_time = Line(
        [(at, math.exp(reward)) for _, at, reward in steps], max(trial.seconds for trial in run.trials),
        "time since the search began", "s", (found[1], found[2]) if found else None,
    )  # fmt: skip
    proved = f"what was proved, {ratio(found[2])}" if found else ""
    return (
        '<div class="columns charts">'
        + convergence(by_trial, "Best ratio by trial", run.baseline, proved)
        + convergence(by_time, "Best ratio by time", run.baseline, proved)
        + "</div>\n"
    )
