"""The first part of the page: what came of the run in one sentence, its figures, and how the search converged (SVG)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from colt_llvm.measure.compared import Compared
from colt_llvm.objectives.base import Objective
from colt_llvm.objectives.registry import known_objective
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
    if compared.by:
        return compared.by
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


_WIDTH, _HEIGHT = 520, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 16, 14, 48


@dataclass(frozen=True)
class Line:
    """The best so far against one axis."""

    points: Sequence[tuple[float, float]]  # x and the ratio to the baseline, in the order of x
    end: float  # the last x that the axis shows
    axis: str  # what x is
    unit: str  # of x; "" for a count
    proved: tuple[float, float] | None  # x of the winner's trial and its proved ratio; None where nothing was proved


def convergence(line: Line, title: str, baseline: str, found: str) -> str:
    """One figure with a caption. found: how the marked point is named in the legend."""
    ratios = [1.0, *(value for _, value in line.points), *([line.proved[1]] if line.proved else [])]
    end = line.end if line.end > 0 else 1.0
    low, high = min(ratios), max(ratios)
    room = (high - low or 0.01) * 0.12
    frame = _Frame(end, low - room, high + room)
    x, y = frame.x, frame.y
    steps = [f"M{x(0):.1f} {y(1):.1f}"]
    for at, value in line.points:
        steps.append(f"H{x(at):.1f}V{y(value):.1f}")
    steps.append(f"H{x(end):.1f}")
    parts = [_grid(frame, line, baseline)]
    parts.append(f'<path class="level" d="M{x(0):.1f} {y(1):.1f}H{x(end):.1f}"/>')
    parts.append(f'<text class="small" x="{x(end) - 4:.1f}" y="{y(1) - 5:.1f}" text-anchor="end">{e(baseline)}</text>')
    parts.append(f'<path class="best" d="{"".join(steps)}"/>')
    if line.proved:
        parts.append(f'<path class="found" d="{_star(x(line.proved[0]), y(line.proved[1]), 9)}"/>')
    last = line.points[-1][1] if line.points else 1.0
    label = f"{title}: from 1 to {last:.4f} of {baseline}"
    caption = f"Best of the search so far, against {line.axis}" + (f". Star: {found}." if line.proved else ".")
    return Markup(
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{e(label)}">{"".join(parts)}</svg>'
        f"<figcaption>{e(caption)}</figcaption></figure>\n"
    )


@dataclass(frozen=True)
class _Frame:
    """From values to places in the picture."""

    end: float  # the greatest x; the least is 0
    low: float  # the least y
    high: float  # the greatest y

    def x(self, value: float) -> float:
        """Pixels from the left."""
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * value / self.end

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (value - self.low) / (self.high - self.low)


def _grid(frame: _Frame, line: Line, baseline: str) -> str:
    parts = []
    x, y = frame.x, frame.y
    rows, digits = ticks(frame.low, frame.high, 5)
    for value in rows:
        parts.append(f'<path class="grid" d="M{_LEFT} {y(value):.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(
            f'<text x="{_LEFT - 7}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.{max(digits, 2)}f}</text>'
        )
    columns, digits = ticks(0, frame.end, 6 if line.unit else min(6, max(1, int(frame.end))))  # no half a trial
    for value in columns:
        parts.append(f'<path class="grid" d="M{x(value):.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
        text = f"{value:,.{digits}f}"
        parts.append(f'<text x="{x(value):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{text}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    name = f"{line.axis} ({line.unit})" if line.unit else line.axis
    parts.append(f'<text x="{middle:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">{e(name)}</text>')
    half = (_TOP + _HEIGHT - _BOTTOM) / 2
    side = f"ratio to {baseline} (\N{MULTIPLICATION SIGN})"
    parts.append(
        f'<text x="14" y="{half:.0f}" text-anchor="middle" transform="rotate(-90 14 {half:.0f})">{e(side)}</text>'
    )
    return "".join(parts)


def ticks(low: float, high: float, about: int) -> tuple[list[float], int]:
    """Round values within the span, and how many digits after the point tell them apart."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [low], 0
    power = 10.0 ** math.floor(math.log10(span / about))
    step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= about)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)], max(0, -math.floor(math.log10(step) + 1e-9))


def _star(x: float, y: float, size: float) -> str:
    points = []
    for corner in range(10):
        angle, reach = math.pi * corner / 5, size if corner % 2 == 0 else size * 0.42
        points.append(f"{x + reach * math.sin(angle):.1f} {y - reach * math.cos(angle):.1f}")
    return "M" + "L".join(points) + "Z"
