"""Old numbers against new ones: equal searches of each model alone, built and not executed, so without noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from colt_llvm.core.errors import UsageError
from colt_llvm.models.embedded import SPECS
from colt_llvm.models.embedded.policy import EmbeddedModel
from colt_llvm.models.embedded.weights import Weights
from colt_llvm.search.options import PRESETS
from colt_llvm.training.evaluator import CachedEvaluator
from colt_llvm.training.learning_curves import LearningCurve, learning_curve

#: As ``tune`` searches with the embedded policies.
_SEARCH = PRESETS["retrieval"]
#: Of a mean reward: what is nearer than this is level.
_LEVEL = 1e-6


@dataclass(frozen=True)
class Comparison:
    """One model on one program under one objective: curves by seed, of the old numbers and of the new ones."""

    model: str
    program: str
    objective: str
    old: tuple[LearningCurve, ...]
    new: tuple[LearningCurve, ...]


@dataclass(frozen=True)
class Figures:
    """Means over programs and seeds; rewards, so log ratios."""

    old_mean: float  #: of the best over all trials
    new_mean: float
    old_last: float  #: of the best at the end
    new_last: float

    @property
    def worse(self) -> bool:
        """Whether the new numbers find less, or find it later."""
        return self.new_mean < self.old_mean - _LEVEL


@dataclass(frozen=True)
class Validation:
    """Of one model."""

    model: str
    kept: bool  #: whether the new numbers are: where they are worse under no objective
    figures: Mapping[str, Figures]  #: by objective


@dataclass(frozen=True)
class Effort:
    """Of the comparison of old and new numbers. Raises UsageError for less than one of either."""

    trials: int = 40  #: of each search
    seeds: int = 3  #: searches of each program and model, with the seeds 1 to so many

    def __post_init__(self) -> None:
        for option, value in (("--trials", self.trials), ("--seeds", self.seeds)):
            if value < 1:
                raise UsageError(f"{option} {value}: use 1 or more")


def compare(evaluator: CachedEvaluator, program: str, old: Weights, new: Weights, effort: Effort) -> list[Comparison]:
    """Each model by this evaluator, which builds no sequence twice."""

    def curves(name: str, known: Weights) -> tuple[LearningCurve, ...]:
        model = EmbeddedModel(SPECS[name], known=known)
        seeds = range(1, effort.seeds + 1)
        return tuple(learning_curve(evaluator, [model], _SEARCH, effort.trials, seed) for seed in seeds)

    objective = evaluator.objective.name
    return [Comparison(name, program, objective, curves(name, old), curves(name, new)) for name in SPECS]


def validations(comparisons: Sequence[Comparison]) -> list[Validation]:
    """Of each model, in the order of their size."""
    found = []
    for model in SPECS:
        mine = [one for one in comparisons if one.model == model]
        objectives = sorted({one.objective for one in mine})
        figures = {name: _figures([one for one in mine if one.objective == name]) for name in objectives}
        found.append(Validation(model, not any(one.worse for one in figures.values()), figures))
    return found


def _figures(of: Sequence[Comparison]) -> Figures:
    old = [curve for one in of for curve in one.old]
    new = [curve for one in of for curve in one.new]
    old_mean, new_mean = (fmean(curve.mean for curve in curves) for curves in (old, new))
    old_last, new_last = (fmean(curve.best[-1] for curve in curves) for curves in (old, new))
    return Figures(old_mean, new_mean, old_last, new_last)
