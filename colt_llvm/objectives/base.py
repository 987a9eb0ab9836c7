"""What a search makes better: an :class:`Objective` states all that the other parts ask of it.

    reward = ln(baseline / candidate)         0 is the baseline, ln 2 is twice as good

Ours: logs add up over programs, and a speedup of 2 weighs as much as a slowdown of 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Literal, Protocol

from colt_llvm.core.errors import ColtError, UsageError

#: Relative. What gains less is not called better: four digits would show it as 1.0000, and any change of the program
#: or of LLVM moves it by more.
SMALLEST_GAIN = 0.0005


def is_gain(ratio: float) -> bool:
    """Whether baseline / candidate is past what counts as an improvement at all."""
    return ratio >= 1 + SMALLEST_GAIN


class MissingFigureError(ColtError, LookupError):
    """A figure that the objective needs was not measured."""


class BadFigureError(ColtError, ValueError):
    """A figure is not a finite number above 0, so it has no logarithm."""


class MeasureError(ColtError, RuntimeError):
    """An objective's own ``measure`` raised, or did not give its figures. That is no failure of a candidate."""


@dataclass(frozen=True)
class Figure:
    """One number that is measured of a candidate; less is better."""

    name: str  # in journals, recipes and costs
    label: str  # of a row or an axis, with the unit where that is none of its words
    unit: str = ""  # after a number in a prompt; empty for a count

    def text(self, value: float) -> str:
        """The value as tables show it: a time with four digits, a count whole."""
        return f"{value:.4g}" if self.name == RUN_TIME else f"{value:.0f}"


RUN_TIME, SIZE, TEXT, INSTRUCTIONS = "runtime", "size", "text", "instructions"

#: Measured of every candidate, the run time only where it decides.
FIGURES: Mapping[str, Figure] = {
    figure.name: figure
    for figure in (
        Figure(RUN_TIME, "run time (CPU s)", "s"),
        Figure(SIZE, "loaded bytes", "bytes"),
        Figure(TEXT, "code bytes", "bytes"),
        Figure(INSTRUCTIONS, "IR instructions"),
    )
}


class Compiled(Protocol):
    """What a build gave, as far as an objective looks at it."""

    @property
    def figures(self) -> Mapping[str, float]: ...

    @property
    def objects(self) -> Sequence[bytes]: ...


#: Figures of an object file by name, from the objects of one build, one for each source.
Measure = Callable[[Sequence[bytes]], Mapping[str, float]]


@dataclass(frozen=True)
class Objective:
    """A weighted mean of ln(baseline / candidate) over figures, and what follows from it for a run.

    ``Objective("size")`` is the one that is declared under this name; with ``combines`` it declares another.
    Raises UsageError for what means nothing.
    """

    name: str
    weights: Mapping[str, float] = field(default_factory=dict)  # figure -> weight, in place of ``combines``
    _: KW_ONLY
    combines: Mapping[str, float] = field(default_factory=dict)  # figure -> weight where a user gives none
    takes_weights: bool = False  # whether a user may give weights
    level: Literal["O3", "Oz"] = "O3"  # of clang, whose result is the baseline
    opt_baseline: bool = (
        False  # unless a run is strict, the baseline is opt's -Oz of unmarked bitcode (the literature's)
    )
    builds_objects: bool = True  # False: only IR is made and compared in the search; objects are made for the proof
    additive: bool = False  # the object tells the figure of each function, so decisions are tried on all in one build
    plain_flags: bool = False  # the first proposals are what -O1, -O2, -Os and inliner thresholds do
    excerpt: Literal["hottest", "largest"] = "hottest"  # function whose IR a language model is shown
    goal: str = ""  # what a language model is told, one sentence; empty: the name, less is better
    improved: str = "is {ratio:.4f} times as good as with {baseline}"  # of a report, after the program's name
    measure: Measure | None = None  # own figures, from the object files
    measures: tuple[Figure, ...] = ()  # what ``measure`` gives

    def __post_init__(self) -> None:
        if not self.combines:
            from colt_llvm.objectives.registry import find_objective

            declared = find_objective(self.name)
            for stated in fields(Objective)[2:]:
                object.__setattr__(self, stated.name, getattr(declared, stated.name))
        if not self.name or not self.name.isprintable():
            raise UsageError(f"objective {self.name!r}: give it a name of printable characters")
        self._check_measure()
        if self.weights and not self.takes_weights:
            raise UsageError(f"weights do not apply to {self.name!r}: leave them out, or ask for 'balanced'")
        if unknown := sorted({*self.shares} - {*self.known_figures}):
            raise UsageError(f"objective {self.name}: {unknown[0]!r} is no figure; use {', '.join(self.known_figures)}")
        values = self.shares.values()
        if not all(math.isfinite(value) and value >= 0 for value in values) or not sum(values) > 0:
            raise UsageError("weights must be 0 or more, with one above 0: for example runtime=2, size=1")

    def _check_measure(self) -> None:
        """Raises UsageError."""
        if bool(self.measures) != (self.measure is not None) or (self.measures and not self.builds_objects):
            raise UsageError(f"objective {self.name}: to look at objects it needs both measure= and measures=")

    @property
    def known_figures(self) -> Mapping[str, Figure]:
        """All figures by name, those that it measures itself too."""
        return {**FIGURES, **{figure.name: figure for figure in self.measures}}

    @property
    def shares(self) -> Mapping[str, float]:
        """Figure name to weight, before normalisation."""
        return self.weights or self.combines

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures that have to be measured: those with a weight above 0."""
        return tuple(name for name, weight in self.shares.items() if weight > 0)

    @property
    def timed(self) -> bool:
        """Whether candidates are timed, and a gain is an interval; else figures are exact."""
        return RUN_TIME in self.figures

    @property
    def time_alone(self) -> bool:
        """Whether the ratio is that of run times, and nothing else."""
        return {*self.shares} == {RUN_TIME}

    @property
    def monotone(self) -> bool:
        """Whether an interval of run times becomes one of ratios by its ends alone."""
        return True

    def reward(self, figures: Mapping[str, float], baseline: Mapping[str, float]) -> float:
        """The weighted mean of ln(baseline / candidate). Raises MissingFigureError or BadFigureError."""
        total = sum(self.shares.values())
        return sum(self.shares[name] / total * _log_ratio(name, figures, baseline) for name in self.figures)

    def measured(self, built: Compiled) -> dict[str, float]:
        """The figures of a build, and those that the objective measures of its objects itself. Raises MeasureError."""
        if self.measure is None or not built.objects:
            return dict(built.figures)
        try:
            own = dict(self.measure(built.objects))
            found = {figure.name: float(own[figure.name]) for figure in self.measures}
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise MeasureError(f"objective {self.name}: its measure of the objects raised {said}; fix it") from error
        return {**built.figures, **found}

    def try_out(self, baseline: Mapping[str, float]) -> None:
        """Refuse before the search what could not be proved after it. Raises ColtError."""
        if self.measure is not None:
            self.reward(baseline, baseline)


def _log_ratio(name: str, figures: Mapping[str, float], baseline: Mapping[str, float]) -> float:
    """ln(baseline / candidate) of one figure: above 0 when the candidate costs less."""
    return math.log(figure(baseline, name, "baseline") / figure(figures, name, "candidate"))


def figure(figures: Mapping[str, float], name: str, owner: str) -> float:
    """The figure of ``owner`` ("baseline" or "candidate"). Raises MissingFigureError or BadFigureError."""
    if name not in figures:
        raise MissingFigureError(f"the {owner} has no figure {name!r}: measure it, or choose another objective")
    value = figures[name]
    if not (math.isfinite(value) and value > 0):
        raise BadFigureError(f"the {owner}'s {name} is {value}: only a finite number above 0 will do; measure again")
    return value
