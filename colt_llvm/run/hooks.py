"""What a caller gives a run as Python objects: objective, check, strategy, models.

No file holds them. A run's header has their names, so that a resumed run is given the same ones again or says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import UsageError
from colt_llvm.evaluate.evaluators import RemotePool
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.measure.check import OwnCheck
from colt_llvm.models.base import LanguageModel
from colt_llvm.objectives.cost import CostObjective
from colt_llvm.run.asking import Asking
from colt_llvm.run.sanitizers import SanitizedBuild
from colt_llvm.search.strategy import StrategyFactory, Task, declared


@dataclass(frozen=True)
class Hooks:
    """strategy: called once a run. models: by name, in place of connecting to what a specification says.

    remote: other machines that build, check and time; they change no result that has no noise.
    sanitized: builds what the program is a part of, with the program instrumented. diagnoses: whether a miscompile is
    looked into after the search.
    """

    objective: CostObjective | None = None
    check: OwnCheck | None = None
    strategy: StrategyFactory | None = None
    models: Mapping[str, LanguageModel] = field(default_factory=dict)
    remote: RemotePool | None = None
    sanitized: SanitizedBuild | None = None
    diagnoses: bool = True

    def names(self) -> dict[str, str]:
        """What a run's header records of them; empty without any."""
        named = {}
        if self.objective is not None:
            named["objective"] = f"{self.objective.name} of {', '.join(self.objective.needs)}"
        if self.check is not None:
            named["check"] = self.check.name + (" in place of the comparison" if self.check.replaces else "")
        if self.strategy is not None:
            named["strategy"] = name_of(self.strategy)
        if self.models:
            named["models"] = ", ".join(sorted(self.models))
        return named

    def require(self, recorded: Mapping[str, Any], directory: Path) -> None:
        """Refuse to go on with other objects than a run began with. Raises UsageError."""
        given = self.names()
        for kind in ("objective", "check", "strategy", "models"):
            was, now = recorded.get(kind), given.get(kind)
            if was == now:
                continue
            if was is None:
                raise UsageError(f"{directory}: began without {kind} {now}; leave it out, or start a new run")
            raise UsageError(
                f"{directory}: began with {kind} {was}, an object of Python that no file holds; "
                f"give it again: colt_llvm.resume(run, {kind}=...)"
            )

    def options(self, options: TuneOptions) -> TuneOptions:
        """With the baseline and the figures that an own objective has."""
        if self.objective is None:
            return options
        return replace(options, objective=self.objective.base, weights=None)

    def asking(self, task: Task) -> Asking | None:
        """The caller's own search; None without one. Raises UsageError for what is no strategy."""
        if self.strategy is None:
            return None
        chosen = declared(self.strategy)
        strategy = chosen.made(task)
        return Asking(strategy, strategy, note=chosen.note)


def name_of(thing: object) -> str:
    """A function's or class's own name; of another object, that of its class."""
    return str(getattr(thing, "__name__", type(thing).__name__))
