"""Decisions in, an evaluation out: what a loop needs of whoever values a sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from colt_llvm.objectives.base import Objective
from colt_llvm.search.protocol import Outcome

#: Among the samples of an evaluation: what was seen of a wrong candidate and of the baseline beside it.
SECOND_LOOK = "second_look"


@dataclass(frozen=True)
class Evaluation(Outcome):
    """What is known of one object code: what the search is told, and what it rests on."""

    detail: str = ""  # why it failed
    checked: bool = False  # all workloads were run, and did the same
    samples: Mapping[str, Any] = field(default_factory=dict)  # seconds of each run; of a wrong one, the second look


@dataclass(frozen=True)
class Reference:
    """What rewards are held against."""

    objective: Objective
    figures: Mapping[str, float]  # of the baseline
    key: str  # of what the empty sequence gives

    def reward(self, figures: Mapping[str, float]) -> float:
        """ln(baseline / candidate). Raises MissingFigureError, BadFigureError."""
        return self.objective.reward(figures, self.figures)

    @property
    def baseline(self) -> Evaluation:
        """The baseline's own evaluation; whatever gives its object code is known by it."""
        return Evaluation(0.0, self.key, None, self.figures, checked=True)


@dataclass(frozen=True)
class Standing:
    """How a search stands while a sequence is evaluated."""

    number: int  # of the trial, unique in the run
    best: Callable[[], float]  # the best reward so far; what is no better needs less of a check
    known: Callable[[str], Evaluation | None]  # of an object code, by its key; None: nothing that would do


class Evaluator(Protocol):
    """Values sequences for one search. A scope smaller than the program (a function alone) is one more of these."""

    baseline: Evaluation | None  # of the empty sequence; None where that is not known beforehand

    def evaluate(self, sequence: tuple[str, ...], standing: Standing) -> Evaluation:
        """Called from several threads at once. Never raises for a candidate that fails: that is an evaluation."""

    def close(self) -> None:
        """Nothing more is wanted: what waits is given up, and what runs has ended on return."""
