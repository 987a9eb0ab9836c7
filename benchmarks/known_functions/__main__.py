"""What the store of known functions brings to a second program that shares a library with a first: one line a run.

``python -m benchmarks.known_functions FOLDER``; seeds and trials may follow.
"""

from __future__ import annotations

import math
import os
import sys
from collections import defaultdict
from pathlib import Path

import colt_llvm
from colt_llvm.run.progress import Progress

PROGRAMS = Path(__file__).parent
_SCOPES = ("passes", "module", "function", "call")
_SHARE = 0.9  # of the gain without a store: when it was reached is told
#: Trial, CPU seconds until then, ratio; of each trial that was better than all before it.
Better = list[tuple[int, float, float]]


def cpu_seconds() -> float:
    """Of this process and all below it, those that ended included."""
    ticks, children = {}, defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        ticks[int(folder.name)] = sum(map(int, fields[11:15]))
        children[int(fields[1])].append(int(folder.name))
    total, waiting = 0, [os.getpid()]
    while waiting:
        process = waiting.pop()
        total += ticks.get(process, 0)
        waiting += children[process]
    return total / os.sysconf("SC_CLK_TCK")


def tuned(program: str, folder: Path, store: str, seed: int, trials: int) -> Better:
    """Of one search for size."""
    began, better = cpu_seconds(), Better()

    def note(progress: Progress) -> None:
        if progress.best_ratio > (better[-1][2] if better else 1.0):
            better.append((progress.trials, cpu_seconds() - began, progress.best_ratio))

    sources = [PROGRAMS / f"{program}.c", PROGRAMS / "kit.c"]
    colt_llvm.tune(
        [str(source) for source in sources], objective="size", trials=trials, seed=seed, workers=1, scopes=_SCOPES,
        store=store, run_directory=folder, on_progress=note,
    )  # fmt: skip
    return better


def main(folder: Path, seeds: int = 3, trials: int = 120) -> None:
    """Each seed has a store of its own. folder: new; for the runs and the stores."""
    for seed in range(1, seeds + 1):
        here = folder / str(seed)
        here.mkdir(parents=True)
        store = str(here / "store.sqlite")
        without = tuned("ledger", here / "without", "", seed, trials)
        tuned("words", here / "first", store, seed, trials)
        wanted = math.exp(_SHARE * math.log(without[-1][2]))
        for name, better in (("without", without), ("with", tuned("ledger", here / "with", store, seed, trials))):
            at, cpu, _ = next((found for found in better if found[2] >= wanted), (0, math.nan, 1.0))
            first, last = better[0][2], better[-1][2]
            print(
                f"seed {seed} {name:7s}: first better trial {first:.4f}x, best {last:.4f}x, "
                f"{_SHARE:.0%} of the gain at trial {at}, {cpu:.1f} CPU s", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
