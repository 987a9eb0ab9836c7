"""Old numbers against new ones: equal searches of each model alone, built and not executed, so without noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from colt_llvm.models.embedded import SPECS
from colt_llvm.models.embedded.policy import EmbeddedModel
from colt_llvm.models.embedded.weights import Weights
from colt_llvm.search.options import PRESETS
from colt_llvm.training.learning_curves import Course, model_course
from colt_llvm.training.workbench import Workbench

#: As ``tune`` searches with the embedded policies.
_SEARCH = PRESETS["retrieval"]
#: Of a mean reward: what is nearer than this is level.
_LEVEL = 1e-6


@dataclass(frozen=True)
class Comparison:
    """One model on one program under one objective: courses by seed, of the old numbers and of the new ones."""

    model: str
    program: str
    objective: str
    old: tuple[Course, ...]
    new: tuple[Course, ...]


@dataclass(frozen=True)
class Figures:
    """Means over programs and seeds; rewards, so log ratios. course: of the best over all trials. last: at the end."""

    old_course: float
    new_course: float
    old_last: float
    new_last: float

    @property
    def worse(self) -> bool:
        return self.new_course < self.old_course - _LEVEL


@dataclass(frozen=True)
class Verdict:
    """Of one model. kept: whether the new numbers are; they are where they are worse under no objective.

    figures: by objective.
    """

    model: str
    kept: bool
    figures: Mapping[str, Figures]


@dataclass(frozen=True)
class Effort:
    """Of each search. seeds: 1 to so many."""

    trials: int
    seeds: int


def compare(bench: Workbench, program: str, old: Weights, new: Weights, effort: Effort) -> list[Comparison]:
    """Each model at this workbench, which builds no sequence twice."""

    def courses(name: str, known: Weights) -> tuple[Course, ...]:
        model = EmbeddedModel(SPECS[name], known=known)
        seeds = range(1, effort.seeds + 1)
        return tuple(model_course(bench, [model], _SEARCH, effort.trials, seed) for seed in seeds)

    objective = bench.objective.name
    return [Comparison(name, program, objective, courses(name, old), courses(name, new)) for name in SPECS]


def verdicts(comparisons: Sequence[Comparison]) -> list[Verdict]:
    """Of each model, in the order of their size."""
    found = []
    for model in SPECS:
        mine = [one for one in comparisons if one.model == model]
        objectives = sorted({one.objective for one in mine})
        figures = {name: _figures([one for one in mine if one.objective == name]) for name in objectives}
        found.append(Verdict(model, not any(one.worse for one in figures.values()), figures))
    return found


def _figures(of: Sequence[Comparison]) -> Figures:
    old = [course for one in of for course in one.old]
    new = [course for one in of for course in one.new]
    return Figures(_mean(old, _course), _mean(new, _course), _mean(old, _last), _mean(new, _last))


def _mean(courses: Iterable[Course], value: Callable[[Course], float]) -> float:
    values = [value(course) for course in courses]
    return sum(values) / len(values)


def _course(course: Course) -> float:
    return course.mean


def _last(course: Course) -> float:
    return course.best[-1]
