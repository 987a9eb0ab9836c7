"""What is known of one object code, and how it comes to be known: on this machine, or wherever an Evaluator runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from colt_llvm.search import Objective
from colt_llvm.tune.builder import Built
from colt_llvm.tune.judge import Judge, Miscompiled


@dataclass
class Verdict:
    """What is known of one object code: figures, or a failure with its text."""

    figures: Mapping[str, float]
    failure: str | None = None
    detail: str = ""
    checked: bool = False
    samples: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bar:
    """What a candidate has to beat. reward: natural log of a ratio; ratio: of run time, baseline over candidate."""

    reward: float = 0.0
    ratio: float = 1.0


class Evaluator(Protocol):
    """lanes: how many candidates are evaluated at once."""

    lanes: int

    def evaluate(self, built: Built, bar: Bar, request_id: int) -> Verdict:
        """Called from ``lanes`` threads. Never raises for a candidate that fails: that is a verdict."""


@dataclass
class JudgeEvaluator:
    """Links, checks and times with one judge. baseline: figures of the baseline.

    judge: None where IR alone is valued; that is checked when it is about to be claimed.
    """

    judge: Judge | None
    objective: Objective
    baseline: Mapping[str, float]
    seed: int = 0
    lanes: int = 1

    def evaluate(self, built: Built, bar: Bar, request_id: int) -> Verdict:
        figures = dict(built.figures)
        if self.judge is None or not built.objects:
            return Verdict(figures)
        name = f"candidate-{request_id}"
        try:
            executable = self.judge.link(built.objects, name)
            if "runtime" in self.objective.figures:
                return self._time(self.judge, executable, figures, bar, request_id)
            thorough = self.objective.reward(figures, self.baseline) > bar.reward
            return Verdict(figures, checked=self.judge.check(executable, thorough=thorough))
        except Miscompiled as error:
            return Verdict(figures, "miscompile", str(error))
        finally:
            (self.judge.folder / name).unlink(missing_ok=True)

    def _time(self, judge: Judge, executable: Path, figures: dict[str, float], bar: Bar, request_id: int) -> Verdict:
        judge.check(executable, thorough=False, core=judge.core)
        best = bar.ratio if self.objective.name == "runtime" else None
        measured = judge.measure(executable, best, self.seed + request_id)
        figures["runtime"] = self.baseline["runtime"] / measured.ratio
        samples = {"candidate": measured.candidate, "baseline": measured.baseline, "cut": measured.cut}
        return Verdict(figures, checked=True, samples=samples)
