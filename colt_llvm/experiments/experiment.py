"""An experiment: programs x strategies x objectives x seeds x budgets, as plain values that are checked once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import UsageError
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.objectives.registry import DEFAULT, OBJECTIVES, find_objective, known_objective
from colt_llvm.search import preset

SUITE_KINDS = ("included", "folder", "polybench", "bitcode", "csmith")
#: Strategies that are no ``TuneOptions.strategy``: they bring a search of their own.
GYM_RANDOM, CLANG_PGO = "compiler-gym-random", "clang-pgo"
DATASETS = ("MINI", "SMALL", "MEDIUM", "LARGE", "EXTRALARGE")
#: The embedded policies together, as ``models`` may name them.
EMBEDDED = "embedded"


def safe(text: str) -> str:
    """As a part of a file name: everything but letters, digits, ``_``, ``+`` and ``-`` becomes ``-``."""
    return re.sub(r"[^\w+-]+", "-", text, flags=re.ASCII).strip("-")


@dataclass(frozen=True)
class Budget:
    """What ends one search: so many trials, or so many seconds of wall clock. One of the two."""

    trials: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.trials is None) == (self.seconds is None):
            raise UsageError("budgets: each has either trials or seconds, such as { trials = 60 }")
        if self.trials is not None and (not isinstance(self.trials, int) or self.trials < 1):
            raise UsageError(f"budgets: trials = {self.trials}: use a whole number of 1 or more")
        if self.seconds is not None and not 0 < self.seconds < 1e6:
            raise UsageError(f"budgets: seconds = {self.seconds}: use a number above 0")

    @property
    def name(self) -> str:
        """``trials-60`` or ``seconds-1.5``."""
        return f"trials-{self.trials}" if self.trials is not None else f"seconds-{self.seconds:g}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"trials": self.trials} if self.trials is not None else {"seconds": self.seconds}


@dataclass(frozen=True)
class StrategySpec:
    """One strategy with its settings, under the name that tables give it.

    models: names as ``--models`` takes them, or one .toml file; empty: the embedded policies, where models are asked.
    preset, search, scopes: as in TuneOptions. max_cost: of all models of one cell, in the currency of their prices.
    """

    label: str
    strategy: str
    models: tuple[str, ...] = ()
    preset: str = ""
    search: Mapping[str, Any] = field(default_factory=dict)
    max_cost: float | None = None
    scopes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not safe(self.label):
            raise UsageError(f"strategy {self.strategy}: label is {self.label!r}; give it one with letters or digits")
        if self.of_its_own:
            if self.models or self.preset or self.search:
                raise UsageError(f"strategy {self.label}: {self.strategy} takes no models, preset or search options")
            return
        if self.preset:
            preset(self.preset, {})
        try:
            self.options(DEFAULT, Budget(trials=1), 1)
        except UsageError as error:
            raise UsageError(f"strategy {self.label}: {error}") from None

    @property
    def of_its_own(self) -> bool:
        """Whether it does not run under tune's driver."""
        return self.strategy in (GYM_RANDOM, CLANG_PGO)

    def options(self, objective: str, budget: Budget, seed: int, **more: Any) -> TuneOptions:
        """As tune takes them. Raises UsageError for settings that the strategy does not know."""
        return TuneOptions(
            objective=objective, strategy=self.strategy, trials=budget.trials, seconds=budget.seconds, seed=seed,
            preset=self.preset, search=dict(self.search), max_cost=self.max_cost, scopes=self.scopes, **more,
        )  # fmt: skip

    def takes(self, objective: str) -> bool:
        """Whether it can search for this objective."""
        if self.strategy == CLANG_PGO:
            return find_objective(objective).time_alone
        return self.strategy != GYM_RANDOM or not find_objective(objective).timed


@dataclass(frozen=True)
class SuiteSpec:
    """Where programs come from. programs: only these names; empty for all.

    split: of the included programs. path: of a folder. seeds: of csmith. dataset: of PolyBench, such as SMALL.
    cflags, ldflags: added for each program. timeout_seconds: wall-clock time of one run of a program.
    """

    kind: str
    name: str = ""
    split: str = ""
    programs: tuple[str, ...] = ()
    path: Path | None = None
    seeds: tuple[int, ...] = ()
    dataset: str = "SMALL"
    cflags: tuple[str, ...] = ()
    ldflags: tuple[str, ...] = ()
    timeout_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.kind not in SUITE_KINDS:
            raise UsageError(f"suite: kind is {self.kind!r}; use one of {', '.join(SUITE_KINDS)}")
        if self.kind in ("folder", "polybench", "bitcode") and self.path is None:
            raise UsageError(f'suite {self.kind}: lacks path; say where its files are, as path = "DIR"')
        if self.path is not None and not self.path.is_dir():
            raise UsageError(f"suite {self.kind}: {self.path} is no folder; fix path")
        if self.kind == "csmith" and not self.seeds:
            raise UsageError("suite csmith: lacks seeds; give some, as seeds = [1, 2, 3]")
        if self.split not in ("", "train", "held-out"):
            raise UsageError(f"suite {self.kind}: split is {self.split!r}; use train, held-out, or leave it out")
        if self.dataset not in DATASETS:
            raise UsageError(f"suite {self.kind}: dataset is {self.dataset!r}; use one of {', '.join(DATASETS)}")
        if not 0 < self.timeout_seconds < 1e6:
            raise UsageError(f"suite {self.kind}: timeout_seconds is {self.timeout_seconds:g}; use a number above 0")

    @property
    def label(self) -> str:
        """Its name, or what tables call its kind."""
        return self.name or ("programs" if self.kind == "included" else self.kind)


@dataclass(frozen=True)
class Experiment:
    """The product of all of its parts, less what a strategy cannot do (see ``StrategySpec.takes``)."""

    suites: tuple[SuiteSpec, ...]
    strategies: tuple[StrategySpec, ...]
    objectives: tuple[str, ...] = ("size",)
    seeds: tuple[int, ...] = (1, 2, 3)
    budgets: tuple[Budget, ...] = (Budget(trials=60),)

    def __post_init__(self) -> None:
        for name in ("suites", "strategies", "objectives", "seeds", "budgets"):
            if not getattr(self, name):
                raise UsageError(f"{name}: there are none; give at least one")
        for objective in self.objectives:
            if known_objective(objective) is None:
                raise UsageError(f"objectives: {objective!r} is none; use some of {', '.join(OBJECTIVES)}")
        for seed in self.seeds:
            if not isinstance(seed, int) or not 0 <= seed < 1 << 31:
                raise UsageError(f"seeds: {seed!r}: use whole numbers from 0, such as [1, 2, 3]")
        labels = [strategy.label for strategy in self.strategies]
        _refuse_twice("strategy labels", [safe(label) for label in labels])
        _refuse_twice("suite names", [suite.label for suite in self.suites])

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        data = asdict(self)
        for suite in data["suites"]:
            suite["path"] = str(suite["path"]) if suite["path"] is not None else None
        data["budgets"] = [budget.to_dict() for budget in self.budgets]
        return data


def _refuse_twice(what: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{what}: {name} is there twice, or two are alike in a file name; rename one")


def number_list(text: str, what: str) -> tuple[int, ...]:
    """``1-3,7`` as (1, 2, 3, 7). Raises UsageError."""
    numbers: list[int] = []
    for part in text.replace(" ", "").split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part, re.ASCII)
        if not match or (match[2] and not 0 <= int(match[2]) - int(match[1]) < 100_000):
            raise UsageError(f"{what} {text!r}: use numbers and ranges, such as 1-5 or 1,2,7")
        numbers += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(dict.fromkeys(numbers))


def is_number(value: Any) -> bool:
    """Finite, and no truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
