"""One program prepared for many searches with an objective that has no noise: instructions or size.

The searches run in tune's own loop with one request in flight, so that each repeats from its seed. Those with a
budget of trials share one service and what it has computed: their results are the same as with a service each, their
seconds are not. Those with a budget of seconds begin with a service that has forgotten everything but the empty
sequence, which tune builds too before its clock starts; a strategy's own time is within its budget.

A search runs no program: its seconds are those of the compiler and of the strategy. The best of each search is built
again and proved on all workloads as tune does it, apart from the budget; where it fails, the next best is.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from colt_llvm.core.errors import CompileError, PassError, ProgramError
from colt_llvm.decisions.offers import Scopes
from colt_llvm.evaluate.builder import Builder, start_builders
from colt_llvm.evaluate.evaluation import Reference
from colt_llvm.evaluate.evaluators import Pool, ProgramEvaluator
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Target, prepare_target
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.verifier import Miscompiled, Verifier
from colt_llvm.experiments.cells import Cell, Point, curve, model_rows, record_of
from colt_llvm.experiments.experiment import EMBEDDED, GYM_RANDOM, StrategySpec
from colt_llvm.experiments.suites import BenchProgram
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.intervals import Verdict
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.budget import Limits
from colt_llvm.models.registry import load_models
from colt_llvm.objectives.base import Objective
from colt_llvm.objectives.registry import find_objective
from colt_llvm.run.asking import Asking, CallOptions, make_strategy
from colt_llvm.run.loop import Loop
from colt_llvm.run.proof import Finalist, Prover
from colt_llvm.run.setup import gather, make_task, program_features
from colt_llvm.run.trials import TrialRecord
from colt_llvm.search.strategy import Task


@dataclass
class UntimedCells:
    """Makes cells of one program, one after another."""

    item: BenchProgram
    objective: str
    target: Target
    verifier: Verifier | None  #: None where the program has no ``main``
    builder: Builder
    figures: dict[str, float]  #: of the baseline
    root_key: str  #: of what the empty sequence gives
    task: Callable[[Scopes], Task]
    prover: RememberingProver

    def run(self, cell: Cell, folder: Path) -> dict[str, Any]:
        """Search, prove, and the content of the cell's file. Raises ColtError for what no search can do.

        folder: for what a peer's own search keeps; made when it is used.
        """
        if cell.strategy.strategy == GYM_RANDOM:
            return self._gym_random(cell, folder)
        began = time.monotonic()
        timed = cell.budget.seconds is not None
        if timed:
            self.builder.forget()
            self.builder.build(())
        specs = models_of(cell.strategy)
        options = cell.strategy.options(self.objective, cell.budget, cell.seed)
        task = replace(self.task(options.scopes), seed=cell.seed, trials_wanted=cell.budget.trials)
        builders = Pool([self.builder])

        def evidence(sequence: tuple[str, ...]) -> Any:
            with builders.borrow() as builder:
                return gather(builder, sequence, for_size=find_objective(self.objective).excerpt == "largest")

        asking = make_strategy(
            options, task, self.target.catalogue, specs,
            CallOptions(
                limits=Limits(options.max_cost), evidence=evidence,
                deadline=None if cell.budget.seconds is None else time.monotonic() + cell.budget.seconds,
            ),
        )  # fmt: skip
        trials: list[TrialRecord] = []
        points: list[Point] = []
        parameters = {spec.name: spec.parameters for spec in asking.specs}

        def on_trial(trial: TrialRecord) -> None:
            trials.append(trial)
            points.append(_point(trial, asking, parameters))

        reference = Reference(self.target.objective, self.figures, self.root_key)
        with_parts = bool(task.surroundings.callers)
        evaluator = ProgramEvaluator(builders, None, reference, seed=cell.seed, with_parts=with_parts)
        loop = Loop(asking.search, asking.proposer, evaluator, on_trial)
        started = time.monotonic()
        try:
            loop.run(trials=cell.budget.trials, seconds=cell.budget.seconds)
        finally:
            asking.close()
        seconds = time.monotonic() - started
        outcome = self._proved(trials, points, seconds)
        return record_of(
            self.item, cell, self.target.toolchain.version, baseline=dict(self.figures), trials=len(trials),
            distinct=len({trial.outcome.key for trial in trials if trial.outcome.key}), seconds=round(seconds, 6),
            failures=dict(Counter(trial.outcome.failure for trial in trials if trial.outcome.failure)),
            shared_cache=not timed, models=model_rows(asking.models(), parameters),
            took_seconds=round(time.monotonic() - began, 6), **outcome,
        )  # fmt: skip

    def _gym_random(self, cell: Cell, folder: Path) -> dict[str, Any]:
        """CompilerGym's agent in an environment of its own, with a proof of its own."""
        from colt_llvm.experiments.gym_random import run_gym_random

        began = time.monotonic()
        found = run_gym_random(
            self.target, self.prover.timer.verifier if self.verifier is not None else None, folder,
            seed=cell.seed, trials=cell.budget.trials, seconds=cell.budget.seconds,
        )  # fmt: skip
        points: list[list[float]] = []
        for trials, seconds, gain in found.curve:
            if min(gain, found.gain) > (points[-1][4] if points else 0.0):
                points.append([trials, round(seconds, 6), 0.0, 0.0, min(gain, found.gain)])
        points.append([found.trials, round(found.seconds, 6), 0.0, 0.0, found.gain])
        checked = found.checked
        if checked is None and self.verifier is not None:  # nothing is proved: the baseline stands, or nothing did
            checked = not found.detail
        return record_of(
            self.item, cell, self.target.toolchain.version, baseline=dict(self.figures), trials=found.trials,
            seconds=round(found.seconds, 6), took_seconds=round(time.monotonic() - began, 6), gain=found.gain,
            checked=checked, failures={"crash": found.failures} if found.failures else {},
            rejected=int(bool(found.detail)), curve=points, sequence=list(found.sequence),
            figures={name: list(pair) for name, pair in found.figures.items()},
        )  # fmt: skip

    def _proved(self, trials: Sequence[TrialRecord], points: Sequence[Point], seconds: float) -> dict[str, Any]:
        proof = self.prover.prove(trials, 0.0)
        winner = proof.winner if proof.verdict is Verdict.IMPROVED else None
        gain, sequence = 0.0, tuple[str, ...]()
        figures = {name: [value, value] for name, value in self.figures.items()}
        if winner is not None:
            gain = Objective(self.objective).reward(winner.built.figures, self.figures)
            figures = {name: [value, winner.built.figures[name]] for name, value in self.figures.items()}
            sequence = winner.sequence
        checked = None if self.verifier is None else winner is not None or not proof.rejected
        return {
            "gain": gain,
            "checked": checked,
            "rejected": len(proof.rejected),
            "curve": curve(points, proof.rejected.keys(), gain, seconds),
            "figures": figures,
            "sequence": list(sequence),
        }


@contextlib.contextmanager
def untimed_cells(item: BenchProgram, objective: str, toolchain: Toolchain) -> Iterator[UntimedCells]:
    """Prepare a program. Raises CompileError or ProgramError where it cannot be built, run or verified."""
    target = prepare_target(toolchain, item.program, _options(item, objective))
    with contextlib.ExitStack() as stack:
        verifier = verifier_of(item, target)
        if verifier is not None:
            stack.callback(verifier.close)
        # Exact steps: what a service computed for one search must not show in the next one.
        builders = stack.enter_context(start_builders(target, 1))
        program_counts = program_features(builders.first)

        @cache
        def task(scopes: Scopes) -> Task:
            return make_task(target, program_counts, scopes)

        remembering = RememberingVerifier.around(verifier) if verifier else _Unverified.around(target, stack)
        prover = RememberingProver(target, Timer(remembering), builders.figures, lambda trial: trial.sequence)
        yield UntimedCells(
            item, objective, target, verifier, builders.first, builders.figures, builders.root_key, task, prover
        )


def _options(item: BenchProgram, objective: str) -> TuneOptions:
    return TuneOptions(objective=objective, trials=1, timeout_seconds=item.timeout_seconds, allow_nonzero=True)


def verifier_of(item: BenchProgram, target: Target) -> Verifier | None:
    """Who knows what the baseline does; None for a program without ``main``.

    Raises CompileError or ProgramError, the latter also where it ends with another status than its suite says.
    """
    try:
        verifier = Verifier.of_target(target)
    except CompileError as error:
        if "undefined reference to `main'" in error.diagnostics or "undefined symbol: main" in error.diagnostics:
            return None
        raise
    for workload, seen in zip(item.program.workloads, verifier.expected, strict=True):
        if seen.status != item.expected_status:
            verifier.close()
            raise ProgramError(
                f"workload {workload.name}: the baseline ends with exit status {seen.status} instead of "
                f"{item.expected_status}; say so in its reference_output, fix it, or leave {item.name} out"
            )
    return verifier


def models_of(strategy: StrategySpec) -> list[ModelSpec] | None:
    """The models that it names; None for the strategy's own choice. Raises UsageError."""
    if not strategy.models or strategy.models == (EMBEDDED,):
        return None
    return load_models(",".join(strategy.models))


class _Unverified(Verifier):
    """Of a program that cannot run: every object is believed."""

    @staticmethod
    def around(target: Target, stack: contextlib.ExitStack) -> _Unverified:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="colt-")))
        return _Unverified(target.program, TuneOptions(), folder, None, folder, lambda _, place: place)

    def check(self, *_: Any, **__: Any) -> bool:
        return True


def _point(trial: TrialRecord, asking: Asking, parameters: dict[str, float]) -> Point:
    cost = effort = 0.0
    if asking.ledger is not None:
        counted = asking.ledger.to_dict()
        cost = float(counted["total"]["cost"])
        effort = sum(parameters.get(name, 0.0) * row["answers"] for name, row in counted["models"].items())
    return Point(trial.seconds, cost, effort, trial.outcome.reward, ",".join(trial.sequence))


@dataclass
class RememberingVerifier(Verifier):
    """Verdicts by the digest of the objects' loaded content; nothing is linked before it has to run."""

    _known: dict[tuple[str, bool, bool], bool | Miscompiled] = field(default_factory=dict)
    _waiting: dict[Path, tuple[str, tuple[bytes, ...]]] = field(default_factory=dict)

    @staticmethod
    def around(verifier: Verifier) -> RememberingVerifier:
        """With a memory of its own. The folder and what the baseline does are shared with ``verifier``."""
        return RememberingVerifier(**{item.name: getattr(verifier, item.name) for item in fields(Verifier)})

    def link(self, objects: Sequence[bytes], name: str) -> Path:
        place = self.folder / name
        self._waiting[place] = (":".join(map(loaded_digest, objects)), tuple(objects))
        return place

    def check(self, executable: Path, *, thorough: bool, core: int | None = None, proof: bool = False) -> bool:
        if executable not in self._waiting:
            return super().check(executable, thorough=thorough, core=core, proof=proof)
        digest, objects = self._waiting.pop(executable)
        known = self._known.get((digest, thorough, proof))
        if known is None:
            known = self._found(objects, executable, thorough, core, proof)
            self._known[digest, thorough, proof] = known
        if isinstance(known, Miscompiled):
            raise known
        return known

    def _found(
        self, objects: Sequence[bytes], executable: Path, thorough: bool, core: int | None, proof: bool
    ) -> bool | Miscompiled:
        try:
            super().link(objects, executable.name)
            return super().check(executable, thorough=thorough, core=core, proof=proof)
        except Miscompiled as error:
            return error
        finally:
            executable.unlink(missing_ok=True)


@dataclass
class RememberingProver(Prover):
    """Finalists by what the search told of them. ``timer`` has to be one that links when asked to check.

    Sequences are proved at their full length: a shorter one with the same code makes a better recipe, and costs as
    many builds as it has passes.
    """

    _rebuilt: dict[tuple[tuple[str, ...], str | None], Finalist | Exception] = field(default_factory=dict)

    def _rebuild(self, trial: TrialRecord, name: str) -> Finalist:
        which = trial.sequence, trial.outcome.key
        if which not in self._rebuilt:
            try:
                self._rebuilt[which] = super()._rebuild(trial, name)
            except (Miscompiled, PassError, CompileError) as error:
                self._rebuilt[which] = error
        found = self._rebuilt[which]
        if isinstance(found, Exception):
            raise found
        return found
