"""What one action more does to sequences that are good already: every action, at the best of short searches.

Each search uses the package's policies with a coreset that knows nothing of the program, so that it comes as far as it
would with a new one. Nothing is executed: as good as builds are, and no better.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from embedded_coreset import coreset_arrays

from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.models.embedded import SPECS
from colt_llvm.models.embedded.policy import EmbeddedModel
from colt_llvm.models.embedded.weights import APPEND_GAINS, BUILT, FILE, OBJECTIVES, Weights, read_arrays, weights_of
from colt_llvm.program.program import Program, resolve_program
from colt_llvm.run.trials import TrialRecord
from colt_llvm.search import PRESETS, ActionSet
from colt_llvm.training.validation import CachedEvaluator, cached_evaluator, learning_curve

_GROUPS = 3  # of programs that are left out together: a coreset takes a while to choose
#: Searches of a program: seed and trials. One is short of what a search finds, one is about at its first standstill.
_SEARCHES = ((1, 100), (2, 60))


def sweep(programs: Sequence[Program], folder: Path, objectives: Sequence[str], jobs: int) -> None:
    """One file a program and objective, ``FOLDER/additions/OBJECTIVE/PROGRAM.json``. What is there is left alone."""
    for number in range(_GROUPS):
        group = [program.name for program in programs[number::_GROUPS]]
        wanted = [
            (name, objective)
            for objective in objectives
            for name in group
            if not (folder / "additions" / objective / f"{name}.json").exists()
        ]
        if wanted:
            with ProcessPoolExecutor(jobs) as pool:
                for line in pool.map(partial(_sweep, folder, tuple(group)), wanted):
                    print(line, flush=True)


def _sweep(folder: Path, group: Collection[str], wanted: tuple[str, str]) -> str:
    name, objective = wanted
    known = _weights_without(folder, group)
    with cached_evaluator(find_toolchain(), resolve_program([name]), objective) as bench:
        states = [_state(bench, known, seed, trials) for seed, trials in _SEARCHES]
    place = folder / "additions" / objective / f"{name}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps({"states": states}), encoding="utf-8")
    better = sum(gain > 0 for state in states for gain in state["gains"].values())
    return f"{name}, {objective}: {len(states)} sequences, {better} appended actions are better"


def _weights_without(folder: Path, group: Collection[str]) -> Weights:
    arrays = read_arrays(FILE)
    arrays.pop(APPEND_GAINS, None)  # what is found here may not rest on what was found before
    own = coreset_arrays(folder / "sequences", arrays["feature_mean"], arrays["feature_scale"], without=group)
    return weights_of(arrays | own)


def _state(bench: CachedEvaluator, known: Weights, seed: int, trials: int) -> dict[str, Any]:
    """The best sequence of one search, without what it does not need, and the gain of every action at its end."""
    best: tuple[float, tuple[str, ...]] = 0.0, ()

    def observe(trial: TrialRecord) -> None:
        nonlocal best
        if trial.outcome.reward is not None and trial.outcome.reward > best[0]:
            best = trial.outcome.reward, trial.sequence

    models = [EmbeddedModel(spec, known=known) for spec in SPECS.values()]
    learning_curve(bench, models, PRESETS["retrieval"], trials, seed, [observe])
    reward, sequence = best
    for index in reversed(range(len(sequence))):
        shorter = sequence[:index] + sequence[index + 1 :]
        if bench.outcome(shorter).key == bench.outcome(sequence).key:
            sequence = shorter
    actions = ActionSet(bench.passes, bench.edits)
    gains = {}
    for name in actions.names:
        longer = actions.tidy((*sequence, name))
        if len(longer) > len(sequence):
            found = bench.outcome(longer).reward
            gains[name] = 0.0 if found is None else found - reward
    return {"reward": reward, "sequence": sequence, "gains": gains}


def with_append_table(arrays: Mapping[str, Any], folder: Path, without: Collection[str] = ()) -> dict[str, Any]:
    """With :data:`APPEND_GAINS`: means over programs of what is above 0, those of a program over its sequences.

    For run time it is what single actions brought alone. Without data, as before ``sweep``,
    an objective's row is 0: nothing is promised.
    """
    actions = str(arrays["actions"]).split("\n")
    rows = [
        _row(actions, (path for path in sorted((folder / "additions" / objective).glob("*.json"))
                       if path.stem not in without))
        for objective in BUILT
    ]  # fmt: skip
    table = np.stack([*rows, arrays["nano_gain"][OBJECTIVES.index("runtime")]])
    return {**arrays, APPEND_GAINS: table}


def _row(actions: Sequence[str], paths: Iterable[Path]) -> np.ndarray:
    programs = []
    for path in paths:
        found: defaultdict[str, list[float]] = defaultdict(list)
        for state in json.loads(path.read_text(encoding="utf-8"))["states"]:
            for name, gain in state["gains"].items():
                found[name].append(max(0.0, gain))
        programs.append([float(np.mean(found[name])) if name in found else 0.0 for name in actions])
    return np.mean(programs, axis=0) if programs else np.zeros(len(actions))
