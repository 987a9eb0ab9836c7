"""Best so far, as the claim lets it stand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Point:
    """One trial as it was told.

    seconds: since the search began. cost: money spent so far. effort: parameters x answers so far. reward: None for
    a failure. sequence: names, as the claim's list of rejected ones has it.
    """

    seconds: float
    cost: float
    effort: float
    reward: float | None
    sequence: str


def curve(points: Sequence[Point], rejected: Collection[str], gain: float, seconds: float) -> list[list[float]]:
    """[trials told, seconds, money, parameters x answers, gain so far] at each improvement and at the end.

    What the claim rejected counts as no improvement, and nothing counts for more than what was claimed (``gain``):
    so the last point is the claim, and a wrong program that looked good raises no part of the curve.
    """
    found: list[list[float]] = []
    best = 0.0
    for told, point in enumerate(points, start=1):
        reward = min(point.reward or 0.0, gain)
        if reward > best and point.sequence not in rejected:
            best = reward
            found.append([told, round(point.seconds, 6), point.cost, point.effort, best])
    last = points[-1] if points else Point(0.0, 0.0, 0.0, None, "")
    found.append([len(points), round(max(seconds, last.seconds), 6), last.cost, last.effort, gain])
    return found


def model_rows(ledger: dict[str, Any], parameters: dict[str, float]) -> dict[str, Any]:
    """What each model did, from ``Asking.models()``; {} without models."""
    rows = ledger.get("models", {})
    return {
        name: {
            "parameters": parameters.get(name, 0.0),
            "calls": int(row["calls"]),
            "answers": int(row["answers"]),
            "corrections": int(row["corrections"]),
            "cost": float(row["cost"]),
        }
        for name, row in rows.items()
    }
