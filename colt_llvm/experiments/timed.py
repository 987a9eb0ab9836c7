"""A cell whose objective is run time: one whole ``tune`` in a run directory of its own, or a peer's build."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from colt_llvm.compare.plain_build import PlainBuilder, Rung
from colt_llvm.core.files import write_json
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import linker_of
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.verifier import Miscompiled, Verifier
from colt_llvm.experiments.cells import Cell, Group, Point, curve, model_rows, record_of
from colt_llvm.experiments.experiment import CLANG_PGO
from colt_llvm.experiments.runner import Interrupted
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.ab_test import ABTestPolicy, ab_test
from colt_llvm.measure.host import measuring_core
from colt_llvm.measure.intervals import Interval, Verdict
from colt_llvm.models.specs import spec_from_dict
from colt_llvm.models.transcript import read_calls
from colt_llvm.objectives.base import RUN_TIME, SIZE
from colt_llvm.objectives.runtime import RUNTIME
from colt_llvm.program.program import Program
from colt_llvm.run.journal import read_trials
from colt_llvm.run.progress import TuneResult
from colt_llvm.run.trials import trial_from_dict


def run_timed(group: Group, cell: Cell, toolchain: Toolchain, folder: Path, stop: threading.Event) -> dict[str, Any]:
    """Run, or go on with what was interrupted. Raises Interrupted where ``stop`` ended it, and ColtError."""
    if cell.strategy.strategy == CLANG_PGO:
        return _profile_guided(group, cell, toolchain, folder)
    from colt_llvm.experiments.untimed import models_of
    from colt_llvm.run.tuner import resume, tune

    began = time.monotonic()
    item = group.program
    if (folder / "run.json").exists():
        result = resume(folder, toolchain, stop=stop)
    else:
        options = cell.strategy.options(
            cell.objective, cell.budget, cell.seed, timeout_seconds=item.timeout_seconds,
            allow_nonzero=item.expected_status != 0,
        )  # fmt: skip
        result = tune(
            item.program, toolchain, options, models=models_of(cell.strategy), run_directory=folder, stop=stop
        )
    if result.interrupted:
        raise Interrupted(f"{cell.id}: stopped before its end; run the experiment again to go on with it")
    return _record(group, cell, toolchain, folder, result, time.monotonic() - began)


def _record(
    group: Group, cell: Cell, toolchain: Toolchain, folder: Path, result: TuneResult, took: float
) -> dict[str, Any]:
    gain = math.log(result.ratio) if result.improved and result.ratio > 0 else 0.0
    written = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    rejected = list(written.get("rejected", {}))
    models, points = _spending(folder, result)
    shown = curve(points, rejected, gain, result.elapsed_seconds)
    return record_of(
        group.program, cell, toolchain.version,
        baseline={name: pair[0] for name, pair in result.figures.items()},
        trials=result.trials, distinct=result.distinct, seconds=round(result.elapsed_seconds, 6),
        took_seconds=round(took, 6), gain=gain, checked=result.improved or not rejected,
        interval=_ends(result.interval), failures=dict(result.failures), rejected=len(rejected), curve=shown,
        models=models, figures={name: list(pair) for name, pair in result.figures.items()},
        sequence=list(result.sequence),
    )  # fmt: skip


def _spending(folder: Path, result: TuneResult) -> tuple[dict[str, Any], list[Point]]:
    """What models took, in all and by trial: an answer belongs to the trial that it was asked for."""
    header = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    parameters = {spec.name: spec.parameters for spec in map(spec_from_dict, header["models"])}
    costs: dict[int, float] = {}
    efforts: dict[int, float] = {}
    for call in read_calls(folder):
        if call.served_from is not None:
            continue  # paid before
        costs[call.request] = costs.get(call.request, 0.0) + call.cost
        if call.error is None:
            efforts[call.request] = efforts.get(call.request, 0.0) + parameters.get(call.model, 0.0)
    points: list[Point] = []
    cost = effort = 0.0
    for trial in map(trial_from_dict, read_trials(folder)):
        cost += costs.get(trial.request.id, 0.0)
        effort += efforts.get(trial.request.id, 0.0)
        points.append(Point(trial.seconds, cost, effort, trial.outcome.reward, ",".join(trial.sequence)))
    return model_rows(dict(result.models), parameters), points


def _profile_guided(group: Group, cell: Cell, toolchain: Toolchain, folder: Path) -> dict[str, Any]:
    from colt_llvm.experiments.timed import run_clang_pgo

    began = time.monotonic()
    result = run_clang_pgo(group.program.program, toolchain, cell.seed, cell.budget.seconds, folder)
    took = time.monotonic() - began
    figures = {name: list(pair) for name, pair in result.figures.items()}
    return record_of(
        group.program, cell, toolchain.version, baseline={name: pair[0] for name, pair in figures.items()},
        trials=1, distinct=1, seconds=round(took, 6), took_seconds=round(took, 6), gain=result.gain,
        checked=result.checked, interval=_ends(result.interval), figures=figures,
        curve=[[1, round(took, 6), 0.0, 0.0, result.gain]], rejected=int(not result.checked),
    )  # fmt: skip


def _ends(interval: Interval | None) -> list[float] | None:
    if interval is None or not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return None
    return [interval.low, interval.high]


_PLAIN, _GUIDED = Rung("-O3", "O3"), Rung("-O3, profile", "O3", profile=True)


@dataclass(frozen=True)
class PgoResult:
    """What the profile-guided build gained."""

    ratio: float  #: baseline time / its time; 1.0 where it could not be timed
    interval: Interval | None  #: of ratio
    verdict: Verdict
    figures: dict[str, tuple[float, float]]  #: name -> (baseline, profile-guided): CPU seconds, bytes
    checked: bool  #: whether it passed all workloads
    detail: str = ""  #: why not, or why no gain is reported
    evidence: dict[str, Any] = field(default_factory=dict)  #: raw times in seconds

    @property
    def gain(self) -> float:
        """ln(ratio) where it is proved, else 0.0."""
        return math.log(self.ratio) if self.verdict is Verdict.IMPROVED else 0.0


def run_clang_pgo(program: Program, toolchain: Toolchain, seed: int, seconds: float | None, folder: Path) -> PgoResult:
    """clang's own profile-guided build, as a peer of a tuned one, held against plain ``clang -O3`` as a recipe is.

    seconds: the budget that a search would have; the proof takes the share of it that a search's proof takes.
    folder: for the profile and the result (``clang-pgo.json``); made when missing.

    Raises UsageError for sources that are LLVM IR, ToolchainError without llvm-profdata or clang's profile runtime,
    CompileError and ProgramError for the program.
    """
    builder = PlainBuilder(toolchain, program, folder)
    builder.refuse_ir()
    folder.mkdir(parents=True, exist_ok=True)
    options = TuneOptions(objective=RUNTIME.name, seconds=seconds, seed=seed)
    plain = builder.objects(_PLAIN)
    timer = Timer(Verifier.of(program, options, plain, linker_of(toolchain, program), measuring_core()))
    try:
        profile = builder.train(_GUIDED, timer.verifier)
        result = _proved(timer, plain, builder.objects(_GUIDED, profile), options)
    finally:
        timer.verifier.close()
    write_json(folder / "clang-pgo.json", {"seed": seed, **asdict(result), "verdict": result.verdict.value})
    return result


def _proved(timer: Timer, plain: Sequence[bytes], guided: Sequence[bytes], options: TuneOptions) -> PgoResult:
    sizes = tuple(float(sum(section_sizes(data).loaded_bytes for data in objects)) for objects in (plain, guided))
    figures = {SIZE: (sizes[0], sizes[1])}
    try:
        executable = timer.verifier.link(guided, "guided")
        timer.verifier.check(executable, thorough=True, core=timer.verifier.core)
        control = timer.verifier.link(plain, "control")
        policy = ABTestPolicy(seconds=options.proof_seconds).with_room(1, timer.run_seconds)
        baselines = timer.verifier.baseline, control
        held = ab_test({"0": executable}, baselines, timer.time_together, policy, seed=options.seed)
    except Miscompiled as error:
        return PgoResult(1.0, None, Verdict.NO_IMPROVEMENT, figures, False, str(error))
    arm = held.arms[0]
    noisy = held.control.verdict is Verdict.IMPROVED
    middle = sorted(held.baseline_seconds)[len(held.baseline_seconds) // 2]
    return PgoResult(
        arm.interval.ratio,
        arm.interval,
        Verdict.TOO_NOISY if noisy else arm.verdict,
        {**figures, RUN_TIME: (middle, middle / arm.interval.ratio)},
        True,
        "A/A check failed: this host is too noisy now to report a gain" if noisy else "",
        {
            "host_noise": held.noise.ratio,
            "baseline_seconds": list(held.baseline_seconds),
            "control_seconds": list(held.control.seconds),
            "guided_seconds": list(arm.seconds),
        },
    )
