"""The search of one run: strategy, proposer and driver, from the journal's trials or from nothing."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from colt_llvm.journal import write_json
from colt_llvm.proposal.blind import BlindProposer
from colt_llvm.recipe import opt_lines
from colt_llvm.search import ColtOptions, ColtSearch, Model
from colt_llvm.tune.driver import Driver, TrialRecord, Verdict
from colt_llvm.tune.lending import Lending
from colt_llvm.tune.progress import Progress
from colt_llvm.tune.records import trial_from_dict, trial_to_dict
from colt_llvm.tune.session import Session, requests_in_flight

#: A stand-in until models propose: one blind proposer, which has no parameters to speak of.
BLIND = Model("blind", 1.0)

#: With a proposer that looks at no code, breadth decides: this found more than the paper's B = 2 and C = 1.41
#: (train programs, -Oz, 400 builds).
BREADTH = ColtOptions(branching=4, exploration=0.1, max_expansion_failures=20)


@dataclass(frozen=True)
class Searched:
    """trials: all of the run, those of earlier parts first. elapsed_seconds: of all parts.

    busy_fraction: of this part's time in which the user's program ran.
    """

    trials: list[TrialRecord]
    elapsed_seconds: float
    busy_fraction: float


def search(
    session: Session,
    records: list[dict[str, Any]],
    progress: Progress,
    report: Callable[..., None],
    stop: threading.Event,
) -> Searched:
    options = session.options
    models = [BLIND]
    proposer = BlindProposer(session.catalogue.names(), session.sequences.edits, options.seed, BLIND.name)
    strategy = ColtSearch(models, replace(BREADTH, seeds=len(proposer.first) or BREADTH.seeds), options.seed)
    strategy.set_root_key(session.root_key)
    trials: list[TrialRecord] = []

    def on_trial(trial: TrialRecord) -> None:
        trials.append(trial)
        proposer.observe(trial.request, trial.proposal, trial.outcome)
        session.journal.append(trial_to_dict(trial))
        if trial.outcome.failure == "miscompile":
            _keep_reproducer(session, trial)
        _note(progress, trial, strategy, driver)
        report()

    verdicts = {session.root_key: Verdict(session.figures, checked=True)}
    driver = Driver(
        strategy, proposer, Lending(session.builders), session.judge, session.objective, session.figures, on_trial,
        in_flight=requests_in_flight(options), seed=options.seed, verdicts=verdicts,
    )  # fmt: skip
    elapsed = 0.0
    for record in records:
        trial = trial_from_dict(record)
        strategy.restore(trial.request, trial.proposal, trial.outcome)
        proposer.observe(trial.request, trial.proposal, trial.outcome)
        driver.remember(trial)
        trials.append(trial)
        elapsed = max(elapsed, trial.seconds)
        _note(progress, trial, strategy, driver)
    left = None if options.trials is None else max(0, options.trials - len(trials))
    ran_before, searching = session.judge.program_seconds, time.monotonic()
    driver.run(trials=left, seconds=options.search_seconds, elapsed=elapsed, stop=stop)
    ran = session.judge.program_seconds - ran_before
    took = time.monotonic() - searching
    return Searched(trials, elapsed + took, ran / max(took, 1e-9))


def _note(progress: Progress, trial: TrialRecord, strategy: ColtSearch, driver: Driver) -> None:
    progress.trials += 1
    progress.known += trial.known
    progress.elapsed_seconds = trial.seconds
    progress.nodes = len(strategy.tree.nodes)
    progress.depth = max(progress.depth, len(trial.sequence))
    if trial.outcome.failure:
        progress.failures[trial.outcome.failure] += 1
    best = strategy.best()
    if best is not None and best.reward > 0:
        progress.best_ratio = math.exp(best.reward)
        progress.best_sequence = best.sequence
        progress.best_trial = best.request.id


def _keep_reproducer(session: Session, trial: TrialRecord) -> None:
    """What a person needs to see the wrong program again."""
    folder = session.journal.folder("miscompiles", f"{trial.request.id:06d}")
    pipeline = session.sequences.pipeline(trial.sequence)
    write_json(
        folder / "miscompile.json",
        {
            "sequence": list(trial.sequence),
            "pipeline": pipeline,
            "difference": trial.detail,
            "llvm": session.toolchain.version,
            "opt": list(opt_lines(session.toolchain, session.program, session.baseline.level, pipeline)),
        },
    )
