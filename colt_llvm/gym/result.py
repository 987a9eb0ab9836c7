"""What a search found, and that as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Stopped = Literal["trials", "time", "interrupted", "exhausted", "failed", "no more calls"]


@dataclass(frozen=True)
class SearchResult:
    """reward: cumulative reward of the sequence's episode, higher is better; 0 and no sequence where none was above 0.

    replayed: the same from a fresh environment, action by action; None where that failed or was cut short.
    found_at: number of the trial, from 1; None for the empty sequence. transpositions: trials that led to a state known
    before. failures: other failed trials by kind; examples: what was said of the first of each kind. models: calls,
    hits and so on by model. stopped: why the search ended; note: more on that.
    """

    env: str
    benchmark: str | None
    reward_space: str | None
    observation_space: str | None
    sequence: tuple[str, ...]
    reward: float
    replayed: float | None
    confirmed: bool
    found_at: int | None
    trials: int
    transpositions: int
    failures: Mapping[str, int]
    examples: Mapping[str, str]
    models: Mapping[str, Mapping[str, float]]
    actions: int
    forking: bool
    seed: int
    seconds: float
    stopped: Stopped
    note: str = ""
    history: tuple[tuple[int, float], ...] = field(default=())  # trial, reward: each time it got better


def result_to_dict(result: SearchResult) -> dict[str, Any]:
    """One object of plain values. ``seconds`` alone differs between two runs with one seed and a budget of trials."""
    return asdict(result) | {"sequence": list(result.sequence), "history": [list(item) for item in result.history]}
