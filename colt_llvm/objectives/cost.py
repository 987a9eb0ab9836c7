"""An objective of the caller's own: a Python function that makes one cost of a candidate's figures.

    reward = ln(cost of the baseline / cost of the candidate)

Same figures, same cost: the function is called many times, and a run is resumed by its answers.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from colt_llvm.core.errors import ColtError, UsageError
from colt_llvm.objectives.balanced import BALANCED
from colt_llvm.objectives.base import INSTRUCTIONS, RUN_TIME, SIZE, TEXT, Objective, figure
from colt_llvm.objectives.registry import OBJECTIVES
from colt_llvm.objectives.size import LOADED_SIZE

Cost = Callable[[Mapping[str, float]], float]

#: Run times at which a cost is tried before a run begins, as multiples of the baseline's.
_TRIED_FACTORS = (0.25, 0.5, 0.8, 0.95, 1.0, 1.05, 1.25, 2.0, 4.0)


class CostError(ColtError, ArithmeticError):
    """A cost function raised, or gave something that is no cost. The message says for which figures."""


def _no_cost(figures: Mapping[str, float]) -> float:
    """Stands where a function has to be given. Raises UsageError."""
    raise UsageError("an objective of your own needs its function: CostObjective(name, cost=function)")


@dataclass(frozen=True)
class CostObjective(Objective):
    """An objective named ``name`` whose cost is a Python function. Raises UsageError.

    cost: from figures (name -> number above 0; units as in ``objectives.base.FIGURES``) to one finite number above 0,
    less is better.
    needs: the figures that it is given. With ``runtime`` among them every candidate is timed, the baseline is
    ``clang -O3``, and the cost must not fall where run time rises, so that an interval of run times is one of costs.
    Without it the baseline is ``clang -Oz``, and costs are compared exactly.
    """

    cost: Cost = _no_cost
    needs: tuple[str, ...] = (SIZE, TEXT, INSTRUCTIONS)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.name in OBJECTIVES or not self.name or not self.name.isprintable():
            raise UsageError(f"objective {self.name!r}: give your own a name that no other objective has")
        if not callable(self.cost) or self.cost is _no_cost or self.weights:
            raise UsageError(f"objective {self.name}: give it a function, cost=..., and no weights")
        self._check_measure()
        if not self.needs or (unknown := sorted(set(self.needs) - set(self.known_figures))):
            said = f"{unknown[0]!r} is no figure; " if self.needs else ""
            raise UsageError(f"objective {self.name}: {said}needs holds one or more of {', '.join(self.known_figures)}")
        object.__setattr__(self, "level", (BALANCED if RUN_TIME in self.needs else LOADED_SIZE).level)

    @staticmethod
    def of(function: Cost) -> CostObjective:
        """By the function's own name, over the figures that need no timing. Raises UsageError."""
        return CostObjective(getattr(function, "__name__", type(function).__name__), cost=function)

    @property
    def base(self) -> str:
        """The objective whose baseline and measurements it has."""
        return (BALANCED if RUN_TIME in self.needs else LOADED_SIZE).name

    @property
    def shares(self) -> Mapping[str, float]:
        """None of its own: the function decides."""
        return dict.fromkeys(self.needs, 1.0)

    @property
    def time_alone(self) -> bool:
        """Never: a function of the run time is no ratio of run times."""
        return False

    @property
    def monotone(self) -> bool:
        """A function was found to rise with run time at some points, but nobody knows it between them."""
        return False

    def reward(self, figures: Mapping[str, float], baseline: Mapping[str, float]) -> float:
        """ln(cost of the baseline / cost of the candidate). Raises MissingFigureError, BadFigureError, CostError."""
        return math.log(self.cost_of(baseline) / self.cost_of(figures))

    def cost_of(self, figures: Mapping[str, float]) -> float:
        """The cost, by one call at a time of the function. Raises MissingFigureError, BadFigureError, CostError."""
        given = {name: figure(figures, name, "candidate") for name in self.needs}
        try:
            with self._lock:
                cost = self.cost(dict(given))
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            more = "; name every figure that it reads in needs" if isinstance(error, KeyError) else "; fix it"
            raise CostError(f"objective {self.name}: its function raised {said}, for {_shown(given)}{more}") from error
        if isinstance(cost, bool) or not isinstance(cost, (int, float)) or not (math.isfinite(cost) and cost > 0):
            raise CostError(
                f"objective {self.name}: its function gave {cost!r} for {_shown(given)}; "
                "a cost is a finite number above 0, and less is better"
            )
        return float(cost)

    def try_out(self, baseline: Mapping[str, float]) -> None:
        """Refuse before the search what could not be proved after it. Raises CostError."""
        if self.cost_of(baseline) != self.cost_of(baseline):
            raise CostError(
                f"objective {self.name}: gives two costs for one candidate; let it follow from figures alone"
            )
        if not self.timed:
            return
        costs = [self.cost_of({**baseline, RUN_TIME: baseline[RUN_TIME] * factor}) for factor in _TRIED_FACTORS]
        if costs != sorted(costs):
            raise CostError(
                f"objective {self.name}: falls where run time rises, so a measured gain proves nothing; "
                "let it rise, or leave runtime out of needs"
            )


def _shown(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in figures.items())
