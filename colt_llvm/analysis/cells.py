"""The cells of an experiment, as ``colt-llvm bench`` writes them: one file, one search of one program.

Read once into frozen values; what is damaged is left out and named, one line a file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import RunDirectoryError
from colt_llvm.objectives.registry import known_objective

KIND, VERSION = "colt-llvm bench cell", 1
TRIALS, SECONDS = "trials", "seconds"


def is_timed(objective: str) -> bool:
    """Whether its figures are times, which hold for one machine."""
    stated = known_objective(objective)
    return stated is not None and stated.timed


@dataclass(frozen=True)
class Budget:
    """What ends a search."""

    unit: str  # TRIALS or SECONDS
    amount: float

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit if self.amount != 1 else self.unit[:-1]}"


@dataclass(frozen=True)
class Point:
    """One point of a search's curve: what had been used up when ``gain`` was the best so far."""

    trials: float
    seconds: float  # wall clock since the search began
    money: float  # dollars
    work: float  # parameters times answers, summed over the models
    gain: float  # natural log of baseline / best


@dataclass(frozen=True)
class ModelUse:
    """What one model did in one search."""

    parameters: float
    calls: int  # requests sent
    answers: int  # sound ones, corrections too
    corrections: int
    cost: float  # dollars


@dataclass(frozen=True)
class Cell:
    """One search, with the fields of its file."""

    suite: str
    program: str
    split: str  # train or held-out
    family: str
    strategy: str  # its label
    objective: str
    strict: bool  # instructions against clang -Oz
    seed: int
    budget: Budget
    host: str  # processor, architecture and the first digits of the machine's hash, in one line
    llvm: str  # its version
    made: str  # date and time
    status: str  # done or failed
    error: str  # why it failed
    baseline: Mapping[str, float]  # figure -> value
    trials: int
    distinct: int  # different object codes
    seconds: float  # wall clock
    gain: float  # natural log of baseline / best; 0 where nothing was found or proved
    checked: bool | None  # whether the result passed all workloads; None where there was nothing to run
    interval: tuple[float, float] | None  # of the ratio; None for objectives without noise
    failures: Mapping[str, int]  # kind -> trials
    curve: tuple[Point, ...]
    models: Mapping[str, ModelUse] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether it came to its end."""
        return self.status == "done"

    @property
    def subject(self) -> tuple[str, str]:
        """Suite and program: two suites may have a program of one name."""
        return self.suite, self.program

    @property
    def identity(self) -> tuple[object, ...]:
        """What no two cells of a folder share."""
        return (*self.subject, self.strategy, self.objective, self.strict, self.seed, self.budget, self.llvm, self.host)


@dataclass(frozen=True)
class Results:
    """What a folder of results holds."""

    folder: Path
    cells: tuple[Cell, ...]  # in the order of their files' names
    strategies: tuple[str, ...]  # labels in the experiment's order
    refused: tuple[str, ...] = ()  # a line for each file that cannot be used


def load_results(folder: Path) -> Results:
    """Read RESULTS/cells/*.json. Damaged files, and second files of one cell, are named in ``refused``.

    Raises RunDirectoryError where there is no folder of cells, or no cell that can be read.
    """
    place = folder / "cells"
    if not place.is_dir():
        raise RunDirectoryError(f"{folder}: holds no results (no folder cells); run colt-llvm bench run -o {folder}")
    cells: dict[tuple[object, ...], Cell] = {}
    refused = []
    for file in sorted(place.glob("*.json")):
        try:
            cell = parse_cell(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            refused.append(f"{file}: is no whole cell ({_reason(error)}); remove it and run the experiment again")
            continue
        if cell.identity in cells:
            refused.append(f"{file}: is the second file of one cell; remove one of them")
            continue
        cells[cell.identity] = cell
    if not cells:
        reason = f"; {refused[0]}" if refused else ""
        raise RunDirectoryError(f"{place}: holds no cell that can be read{reason}; run the experiment first")
    found = tuple(cells.values())
    return Results(folder, found, _order(folder, found), tuple(refused))


def parse_cell(record: Mapping[str, Any]) -> Cell:
    """One cell from its JSON. Raises ValueError, KeyError or TypeError for what is none."""
    if record["kind"] != KIND or record["version"] != VERSION:
        raise ValueError(f"kind {record['kind']!r} version {record['version']!r}, not {KIND!r} version {VERSION}")
    done = record["status"] == "done"
    if not done and record["status"] != "failed":
        raise ValueError(f"status {record['status']!r}")
    return Cell(
        suite=str(record["suite"]), program=str(record["program"]), split=str(record.get("split", "")),
        family=str(record.get("family", "")), strategy=str(record["strategy"]), objective=str(record["objective"]),
        strict=bool(record.get("strict", False)), seed=int(record["seed"]), budget=_budget(record["budget"]),
        host=_host(record["host"]), llvm=str(record["llvm"]), made=str(record.get("made", "")),
        status=str(record["status"]), error=str(record.get("error") or ""),
        baseline={str(name): _finite(value, name) for name, value in (record.get("baseline") or {}).items()},
        trials=int(record["trials"]) if done else 0, distinct=int(record["distinct"]) if done else 0,
        seconds=_finite(record["seconds"], "seconds") if done else 0.0,
        gain=_finite(record["gain"], "gain") if done else 0.0,
        checked=_checked(record.get("checked")), interval=_interval(record.get("interval")),
        failures={str(kind): int(count) for kind, count in (record.get("failures") or {}).items()},
        curve=_curve(record["curve"]) if done else (),
        models={str(name): _model(use) for name, use in (record.get("models") or {}).items()},
    )  # fmt: skip


def _budget(record: Mapping[str, Any]) -> Budget:
    (unit, amount), *more = record.items()
    if more or unit not in (TRIALS, SECONDS) or not _finite(amount, "budget") > 0:
        raise ValueError(f"budget {dict(record)}")
    return Budget(unit, float(amount))


def _host(record: Mapping[str, Any]) -> str:
    """Kernel, governor, memory and how many cores this process had are left out: they change on one machine."""
    parts = (record["cpu"], record.get("architecture", ""), record.get("machine", "")[:8])
    return ", ".join(str(part) for part in parts if part)


def _curve(rows: Any) -> tuple[Point, ...]:
    points = tuple(Point(*(_finite(value, "curve") for value in row)) for row in rows)
    for before, after in pairwise(points):
        if after.trials < before.trials or after.seconds < before.seconds or after.gain < before.gain:
            raise ValueError("its curve goes backwards")
    return points


def _model(record: Mapping[str, Any]) -> ModelUse:
    return ModelUse(
        _finite(record["parameters"], "parameters"), int(record["calls"]), int(record["answers"]),
        int(record.get("corrections", 0)), _finite(record.get("cost", 0.0), "cost"),
    )  # fmt: skip


def _interval(record: Any) -> tuple[float, float] | None:
    if record is None:
        return None
    low, high = record
    return _finite(low, "interval"), _finite(high, "interval")


def _checked(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"checked {value!r}")
    return value


def _finite(value: Any, name: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, not a finite number")
    return float(value)


def _reason(error: Exception) -> str:
    text = f"no field {error}" if isinstance(error, KeyError) else str(error)
    return " ".join(text.split())[:160]


def _order(folder: Path, cells: tuple[Cell, ...]) -> tuple[str, ...]:
    """Labels as the experiment lists them, then others by name."""
    labels = {cell.strategy for cell in cells}
    try:
        experiment = json.loads((folder / "experiment.json").read_text(encoding="utf-8"))
        parts = experiment.get("parts") or [experiment]
        entries = [entry for part in parts for entry in part["strategies"]]
        listed = [str(entry["label"] if isinstance(entry, dict) else entry) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        listed = []
    known = [label for label in dict.fromkeys(listed) if label in labels]
    return (*known, *sorted(labels - set(known)))
