"""The search of one run: strategy, proposer and driver, from the journal's trials or from nothing."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from colt_llvm.core.files import write_json
from colt_llvm.evaluate.evaluation import SECOND_LOOK
from colt_llvm.evaluate.pool import Lending
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.budget import Limits
from colt_llvm.models.question import Evidence
from colt_llvm.models.replay import recorded_run
from colt_llvm.program.recipe import opt_lines
from colt_llvm.run.asking import Asking
from colt_llvm.run.driver import Driver, TrialRecord, Verdict
from colt_llvm.run.evidence import gather
from colt_llvm.run.journal import read_trials
from colt_llvm.run.progress import Progress
from colt_llvm.run.records import trial_from_dict, trial_to_dict
from colt_llvm.run.session import Session
from colt_llvm.run.strategies import make_strategy
from colt_llvm.search.early_stopping import Worth

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
    session: Session,
    specs: Sequence[ModelSpec],
    records: list[dict[str, Any]],
    progress: Progress,
    report: Callable[..., None],
    stop: threading.Event,
) -> Searched:
    options = session.options
    earlier = [trial_from_dict(record) for record in records]
    elapsed = max((trial.seconds for trial in earlier), default=0.0)
    seconds = options.search_seconds
    builders = Lending(session.lent)
    task = session.task
    asking = session.hooks.asking(task) or make_strategy(
        options, task, session.target.catalogue, specs, models=session.hooks.models,
        limits=Limits(options.max_cost, options.max_calls, options.max_tokens), folder=session.journal.directory,
        told=[trial.request.id for trial in earlier], evidence=_evidence(session, builders), stop=stop,
        deadline=None if seconds is None else time.monotonic() + seconds - elapsed,
    )  # fmt: skip
    strategy = asking.search
    strategy.set_root_key(session.root_key)
    trials: list[TrialRecord] = []

    def on_trial(trial: TrialRecord) -> None:
        trials.append(trial)
        asking.proposer.observe(trial.request, trial.proposal, trial.outcome)
        session.journal.append(trial_to_dict(trial))
        if trial.outcome.failure == "miscompile":
            _keep_reproducer(session, trial)
        _note(progress, trial, asking)
        _note_models(progress, asking)
        report()

    worth = Worth(options.worth_percent) if options.worth_percent else None
    verdicts = {session.root_key: Verdict(session.figures, checked=True)}
    driver = Driver(
        strategy, asking.proposer, builders, session.judge, session.target.objective, session.figures, on_trial,
        in_flight=session.in_flight(specs), seed=options.seed, verdicts=verdicts,
        in_order=session.in_order(specs), evaluator=session.evaluator(), worth=worth,
        wants_parts=bool(task.surroundings.callers),
        recorded=recorded_verdicts(specs) if options.times_the_program else None,
    )  # fmt: skip
    try:
        for trial in earlier:
            strategy.restore(trial.request, trial.proposal, trial.outcome)
            asking.proposer.observe(trial.request, trial.proposal, trial.outcome)
            driver.remember(trial)
            trials.append(trial)
            _note(progress, trial, asking)
        left = None if options.trials is None else max(0, options.trials - len(trials))
        ran_before, searching = session.judge.program_seconds, time.monotonic()
        driver.run(trials=left, seconds=seconds, elapsed=elapsed, stop=stop)
    finally:
        asking.close()
    ran = session.judge.program_seconds - ran_before
    took = time.monotonic() - searching
    whole = options.trials is not None and len(trials) >= options.trials
    notes = asking.notes() + ([] if whole or stop.is_set() else _why_ended(driver, worth))
    return Searched(trials, elapsed + took, ran / max(took, 1e-9), asking.models(), tuple(notes))


def _why_ended(driver: Driver, worth: Worth | None) -> list[str]:
    """What the user should know of the end; nothing where that was the end of the time."""
    if worth is not None and worth.over:
        return [worth.reason]
    ended = driver.ended_because
    if ended is not None and getattr(ended, "limit", "") != "seconds":
        return [f"the search ended early: {ended}"]
    return []


def _evidence(session: Session, builders: Lending[Any]) -> Callable[[tuple[str, ...]], Evidence]:
    for_size = session.target.objective.excerpt == "largest"

    def evidence(sequence: tuple[str, ...]) -> Evidence:
        with builders.lend() as builder:
            return gather(builder, sequence, for_size=for_size)

    return evidence


def recorded_verdicts(specs: Sequence[ModelSpec]) -> dict[str, Verdict]:
    """For a replay: what was measured of each object code in the recorded run.

    A second timing would send the search elsewhere. The final proof is made anew all the same.
    """
    known: dict[str, Verdict] = {}
    for run in {recorded_run(spec) for spec in specs} - {None}:
        for trial in map(trial_from_dict, read_trials(Path(str(run)))):
            if trial.outcome.key is not None:
                outcome, detail = trial.outcome, trial.detail
                verdict = Verdict(outcome.figures, outcome.failure, detail, trial.checked, trial.samples)
                known.setdefault(str(outcome.key), verdict)
    return known


def _note_models(progress: Progress, asking: Asking) -> None:
    """For the live view; not with each of many quick trials."""
    if progress.elapsed_seconds - progress.models_at >= _LIVE_LEDGER_SECONDS:
        progress.models_at, progress.models = progress.elapsed_seconds, asking.models()


def _note(progress: Progress, trial: TrialRecord, asking: Asking) -> None:
    progress.trials += 1
    progress.known += trial.known
    progress.elapsed_seconds = trial.seconds
    progress.nodes = len(asking.tree.nodes) if asking.tree is not None else 0
    progress.depth = max(progress.depth, len(trial.sequence))
    if trial.outcome.failure:
        progress.failures[trial.outcome.failure] += 1
    best = asking.search.best()
    if best is not None and best.reward > 0:
        progress.best_ratio = math.exp(best.reward)
        progress.best_sequence = best.sequence
        progress.best_trial = best.request.id


def _keep_reproducer(session: Session, trial: TrialRecord) -> None:
    """What a person needs to see the wrong program again."""
    folder = session.journal.folder("miscompiles", f"{trial.request.id:06d}")
    pipeline = session.target.sequences.pipeline(trial.sequence)
    write_json(
        folder / "miscompile.json",
        {
            "sequence": list(trial.sequence),
            "pipeline": pipeline,
            "difference": trial.detail,
            **({SECOND_LOOK: trial.samples[SECOND_LOOK]} if SECOND_LOOK in trial.samples else {}),
            "llvm": session.target.toolchain.version,
            "opt": list(
                opt_lines(session.target.toolchain, session.target.program, session.target.baseline.level, pipeline)
            ),
        },
    )
