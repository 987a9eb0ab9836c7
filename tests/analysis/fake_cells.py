"""Made-up cells, as the bench writes them, whose answers are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

HOST = {"machine": "0123456789abcdef", "cpu": "Example CPU", "architecture": "x86_64", "cores": 2,
        "memory_bytes": 8 << 30, "kernel": "6.1", "governor": "", "virtualised": True}  # fmt: skip


def fake_cell(**changes: Any) -> dict[str, Any]:
    """One finished cell of 60 trials that found ``gain`` at half of them."""
    gain = changes.pop("gain", 0.1)
    cell: dict[str, Any] = {
        "kind": "colt-llvm bench cell", "version": 1, "suite": "included", "program": "sha256", "split": "held-out",
        "family": "", "strategy": "COLT", "objective": "size", "seed": 1, "budget": {"trials": 60},
        "host": HOST, "llvm": "22.1.8", "made": "2026-01-02T03:04:05+00:00", "by": "colt-llvm 0.1.0", "status": "done",
        "error": "", "baseline": {"size": 3000.0}, "trials": 60, "distinct": 41, "seconds": 2.0, "gain": gain,
        "checked": True, "interval": None, "failures": {}, "models": {}, "sequence": [],
        "curve": [[30, 1.0, 0.0, 0.0, gain], [60, 2.0, 0.0, 0.0, gain]],
        "figures": {"size": [3000.0, 3000.0 * float(np.exp(-gain))]},
    }  # fmt: skip
    return {**cell, **changes}


def write_cells(folder: Path, cells: list[dict[str, Any]], strategies: list[str] | None = None) -> Path:
    """A results folder of them."""
    (folder / "cells").mkdir(parents=True, exist_ok=True)
    for number, cell in enumerate(cells):
        (folder / "cells" / f"{number:05}.json").write_text(json.dumps(cell))
    if strategies:
        (folder / "experiment.json").write_text(
            json.dumps({"parts": [{"strategies": [{"label": name} for name in strategies]}]})
        )
    return folder


def fake_experiment(
    effects: Mapping[str, float],
    *,
    programs: int = 8,
    seeds: int = 3,
    spread: float = 0.02,
    noise: float = 0.005,
    random_seed: int = 0,
    models: tuple[str, ...] = (),
    **changes: Any,
) -> list[dict[str, Any]]:
    """Cells of a whole experiment. effects: strategy -> its mean log gain; programs differ by ``spread``."""
    rng = np.random.default_rng(random_seed)
    own = rng.normal(0, spread, programs)
    cells = []
    for strategy, effect in effects.items():
        for program in range(programs):
            for seed in range(1, seeds + 1):
                gain = max(0.0, effect + own[program] + rng.normal(0, noise))
                cells.append(_search(rng, strategy, program, seed, gain, models, changes))
    return cells


def _search(
    rng: np.random.Generator, strategy: str, program: int, seed: int, gain: float, models: tuple[str, ...],
    changes: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    found = np.sort(rng.integers(1, 60, 5))
    shares = np.sort(rng.random(5))
    shares[-1] = 1.0
    asked = models if strategy.startswith("COLT") else ()
    points = [(int(t), t / 30, 0.001 * t * len(asked), 1e9 * t * len(asked), gain * s)
              for t, s in zip(found, shares, strict=True)]  # fmt: skip
    curve = [*points, (60, 2.0, 0.06 * len(asked), 6e10 * len(asked), gain)]
    uses = {
        name: {"parameters": 1e9 * 8**i, "calls": 20, "answers": 19 - 5 * i, "corrections": 2 * i, "cost": 0.02}
        for i, name in enumerate(asked)
    }
    return fake_cell(
        **{"strategy": strategy, "program": f"program_{program}", "seed": seed, "gain": gain, "models": uses,
           "curve": [list(point) for point in curve], **changes}
    )  # fmt: skip
