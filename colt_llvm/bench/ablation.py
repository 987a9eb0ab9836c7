"""The comparison of arXiv 2602.01935 on our programs: all models in one tree, each alone, and without one rule each.

Objective ``instructions``, which has no noise; equal trials; the embedded policies as models. All runs on one program
share one environment, whose states are kept, and take turns in going first, so that the time column is fair.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from colt_llvm.acceptance import toolchain_catalogue
from colt_llvm.baseline import prepare_baseline
from colt_llvm.catalogue import Catalogue
from colt_llvm.journal import write_json
from colt_llvm.models.embedded import SPECS
from colt_llvm.program import resolve_program
from colt_llvm.proposal.questions import Task
from colt_llvm.search import ColtOptions, Objective, preset
from colt_llvm.toolchain import find_toolchain
from colt_llvm.tune.asking import Asking, ask_models
from colt_llvm.tune.builder import Builder, Sequences
from colt_llvm.tune.driver import Driver, TrialRecord, Verdict
from colt_llvm.tune.evidence import program_features
from colt_llvm.tune.lending import Lending
from colt_llvm.tune.session import RISKS_AVOIDED

ALL = tuple(SPECS)
LARGEST = max(SPECS.values(), key=lambda spec: spec.parameters).name
_CURVE = (10, 25, 50, 100, 200)  # trials at which the best so far is noted


@dataclass(frozen=True)
class Variant:
    """One column of the comparison. models: names of embedded policies. changes: of the search's options."""

    name: str
    models: tuple[str, ...] = ALL
    changes: Mapping[str, Any] = field(default_factory=dict)


def variants() -> Iterator[Variant]:
    """COLT, each model alone, and COLT without one of its rules."""
    yield Variant("COLT, three policies")
    for name in sorted(SPECS, key=lambda name: -SPECS[name].parameters):
        yield Variant(f"{name} alone", (name,))
    yield Variant("next model at random", changes={"next_model": "random"})
    yield Variant("next model in turn", changes={"next_model": "round_robin"})
    yield Variant("λ = 0", changes={"model_bias": 0.0})
    yield Variant("no course alteration", changes={"course_alteration_period": None})
    yield Variant("corrected each time (K = 1)", changes={"course_alteration_period": 1})


def run_ablation(
    programs: Sequence[str], folder: Path, *, trials: int, seeds: int, preset_name: str, jobs: int
) -> None:
    """One file a program in ``folder``; what is there already is not run again."""
    folder.mkdir(parents=True, exist_ok=True)
    waiting = [name for name in programs if not (folder / f"{name}.json").exists()]
    with ProcessPoolExecutor(jobs) as pool:
        for future in [pool.submit(_one_program, name, folder, trials, seeds, preset_name) for name in waiting]:
            sys.stderr.write(f"{future.result()}: done\n")


def _one_program(name: str, folder: Path, trials: int, seeds: int, preset_name: str) -> str:
    toolchain = find_toolchain()
    program = resolve_program([name])
    baseline = prepare_baseline(toolchain, program, "instructions", strict=False)
    catalogue = toolchain_catalogue(toolchain).without(RISKS_AVOIDED)
    rows: list[dict[str, Any]] = []
    with Builder(toolchain, program, baseline, catalogue, with_objects=False) as builder:
        edits = tuple(Sequences(catalogue, baseline).edits)
        features = program_features(builder)
        task = Task("instructions", baseline.name, "", tuple(catalogue.names()), edits, features, trials)
        bench = _Bench(builder, catalogue, task, trials)
        order = list(variants())
        for seed in range(1, seeds + 1):
            turn = (seed + len(name)) % len(order)
            for variant in order[turn:] + order[:turn]:
                rows.append(bench.run(variant, seed, preset(preset_name, variant.changes)))
    head = {"program": name, "split": program.split, "family": program.family}
    write_json(folder / f"{name}.json", {**head, "trials": trials, "preset": preset_name, "runs": rows})
    return name


class _Bench:
    """What all runs on one program share."""

    def __init__(self, builder: Builder, catalogue: Catalogue, task: Task, trials: int) -> None:
        self._builder = builder
        self._catalogue = catalogue
        self._task = task
        self._trials = trials
        root = builder.build(())
        self._root_key, self._figures = root.key, root.figures

    def run(self, variant: Variant, seed: int, options: ColtOptions) -> dict[str, Any]:
        """One search. gain: log ratio of the best. cost: parameters times answers. seconds: wall-clock."""
        specs = [SPECS[name] for name in variant.models]
        asking = ask_models(specs, replace(self._task, seed=seed), options, self._catalogue)
        asking.search.set_root_key(self._root_key)
        curve: dict[int, float] = {}
        told = 0

        def on_trial(trial: TrialRecord) -> None:
            nonlocal told
            told += 1
            asking.proposer.observe(trial.request, trial.proposal, trial.outcome)
            if told in _CURVE:
                curve[told] = _best(asking)

        driver = Driver(
            asking.search, asking.proposer, Lending([self._builder]), None, Objective("instructions"), self._figures,
            on_trial, in_flight=1, seed=seed, verdicts={self._root_key: Verdict(self._figures, checked=True)},
        )  # fmt: skip
        started = time.perf_counter()
        driver.run(trials=self._trials, seconds=None)
        seconds = time.perf_counter() - started
        assert asking.ledger is not None
        counted = asking.ledger.to_dict()
        answers = {name: int(row["answers"]) for name, row in counted["models"].items()}
        return {
            "variant": variant.name,
            "seed": seed,
            "gain": _best(asking),
            "curve": curve,
            "answers": answers,
            "corrections": sum(int(row["corrections"]) for row in counted["models"].values()),
            "largest_answers": answers.get(LARGEST, 0),
            "cost": sum(SPECS[name].parameters * count for name, count in answers.items()),
            "seconds": seconds,
        }


def _best(asking: Asking) -> float:
    best = asking.search.best()
    return max(0.0, best.reward) if best is not None else 0.0
