"""Training data for the objective ``runtime``: what single actions and whole sequences bring on the clock.

Each worker process has a core of its own, on which it builds and runs. A candidate that looks no better than the
baseline in one run beside it is left at that; one that does is timed again. So gains are about as good as a search's
own trials, and prove nothing. The data of the present table and coreset was timed in turn, and is noisier.
"""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import combinations
from multiprocessing import Queue
from pathlib import Path
from statistics import median
from typing import Any

from embedded_sequences import evolve, read_best, shortened

from colt_llvm.core.errors import ColtError
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Built, linker_of
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.verifier import Miscompiled, Verifier
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.program.program import Program, resolve_program
from colt_llvm.search import GeneticOptions
from colt_llvm.search.sequences import Names
from colt_llvm.training.validation import CachedEvaluator, cached_evaluator

RUNTIME = "runtime"
_PAIRS = 4  # more runs of what looks better than the baseline
_LOOKS_BETTER = 0.004  # a log ratio, after one run
NOISE = 0.01  # a log ratio below which a sequence is not taken for better
_KEPT = 4  # sequences of one program
_SINGLES = 16  # single actions that are tried for every program beside them
_OPTIONS = GeneticOptions(population=12, tournament=2, most_changes=3, longest=10, first_longest=4)


class Stopwatch:
    """Relative CPU time of candidates: the baseline's is 1. None for a program that does something else."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer

    def __call__(self, built: Built) -> float | None:
        try:
            executable = self._timer.verifier.link(built.objects, "candidate")
            first = self._ratio(executable)
            if -math.log(first) < _LOOKS_BETTER:
                return first
            self._timer.verifier.check(executable, thorough=False)
            return median(self._ratio(executable) for _ in range(_PAIRS))  # the first was chosen for being quick
        except Miscompiled:
            return None

    def _ratio(self, executable: Path) -> float:
        seconds, baseline = self._timer.time_together([executable, self._timer.verifier.baseline])
        return seconds / baseline


@contextmanager
def timed_evaluator(program: Program) -> Iterator[CachedEvaluator]:
    """On the core that this process has. Raises ColtError."""
    toolchain = find_toolchain()
    with cached_evaluator(toolchain, program, RUNTIME) as bench:
        core = min(os.sched_getaffinity(0))
        objects = bench.builder.build(()).objects
        timer = Timer(Verifier.of(program, TuneOptions(), objects, linker_of(toolchain, program), core))
        try:
            bench.relative_time = Stopwatch(timer)
            yield bench
        finally:
            timer.verifier.close()


def find_runtime_sequences(
    programs: Sequence[Program], folder: Path, sweep_seconds: float, seconds: float, jobs: int, seed: int
) -> None:
    """For each program all single actions, then a genetic search from the best of them. What is done is left alone."""
    with _pool(jobs) as pool:
        job = partial(_find, folder, sweep_seconds, seconds, seed)
        for line in pool.map(job, [program.name for program in programs]):
            print(line, flush=True)


def cross_runtime(programs: Sequence[Program], folder: Path, jobs: int) -> None:
    """runtime-rewards.json: every sequence found, and the single actions that most programs like, for every program."""
    paths = sorted((folder / RUNTIME).glob("*.json"))
    every = [sequence for path in paths for reward, sequence in read_best(path) if reward > 2 * NOISE]
    sequences = list(dict.fromkeys([*every, *_liked(map(_read, paths))]))
    with _pool(jobs) as pool:
        job = partial(_row, folder, sequences)
        rows = [row for row in pool.map(job, [program.name for program in programs]) if row is not None]
    table = {"sequences": sequences, "programs": rows}
    (folder / f"{RUNTIME}-rewards.json").write_text(json.dumps(table), encoding="utf-8")
    print(f"{RUNTIME}: {len(sequences)} sequences for {len(rows)} programs", flush=True)


def _liked(found: Iterable[Mapping[str, Any]]) -> list[Names]:
    """Single actions with the greatest sums of what is past noise, one of those that give one object code."""
    gains: Counter[str] = Counter()
    for content in found:
        first: set[str] = set()
        for action, reward, key in content["singles"]:
            if reward is not None and reward > NOISE and key not in first:
                first.add(key)
                gains[action] += reward
    return [(action,) for action, _ in gains.most_common(_SINGLES)]


def _read(path: Path) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _pool(jobs: int) -> ProcessPoolExecutor:
    available, cores = sorted(os.sched_getaffinity(0)), Queue()
    for number in range(jobs):
        cores.put(available[number % len(available)])
    return ProcessPoolExecutor(jobs, initializer=_take_core, initargs=(cores,))


def _take_core(cores: Queue) -> None:
    os.sched_setaffinity(0, {cores.get()})


def _find(folder: Path, sweep_seconds: float, seconds: float, seed: int, name: str) -> str:
    path = folder / RUNTIME / f"{name}.json"
    if path.exists():
        return f"{name}: is there already"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with timed_evaluator(resolve_program([name])) as bench:
            singles = _sweep(bench, time.monotonic() + sweep_seconds, f"{seed}/{name}")
            known = [sequence for other in sorted(path.parent.glob("*.json")) for _, sequence in read_best(other)]
            deadline = time.monotonic() + seconds
            starts = _starts(singles)
            best = evolve(bench, starts, known, deadline - 0.3 * seconds, f"{seed}/{name}", _OPTIONS)
            best = [shortened(bench, sequence, deadline, NOISE / 2) for sequence in best[:_KEPT]]
            found = [(bench.outcome(sequence).reward, sequence) for sequence in dict.fromkeys(best)]
            content = {
                "program": name, "features": bench.features, "root": bench.root_key, "builds": len(bench.known),
                "best": [(reward, sequence) for reward, sequence in found if reward and reward > NOISE],
                "singles": [(action, outcome.reward, outcome.key) for action, outcome in singles.items()],
            }  # fmt: skip
    except ColtError as error:
        return f"{name}: left out: {error}"
    path.write_text(json.dumps(content), encoding="utf-8")
    best_reward = max((reward for reward, _ in content["best"]), default=0.0)
    return f"{name}: {content['builds']} builds, {len(singles)} single actions, best {best_reward:.4f}"


def _sweep(bench: CachedEvaluator, deadline: float, seed: str) -> dict:
    """Outcomes of single actions: edits of a kind of pass, then the catalogue's, in an order drawn anew."""
    draws = random.Random(seed)
    whole = [edit for edit in bench.edits if "#" not in edit]
    passes = draws.sample(bench.passes, len(bench.passes))
    found = {}
    for action in [*whole, *passes]:
        if time.monotonic() > deadline:
            break
        found[action] = bench.outcome((action,))
    return found


def _starts(singles: dict) -> list[Names]:
    """The best single actions, and those of them that change different things together."""
    good: dict[str, str] = {}  # object code -> the first action that gave it
    for action, outcome in sorted(singles.items(), key=lambda item: -(item[1].reward or -1.0)):
        if outcome.reward is not None and outcome.reward > NOISE:
            good.setdefault(outcome.key, action)
    best = list(good.values())[:6]
    return [*((action,) for action in best), *combinations(best[:5], 2), *([tuple(best)] if len(best) > 2 else [])]


def _twice(bench: CachedEvaluator, sequences: Sequence[Names]) -> list[float | None]:
    """What looks better is timed once more, minutes later, and the worse of the two counts: hosts have bad moments."""
    first = [bench.outcome(sequence).reward for sequence in sequences]
    bench.forget()
    return [
        min(reward, bench.outcome(sequence).reward or 0.0) if reward is not None and reward > NOISE else reward
        for sequence, reward in zip(sequences, first, strict=True)
    ]


def _row(folder: Path, sequences: Sequence[Names], name: str) -> dict | None:
    path = folder / "rows" / RUNTIME / f"{name}.json"
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["sequences"] == [list(sequence) for sequence in sequences]:
            return kept["row"]
    try:
        with timed_evaluator(resolve_program([name])) as bench:
            rewards = _twice(bench, sequences)
            row = {"program": name, "features": bench.features, "rewards": rewards}
    except ColtError as error:
        print(f"{name}: left out: {error}", flush=True)
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"sequences": sequences, "row": row}), encoding="utf-8")
    print(f"{name}: best of all {max((r for r in rewards if r is not None), default=0.0):.4f}", flush=True)
    return row
