"""The search of one run: strategy, proposer and loop, from the journal's trials or from nothing."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from colt_llvm.core.files import write_json
from colt_llvm.evaluate.evaluation import SECOND_LOOK
from colt_llvm.evaluate.evaluators import Pool
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.budget import Limits
from colt_llvm.models.question import Evidence
from colt_llvm.program.recipe import opt_lines
from colt_llvm.run.asking import Asking, CallOptions, make_strategy
from colt_llvm.run.loop import Loop, LoopOptions
from colt_llvm.run.partitioning import start_partitions
from colt_llvm.run.progress import Progress
from colt_llvm.run.setup import Setup, gather
from colt_llvm.run.trials import TrialRecord, trial_from_dict, trial_to_dict

_LIVE_LEDGER_SECONDS = 0.5


@dataclass(frozen=True)
class Searched:
    """trials: all of the run, those of earlier parts first. elapsed_seconds: of all parts.

    busy_fraction: of this part's time in which the user's program ran. models: the ledger.
    """

    trials: list[TrialRecord]
    elapsed_seconds: float
    busy_fraction: float
    models: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def search(
    setup: Setup,
    specs: Sequence[ModelSpec],
    records: list[dict[str, Any]],
    progress: Progress,
    report: Callable[..., None],
    stop: threading.Event,
) -> Searched:
    options = setup.options
    earlier = [trial_from_dict(record) for record in records]
    elapsed = max((trial.seconds for trial in earlier), default=0.0)
    seconds = options.search_seconds
    builders = setup.pool()
    calls = CallOptions(
        limits=Limits(options.max_cost, options.max_calls, options.max_tokens), folder=setup.journal.directory,
        told=[trial.request.id for trial in earlier], evidence=_evidence(setup, builders), stop=stop,
        deadline=None if seconds is None else time.monotonic() + seconds - elapsed, models=setup.hooks.models,
    )  # fmt: skip
    asking = setup.hooks.asking(setup.task) or make_strategy(options, setup.task, setup.target.catalogue, specs, calls)
    trials = list(earlier)

    def on_trial(trial: TrialRecord) -> None:
        trials.append(trial)
        setup.journal.append(trial_to_dict(trial))
        if trial.outcome.failure == "miscompile":
            _keep_reproducer(setup, trial)
        progress.count(trial)
        progress.nodes = nodes()
        _note_models(progress, asking)
        report()

    def nodes() -> int:
        return len(asking.tree.nodes) if asking.tree is not None else 0

    def seconds_left() -> float:
        return 0.0 if stop.is_set() else math.inf if calls.deadline is None else calls.deadline - time.monotonic()

    partitioned = start_partitions(setup, asking, builders, seconds_left)
    loop = Loop(
        asking.search, partitioned or asking.proposer, setup.evaluator(builders, specs), on_trial,
        LoopOptions(1 if partitioned else setup.in_flight(specs), setup.in_order(specs), options.stop_below_percent),
    )  # fmt: skip
    try:
        loop.resume(earlier)
        progress.nodes = nodes()
        left = None if options.trials is None else max(0, options.trials - len(earlier))
        ran_before, searching = setup.timer.verifier.program_seconds, time.monotonic()
        loop.run(trials=left, seconds=seconds, elapsed=elapsed, stop=stop)
    finally:
        if partitioned is not None:
            partitioned.close()
        asking.close()
    ran = setup.timer.verifier.program_seconds - ran_before
    took = time.monotonic() - searching
    whole = options.trials is not None and len(trials) >= options.trials
    notes = asking.notes() + ([partitioned.note] if partitioned is not None else [])
    notes += [] if whole or stop.is_set() else _why_ended(loop)
    return Searched(trials, elapsed + took, ran / max(took, 1e-9), asking.models(), tuple(notes))


def _why_ended(loop: Loop) -> list[str]:
    """What the user should know of the end; nothing where that was the end of the time."""
    if loop.why_it_stopped:
        return [loop.why_it_stopped]
    ended = loop.ended_because
    if ended is not None and getattr(ended, "limit", "") != "seconds":
        return [f"the search ended early: {ended}"]
    return []


def _evidence(setup: Setup, builders: Pool[Any]) -> Callable[[tuple[str, ...]], Evidence]:
    for_size = setup.target.objective.excerpt == "largest"

    def evidence(sequence: tuple[str, ...]) -> Evidence:
        with builders.borrow() as builder:
            return gather(builder, sequence, for_size=for_size)

    return evidence


def _note_models(progress: Progress, asking: Asking) -> None:
    """For the live view; not with each of many quick trials."""
    if progress.elapsed_seconds - progress.models_at >= _LIVE_LEDGER_SECONDS:
        progress.models_at, progress.models = progress.elapsed_seconds, asking.models()


def _keep_reproducer(setup: Setup, trial: TrialRecord) -> None:
    """What a person needs to see the wrong program again."""
    folder = setup.journal.folder("miscompiles", f"{trial.request.id:06d}")
    target, samples = setup.target, trial.outcome.samples
    pipeline = target.sequences.pipeline(trial.sequence)
    write_json(
        folder / "miscompile.json",
        {
            "sequence": list(trial.sequence),
            "pipeline": pipeline,
            "difference": trial.outcome.detail,
            **({SECOND_LOOK: samples[SECOND_LOOK]} if SECOND_LOOK in samples else {}),
            "llvm": target.toolchain.version,
            "opt": list(opt_lines(target.toolchain, target.program, target.baseline.level, pipeline)),
        },
    )
