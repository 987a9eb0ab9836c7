"""The table of the ablation: each variant against the largest model alone, paired by program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Result = dict[str, Any]
Vector = npt.NDArray[np.float64]

_RESAMPLES = 4_000
_TEXT = (
    "`python -m colt_llvm.bench ablation`: objective `instructions` (IR count against `opt -Oz`, no noise), "
    "{trials} trials a search, {seeds} seeds, preset `{preset}`, the embedded policies as models. They are small "
    "policies, not language models. *smaller* is the geometric mean over programs and seeds. *against the largest "
    "alone* is the difference of that, in percentage points, with a 95% bootstrap interval over programs: past 0 "
    "means better. *largest* is the share of the answers that came from the largest policy, corrections included; "
    "*cost* is the sum of parameters times answers, relative to the largest alone. *time* is of one search; all "
    "searches of a program share one store of states and take turns in going first.\n"
)


def ablation_section(results: Sequence[Result]) -> str:
    """Markdown; for all programs, and for the paper's own kind of workloads (family neural)."""
    lines = ["## COLT against its parts\n"]
    if not results:
        return "\n".join([*lines, "Not measured.\n"])
    first = results[0]
    seeds = len({row["seed"] for row in first["runs"]})
    lines.append(_TEXT.format(trials=first["trials"], seeds=seeds, preset=first["preset"]))
    groups = {
        "All programs": results,
        "Neural workloads": [result for result in results if result["family"] == "neural"],
        "Held-out programs": [result for result in results if result["split"] == "held-out"],
    }
    for title, chosen in groups.items():
        if chosen:
            lines.append(_table(f"{title} ({len(chosen)})", chosen))
    return "\n".join(lines)


def _table(title: str, results: Sequence[Result]) -> str:
    names = list(dict.fromkeys(row["variant"] for result in results for row in result["runs"]))
    names.sort(key=lambda name: (not name.startswith("COLT"), not name.endswith("alone"), name))
    reference = next(name for name in names if name == f"{_largest(results)} alone")
    base = _gains(results, reference)
    whole_cost = _sum(results, reference, "cost")
    heads = ("variant", "smaller", "against the largest alone", "answers", "corrections", "largest", "cost", "time")
    lines = [f"### {title}\n", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name in names:
        gains = _gains(results, name)
        answers = sum(sum(row["answers"].values()) for row in _rows(results, name))
        share = _sum(results, name, "largest_answers") / answers
        runs = len(_rows(results, name))
        difference = "" if name == reference else _difference(gains, base)
        lines.append(
            f"| {name} | {_smaller(gains.mean()):.2f}% | {difference} | {answers / runs:.0f} | "
            f"{_sum(results, name, 'corrections') / runs:.1f} | {share:.0%} | "
            f"{_sum(results, name, 'cost') / whole_cost:.3f} | {_sum(results, name, 'seconds') / runs:.2f} s |"
        )
    return "\n".join(lines) + "\n"


def _largest(results: Sequence[Result]) -> str:
    """The policy that alone costs most."""
    alone = [row for result in results for row in result["runs"] if row["variant"].endswith(" alone")]
    return str(max(alone, key=lambda row: row["cost"])["variant"]).removesuffix(" alone")


def _rows(results: Sequence[Result], variant: str) -> list[Result]:
    return [row for result in results for row in result["runs"] if row["variant"] == variant]


def _sum(results: Sequence[Result], variant: str, field: str) -> float:
    return float(sum(row[field] for row in _rows(results, variant)))


def _gains(results: Sequence[Result], variant: str) -> Vector:
    """Mean log gain over the seeds, one for each program."""
    return np.array([np.mean([row["gain"] for row in _rows([result], variant)]) for result in results])


def _smaller(gain: float) -> float:
    """Per cent below the baseline, of a mean log ratio."""
    return 100 * (1 - math.exp(-gain))


def _difference(gains: Vector, base: Vector) -> str:
    """Percentage points, with the 2.5% and 97.5% quantiles of means over resampled programs."""
    picks = np.random.default_rng(0).integers(0, len(gains), (_RESAMPLES, len(gains)))
    differences = np.exp(-base[picks].mean(axis=1)) - np.exp(-gains[picks].mean(axis=1))
    low, high = np.quantile(differences, (0.025, 0.975))
    return f"{_smaller(gains.mean()) - _smaller(base.mean()):+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"
