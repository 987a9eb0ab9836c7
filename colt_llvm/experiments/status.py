"""How far an experiment is, from its folder alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from colt_llvm.experiments.results import read_cell, read_header
from colt_llvm.objectives.registry import find_objective


@dataclass(frozen=True)
class Status:
    """Cells by what is known of them. failed: id -> reason. seconds_left: with ``jobs`` processes; None before any."""

    wanted: int
    done: int
    failed: dict[str, str]
    missing: tuple[str, ...]
    seconds_left: float | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "cells": self.wanted, "done": self.done, "failed": self.failed, "missing": list(self.missing),
            "seconds_left": self.seconds_left,
        }  # fmt: skip


def status_of(folder: Path, jobs: int) -> Status:
    """Raises RunDirectoryError for a folder without results."""
    wanted = read_header(folder)["cells"]
    took: dict[tuple[str, str], list[float]] = defaultdict(list)
    failed: dict[str, str] = {}
    missing: list[str] = []
    done = 0
    for cell_id, entry in wanted.items():
        record = read_cell(folder / "cells" / f"{cell_id}.json")
        if record is None:
            missing.append(cell_id)
        elif record["status"] == "failed":
            failed[cell_id] = record["error"]
        else:
            done += 1
            took[_kind(entry)].append(float(record["took_seconds"]))
    every = [seconds for values in took.values() for seconds in values]
    left: float | None = None
    if every or not missing:
        left = 0.0
        for cell_id in missing:
            entry = wanted[cell_id]
            left += fmean(took.get(_kind(entry)) or every) / (1 if find_objective(entry["objective"]).timed else jobs)
    return Status(len(wanted), done, failed, tuple(missing), left)


def _kind(entry: dict[str, Any]) -> tuple[str, str]:
    """Cells that take about the same time."""
    return entry["objective"], str(entry["budget"])


def duration(seconds: float) -> str:
    """``45 s``, ``12 min`` or ``3.2 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
