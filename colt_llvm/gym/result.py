"""What a search found, also as plain JSON, and what goes wrong with somebody's environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from colt_llvm.core.errors import ColtError


class EnvironmentFailed(ColtError, RuntimeError):
    """An environment cannot be made or reset, or its service does not start."""


Stopped = Literal["trials", "time", "interrupted", "exhausted", "failed", "no more calls"]


@dataclass(frozen=True)
class SearchResult:
    """What a search found."""

    env: str  #: the id of the environment
    benchmark: str | None  #: its URI
    reward_space: str | None  #: its name
    observation_space: str | None  #: its name
    sequence: tuple[str, ...]  #: the best; empty where no reward was above 0
    reward: float  #: cumulative reward of its episode, higher is better
    replayed: float | None  #: the same from a fresh environment; None where that failed or was cut short
    confirmed: bool  #: both are equal
    found_at: int | None  #: number of the trial, from 1; None for the empty sequence
    trials: int  #: sequences that were valued
    transpositions: int  #: trials that led to a state known before
    failures: Mapping[str, int]  #: other failed trials by kind
    examples: Mapping[str, str]  #: what was said of the first of each kind
    models: Mapping[str, Mapping[str, float]]  #: calls, hits and so on by model
    actions: int  #: that proposals were made of
    forking: bool  #: states were kept as forks
    seed: int  #: of tree and proposals
    seconds: float  #: wall-clock time
    stopped: Stopped  #: why the search ended
    note: str = ""  #: more on that
    history: tuple[tuple[int, float], ...] = field(default=())  #: trial, reward: each time it got better


def result_to_dict(result: SearchResult) -> dict[str, Any]:
    """One object of plain values. ``seconds`` alone differs between two runs with one seed and a budget of trials."""
    return asdict(result) | {"sequence": list(result.sequence), "history": [list(item) for item in result.history]}
