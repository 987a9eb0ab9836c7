"""The embedded models, from nothing: generate data, train, evaluate. Run from a source tree with its environment.

    .venv/bin/python tools/train_embedded.py generate DATA      # journals and samples of the train programs; resumable
    .venv/bin/python tools/train_embedded.py runtime DATA       # the same for run time, on a quiet machine
    .venv/bin/python tools/train_embedded.py train DATA         # the weights of colt_llvm/models/embedded
    .venv/bin/python tools/train_embedded.py append-table DATA  # what one action more brings to sequences these find
    .venv/bin/python tools/train_embedded.py coreset DATA       # of these what sequences, runtime and append-table gave
    .venv/bin/python tools/train_embedded.py evaluate           # held-out programs, also without a model

Together they take about three hours on two cores. Training follows from the data and --seed; data and evaluation also
depend on LLVM's version.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from embedded_append_table import sweep, with_append_table
from embedded_coreset import coreset_arrays
from embedded_evaluation import SETS, blind_curve
from embedded_programs import foreign, train_programs, variants
from embedded_runtime import cross_runtime, find_runtime_sequences
from embedded_runtime_table import with_runtime
from embedded_sampling import sample
from embedded_sequences import cross, find_sequences
from embedded_training import TrainingOptions, read, save, train

import colt_llvm.models.embedded
from colt_llvm.core.errors import ColtError
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.models.embedded import SPECS
from colt_llvm.models.embedded.policy import EmbeddedModel
from colt_llvm.models.embedded.weights import BUILT, FILE, read_arrays
from colt_llvm.program.program import Program, included_programs, resolve_program
from colt_llvm.search import PRESETS
from colt_llvm.training.validation import LearningCurve, cached_evaluator, learning_curve

_JOURNAL_TRIALS = 500
_JOURNAL_SECONDS = 300.0


def generate(options: argparse.Namespace) -> None:
    """Journals first, --jobs at a time; then samples. What is there already is kept; ends after --minutes."""
    deadline = time.monotonic() + 60.0 * options.minutes
    programs = train_programs()
    wanted = [(program.name, objective) for objective in BUILT for program in programs]
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(partial(_journal, options.data, options.seed, deadline), wanted))
    sample(find_toolchain(), _with_variants(options), options.data / "samples", options.seconds, options.seed)
    sequences(options)


def sequences(options: argparse.Namespace) -> None:
    """Good whole sequences of each train program, then every one of them for every program and variant."""
    folder = options.data / "sequences"
    find_sequences(
        train_programs(), folder, options.objectives, options.sequence_seconds, options.rounds, options.jobs,
        options.seed,
    )  # fmt: skip
    cross(_with_variants(options), folder, options.jobs)


def runtime(options: argparse.Namespace) -> None:
    """What actions and sequences do to the run time of the train programs. Wants a machine that does nothing else."""
    programs, folder = train_programs(), options.data / "sequences"
    find_runtime_sequences(programs, folder, options.sweep, options.sequence_seconds, options.jobs, options.seed)
    cross_runtime(programs, folder, options.jobs)


def append_table(options: argparse.Namespace) -> None:
    """What one action more does to the best sequences of short searches; after "sequences" and "train"."""
    sweep(train_programs(), options.data, options.objectives, options.jobs)


def _with_variants(options: argparse.Namespace) -> dict[str, list[Program]]:
    """By objective: the train programs, then what is made from them or by csmith."""
    toolchain, folder = find_toolchain(), options.data / "programs"
    return {
        objective: train_programs() + variants(toolchain, objective, folder, options.csmith, options.seed)
        for objective in options.objectives
    }


def _journal(folder: Path, seed: int, deadline: float, wanted: tuple[str, str]) -> None:
    program, objective = wanted
    directory = folder / objective / program
    left = min(_JOURNAL_SECONDS, deadline - time.monotonic())
    if (directory / "result.json").exists() or left <= 0:
        return
    command = [sys.executable, "-m", "colt_llvm.cli.main", "tune"]
    if (directory / "run.json").exists():
        command += ["--resume", str(directory)]
    else:
        directory.parent.mkdir(parents=True, exist_ok=True)
        command += [program, "--objective", objective, "--trials", str(_JOURNAL_TRIALS), "--workers", "1"]
        command += ["--models", "blind", "--seed", str(seed), "--run-dir", str(directory), "--time", str(left)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLT_STORE": "off"})
    print(f"{program}, {objective}: {'done' if done.returncode == 0 else done.stderr.strip()[-200:]}", flush=True)


def fit(options: argparse.Namespace) -> None:
    """Refuses data of programs that are neither train programs nor made for training."""
    samples, features = read(options.data)
    if others := foreign({row.program for row in samples}):
        raise SystemExit(f"{options.data}: {', '.join(others)}: no train program; remove its folder")
    if not samples:
        raise SystemExit(f"{options.data}: holds no samples; run generate first")
    arrays = train(samples, features, TrainingOptions(seed=options.seed))
    arrays |= coreset_arrays(options.data / "sequences", arrays["feature_mean"], arrays["feature_scale"])
    arrays = with_append_table(with_runtime(arrays, options.data / "sequences"), options.data)
    save(arrays, options.output)
    programs = len({row.program for row in samples})
    print(f"{len(samples)} samples of {programs} programs; wrote {options.output}/weights.npz")


def coreset(options: argparse.Namespace) -> None:
    """The coreset anew, the tables' row of run time, the append table; all else stays as the weights have it."""
    arrays = with_append_table(with_runtime(read_arrays(FILE), options.data / "sequences"), options.data)
    arrays |= coreset_arrays(options.data / "sequences", arrays["feature_mean"], arrays["feature_scale"])
    save(arrays, options.output)
    print(f"{len(arrays['small_objective'])} sequences, {arrays['small_rewards'].shape[1]} programs and variants")


def evaluate(options: argparse.Namespace) -> None:
    """One line a program, objective and set of models; then means, as ratios less 1, in percent."""
    toolchain = find_toolchain()
    search = PRESETS["retrieval"]
    found: dict[tuple[str, str], list[LearningCurve]] = {}
    for objective in options.objectives:
        for name in options.programs:
            with cached_evaluator(toolchain, resolve_program([name]), objective) as bench:
                for chosen in options.sets:
                    models = [EmbeddedModel(SPECS[model]) for model in SETS[chosen]]
                    curves = [
                        learning_curve(bench, models, search, options.trials, seed)
                        if models
                        else blind_curve(bench, options.trials, seed)
                        for seed in range(1, options.seeds + 1)
                    ]
                    found.setdefault((objective, chosen), []).extend(curves)
                    print(f"{objective} {name} {chosen}: {_figures(curves, options.marks)}", flush=True)
    print(
        json.dumps({f"{objective}, {chosen}": _figures(c, options.marks) for (objective, chosen), c in found.items()})
    )


def _figures(curves: Sequence[LearningCurve], marks: Sequence[int]) -> dict[int, float]:
    """Mean reward after so many trials, in percent."""
    return {
        mark: round(100 * sum(curve.best[mark] for curve in curves) / len(curves), 3)
        for mark in marks
        if mark < len(curves[0].best)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True)
    part = parts.add_parser("generate")
    part.add_argument("data", type=Path)
    part.add_argument("--jobs", type=int, default=2)
    part.add_argument("--minutes", type=float, default=35.0, help="for the journals")
    part.add_argument("--seconds", type=float, default=14.0, help="of sampling for each program and objective")
    part.add_argument("--sequence-seconds", type=float, default=40.0, help="of looking for good sequences, for each")
    part.add_argument("--rounds", type=int, default=2, help="of that")
    part.add_argument("--objectives", nargs="+", default=list(BUILT), choices=BUILT)
    part.add_argument("--csmith", type=int, default=20, help="random programs beside the included ones")
    part.add_argument("--seed", type=int, default=1)
    part.set_defaults(call=generate)
    part = parts.add_parser("sequences")
    part.add_argument("data", type=Path)
    part.add_argument("--jobs", type=int, default=2)
    part.add_argument("--sequence-seconds", type=float, default=40.0)
    part.add_argument("--rounds", type=int, default=2)
    part.add_argument("--objectives", nargs="+", default=list(BUILT), choices=BUILT)
    part.add_argument("--csmith", type=int, default=20, help="random programs beside the included ones")
    part.add_argument("--seed", type=int, default=1)
    part.set_defaults(call=sequences)
    part = parts.add_parser("runtime")
    part.add_argument("data", type=Path)
    part.add_argument("--jobs", type=int, default=2, help="programs side by side, each on a core of its own")
    part.add_argument("--sweep", type=float, default=95.0, help="seconds for single actions, for each program")
    part.add_argument("--sequence-seconds", type=float, default=60.0)
    part.add_argument("--seed", type=int, default=1)
    part.set_defaults(call=runtime)
    part = parts.add_parser("append-table", aliases=["additions"])
    part.add_argument("data", type=Path)
    part.add_argument("--jobs", type=int, default=2)
    part.add_argument("--objectives", nargs="+", default=list(BUILT), choices=BUILT)
    part.set_defaults(call=append_table)
    part = parts.add_parser("train")
    part.add_argument("data", type=Path)
    part.add_argument("--output", type=Path, default=Path(colt_llvm.models.embedded.__file__).parent)
    part.add_argument("--seed", type=int, default=1)
    part.set_defaults(call=fit)
    part = parts.add_parser("coreset")
    part.add_argument("data", type=Path)
    part.add_argument("--output", type=Path, default=Path(colt_llvm.models.embedded.__file__).parent)
    part.set_defaults(call=coreset)
    part = parts.add_parser("evaluate")
    part.add_argument("--programs", nargs="+", default=[program.name for program in included_programs("held-out")])
    part.add_argument("--objectives", nargs="+", default=list(BUILT), choices=BUILT)
    part.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    part.add_argument("--trials", type=int, default=100)
    part.add_argument("--marks", type=int, nargs="+", default=[30, 100, 300])
    part.add_argument("--seeds", type=int, default=3)
    part.set_defaults(call=evaluate)
    options = parser.parse_args()
    try:
        options.call(options)
    except ColtError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
