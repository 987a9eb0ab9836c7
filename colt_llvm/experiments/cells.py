"""A cell: one program, objective, strategy, budget and seed. What it is called, and what its file holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from colt_llvm import __version__
from colt_llvm.experiments.experiment import Budget, Experiment, StrategySpec, safe
from colt_llvm.experiments.suites import BenchProgram
from colt_llvm.llvm.pipeline import has_size_levels
from colt_llvm.measure.host import fingerprint
from colt_llvm.objectives.registry import find_objective

KIND, VERSION = "colt-llvm bench cell", 1


@dataclass(frozen=True)
class Cell:
    """One search that is to be made. program: its name."""

    program: str
    objective: str
    strategy: StrategySpec
    budget: Budget
    seed: int

    @property
    def id(self) -> str:
        """Readable, and a file name: ``sha256.size.COLT.trials-60.1``."""
        parts = (self.program, self.objective, self.strategy.label, self.budget.name, str(self.seed))
        return ".".join(map(safe, parts))


@dataclass(frozen=True)
class Group:
    """The cells of one program and objective: one process makes them, and prepares the program once."""

    program: BenchProgram
    objective: str
    cells: tuple[Cell, ...]

    @property
    def timed(self) -> bool:
        """Whether run time is measured, so that nothing else may run beside it."""
        return find_objective(self.objective).timed


def cells_of(experiment: Experiment, programs: Sequence[BenchProgram]) -> list[tuple[BenchProgram, Cell]]:
    """Every cell, those of one program and objective together.

    Budgets and seeds come before strategies, so that an experiment that is stopped has compared like with like; each
    seed begins with another strategy, so that none always has the warmest or the coldest machine.
    """
    found = []
    for item in programs:
        for objective in experiment.objectives:
            strategies = [spec for spec in experiment.strategies if spec.takes(objective)]
            for budget in experiment.budgets:
                for place, seed in enumerate(experiment.seeds):
                    turn = (place + len(item.name)) % max(1, len(strategies))
                    for spec in strategies[turn:] + strategies[:turn]:
                        found.append((item, Cell(item.name, objective, spec, budget, seed)))
    return found


def groups_of(cells: Iterable[tuple[BenchProgram, Cell]]) -> list[Group]:
    """In order of first appearance; those that measure run time last."""
    found: dict[tuple[str, str], tuple[BenchProgram, list[Cell]]] = {}
    for item, cell in cells:
        found.setdefault((item.name, cell.objective), (item, []))[1].append(cell)
    groups = [Group(item, objective, tuple(made)) for (_, objective), (item, made) in found.items()]
    return sorted(groups, key=lambda group: group.timed)


def record_of(item: BenchProgram, cell: Cell, llvm: str, **outcome: Any) -> dict[str, Any]:
    """The content of a cell's file. outcome: what replaces the values of a search that found nothing."""
    record: dict[str, Any] = {
        "kind": KIND,
        "version": VERSION,
        "id": cell.id,
        "suite": item.suite,
        "program": item.name,
        "split": item.program.split,
        "family": item.program.family,
        "digest": item.digest,
        "strategy": cell.strategy.label,
        "settings": settings_of(cell.strategy),
        "objective": cell.objective,
        # Held against clang's own -Oz, where there is no opt -Oz: no table mixes the two.
        "strict": find_objective(cell.objective).opt_baseline and not has_size_levels(int(llvm.partition(".")[0])),
        "seed": cell.seed,
        "budget": cell.budget.to_dict(),
        "host": asdict(fingerprint()),
        "llvm": llvm,
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "by": f"colt-llvm {__version__}",
        "status": "done",
        "error": "",
        "baseline": {},
        "trials": 0,
        "distinct": 0,
        "seconds": 0.0,
        "took_seconds": 0.0,
        "gain": 0.0,
        "checked": None,
        "interval": None,
        "failures": {},
        "rejected": 0,
        "shared_cache": False,
        "curve": [],
        "models": {},
        "figures": {},
        "sequence": [],
    }
    unknown = outcome.keys() - record.keys()
    assert not unknown, unknown
    return record | outcome


def failed_record(item: BenchProgram, cell: Cell, llvm: str, error: str) -> dict[str, Any]:
    """The content of the file of a cell that could not be made."""
    return record_of(item, cell, llvm, status="failed", error=" ".join(error.split())[:2000])


def settings_of(strategy: StrategySpec) -> dict[str, Any]:
    """What a label stands for: two cells of one label must have the same."""
    data = asdict(strategy)
    del data["label"]
    scopes = list(data.pop("scopes"))
    of_scopes = {"scopes": scopes} if scopes else {}  # results made before there were any go on
    return {**data, **of_scopes, "models": list(strategy.models), "search": dict(strategy.search)}


def same_host(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether times measured on both may be compared: hosts of one kind, as a cluster's measuring workers are."""
    keys = ("cpu", "architecture", "kernel", "governor", "virtualised")
    return all(one.get(key) == other.get(key) for key in keys)


@dataclass(frozen=True)
class Point:
    """One trial as it was told."""

    seconds: float  #: since the search began
    cost: float  #: money spent so far
    effort: float  #: parameters x answers so far
    reward: float | None  #: None for a failure
    sequence: str  #: names, as the proof's list of rejected ones has it


def curve(points: Sequence[Point], rejected: Collection[str], gain: float, seconds: float) -> list[list[float]]:
    """[trials told, seconds, money, parameters x answers, gain so far] at each improvement and at the end.

    What the proof rejected counts as no improvement, and nothing counts for more than what was proved (``gain``): so
    the last point is what was proved, and a wrong program that looked good raises no part of the curve.
    """
    found: list[list[float]] = []
    best = 0.0
    for told, point in enumerate(points, start=1):
        reward = min(point.reward or 0.0, gain)
        if reward > best and point.sequence not in rejected:
            best = reward
            found.append([told, round(point.seconds, 6), point.cost, point.effort, best])
    last = points[-1] if points else Point(0.0, 0.0, 0.0, None, "")
    found.append([len(points), round(max(seconds, last.seconds), 6), last.cost, last.effort, gain])
    return found


def model_rows(ledger: dict[str, Any], parameters: dict[str, float]) -> dict[str, Any]:
    """What each model did, from ``Asking.models()``; {} without models."""
    rows = ledger.get("models", {})
    return {
        name: {
            "parameters": parameters.get(name, 0.0),
            "calls": int(row["calls"]),
            "answers": int(row["answers"]),
            "corrections": int(row["corrections"]),
            "cost": float(row["cost"]),
        }
        for name, row in rows.items()
    }
