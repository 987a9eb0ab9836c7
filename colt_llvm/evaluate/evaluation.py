"""What is known of one object code, and how it comes to be known: on this machine, or wherever an examiner works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from colt_llvm.evaluate.judge import Judge, Miscompiled
from colt_llvm.evaluate.target import Built
from colt_llvm.objectives.base import RUN_TIME, Objective

#: Among the samples of a trial: what was seen of a wrong candidate and of the baseline beside it.
SECOND_LOOK = "second_look"


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


@dataclass(frozen=True)
class Examination:
    """What is to be found out of one candidate, as plain data.

    name: of its file, unique in the run. timed: measure it against the baseline, at once. thorough: check all
    workloads, else only the quick ones. best_ratio: of run time; a candidate surely below it is let go.
    """

    name: str
    timed: bool = False
    thorough: bool = False
    best_ratio: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class Examined:
    """miscompiled: what it does differently; empty where it does the same. checked: all workloads were run.

    crashed: why nothing is known of it; that is no miscompile.
    ratio: of run time, baseline over candidate; None where it was not timed. samples: seconds of each run, or of a
    wrong one what the second look showed.
    """

    miscompiled: str = ""
    crashed: str = ""
    checked: bool = False
    ratio: float | None = None
    samples: Mapping[str, Any] = field(default_factory=dict)


#: Links objects, checks what they do and perhaps times them. May be called from several threads.
Examiner = Callable[[tuple[bytes, ...], Examination], Examined]


def examine(judge: Judge, objects: tuple[bytes, ...], wanted: Examination) -> Examined:
    """Cheap before dear: a wrong program is not timed."""
    try:
        executable = judge.link(objects, wanted.name)
        if not wanted.timed:
            return Examined(checked=judge.check(executable, thorough=wanted.thorough))
        judge.check(executable, thorough=False, core=judge.core)
        measured = judge.measure(executable, wanted.best_ratio, wanted.seed)
        samples = {"candidate": measured.candidate, "baseline": measured.baseline, "cut": measured.cut}
        return Examined(checked=True, ratio=measured.ratio, samples=samples)
    except Miscompiled as error:
        return Examined(miscompiled=str(error), samples={SECOND_LOOK: error.evidence} if error.evidence else {})
    finally:
        (judge.folder / wanted.name).unlink(missing_ok=True)


class Evaluator(Protocol):
    """lanes: how many candidates are evaluated at once."""

    lanes: int

    def evaluate(self, built: Built, bar: Bar, request_id: int) -> Verdict:
        """Called from ``lanes`` threads. Never raises for a candidate that fails: that is a verdict."""


@dataclass
class ExaminingEvaluator:
    """baseline: figures of the baseline. examiner: None where IR alone is valued, which is checked when claimed."""

    examiner: Examiner | None
    objective: Objective
    baseline: Mapping[str, float]
    seed: int = 0
    lanes: int = 1

    def evaluate(self, built: Built, bar: Bar, request_id: int) -> Verdict:
        figures = self.objective.measured(built)
        if self.examiner is None or not built.objects:
            return Verdict(figures)
        timed = self.objective.timed
        found = self.examiner(
            built.objects,
            Examination(
                name=f"candidate-{request_id}",
                timed=timed,
                thorough=not timed and self.objective.reward(figures, self.baseline) > bar.reward,
                best_ratio=bar.ratio if self.objective.time_alone else None,
                seed=self.seed + request_id,
            ),
        )
        if found.miscompiled:
            return Verdict(figures, "miscompile", found.miscompiled, samples=found.samples)
        if found.crashed:
            return Verdict(figures, "crash", found.crashed)
        if found.ratio is not None:
            figures[RUN_TIME] = self.baseline[RUN_TIME] / found.ratio
        return Verdict(figures, checked=found.checked, samples=found.samples)


def judging(judge: Judge | None) -> Examiner | None:
    """The judge of this machine as an examiner."""
    return None if judge is None else lambda objects, wanted: examine(judge, objects, wanted)
