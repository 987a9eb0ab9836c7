"""Evaluators of whole programs: build, verify, measure; here or on other machines, or as another run recorded it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from colt_llvm.core.errors import PassCrashed, PassError, PassOutOfMemory, PassTimedOut
from colt_llvm.env.payload import BenchmarkRecord
from colt_llvm.evaluate.builder import Builders
from colt_llvm.evaluate.evaluation import SECOND_LOOK, Evaluation, Evaluator, Reference, Standing
from colt_llvm.evaluate.target import Built, Target
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.objectives.base import RUN_TIME

T_co = TypeVar("T_co", covariant=True)


class Pool(Generic[T_co]):
    """A fixed number of things that threads borrow, whoever comes first: one thread at a time uses one of them."""

    def __init__(self, things: Sequence[T_co]) -> None:
        self._idle: SimpleQueue[T_co] = SimpleQueue()
        self.count = len(things)
        for thing in things:
            self._idle.put(thing)

    @contextmanager
    def borrow(self) -> Iterator[T_co]:
        """Wait until one is idle, and take it back at the end."""
        thing = self._idle.get()
        try:
            yield thing
        finally:
            self._idle.put(thing)


class SequenceBuilder(Protocol):
    def build(self, sequence: tuple[str, ...]) -> Built: ...


@dataclass(frozen=True)
class Examination:
    """What is to be found out of one candidate's objects, as plain data."""

    name: str  # of its file, unique in the run
    baseline_seconds: float | None = None  # CPU seconds of the baseline: time the candidate against it; None: do not
    thorough: bool = False  # check all workloads, else only the quick ones
    best_ratio: float | None = None  # of run time, baseline over candidate; what is surely below it is let go
    seed: int = 0


#: Links objects, checks what they do and perhaps times them. May be called from several threads. The evaluation has
#: no reward, and no figure but the run time.
Examiner = Callable[[tuple[bytes, ...], Examination], Evaluation]


def examine(timer: Timer, objects: tuple[bytes, ...], wanted: Examination) -> Evaluation:
    """Cheap before dear: a wrong program is not timed."""
    verifier = timer.verifier
    try:
        executable = verifier.link(objects, wanted.name)
        if wanted.baseline_seconds is None:
            return Evaluation(None, checked=verifier.check(executable, thorough=wanted.thorough))
        verifier.check(executable, thorough=False, core=verifier.core)
        measured = timer.measure(executable, wanted.best_ratio, wanted.seed)
        samples = {"candidate": measured.candidate, "baseline": measured.baseline, "cut": measured.cut}
        figures = {RUN_TIME: wanted.baseline_seconds / measured.ratio}
        return Evaluation(None, figures=figures, checked=True, samples=samples)
    except Miscompiled as error:
        samples = {SECOND_LOOK: error.evidence} if error.evidence else {}
        return Evaluation(None, failure="miscompile", detail=str(error), samples=samples)
    finally:
        verifier.discard(verifier.folder / wanted.name)


def examiner_of(timer: Timer | None) -> Examiner | None:
    """The timer of this machine as an examiner."""
    return None if timer is None else lambda objects, wanted: examine(timer, objects, wanted)


class ProgramEvaluator:
    """Builds the whole program, checks what it does, and times it where run time counts.

    Builders work side by side, and so do ``lanes`` examinations: one, where programs are timed, so that one thread
    alone runs programs on the measuring core. examiner: None where code is valued that is not run in the search.
    with_parts: whether the search is told the size of each function. check_step: a new best is checked in full where it
    passes another multiple of this reward, so that dear checks are few; the proof checks all. 0: each new best is.
    """

    def __init__(
        self,
        builders: Pool[SequenceBuilder],
        examiner: Examiner | None,
        reference: Reference,
        *,
        lanes: int = 1,
        seed: int = 0,
        with_parts: bool = False,
        check_step: float = 0.0,
    ) -> None:
        self.baseline: Evaluation | None = reference.baseline if reference.key else None
        self._builders = builders
        self._examiner = examiner
        self._reference = reference
        self._seed = seed
        self._with_parts = with_parts
        self._check_step = check_step
        self._building = ThreadPoolExecutor(builders.count, "build")
        self._examining = ThreadPoolExecutor(lanes, "examine")

    def evaluate(self, sequence: tuple[str, ...], standing: Standing) -> Evaluation:
        built = self._building.submit(self._build, sequence).result()
        if isinstance(built, Evaluation):
            return built
        found = standing.known(built.key)
        if found is None:
            found = self._examining.submit(self._examined, built, standing).result()
        return replace(found, key=built.key, parts=built.parts if self._with_parts else {})

    def _build(self, sequence: tuple[str, ...]) -> Built | Evaluation:
        """A pass that fails costs this trial only."""
        with self._builders.borrow() as builder:
            try:
                return builder.build(sequence)
            except PassError as error:
                return Evaluation(None, failure=_failure_kind(error), detail=str(error))

    def _examined(self, built: Built, standing: Standing) -> Evaluation:
        objective = self._reference.objective
        figures = objective.measured(built)
        found = Evaluation(None)
        if self._examiner is not None and built.objects:
            best = standing.best()
            wanted = Examination(
                name=f"candidate-{standing.number}",
                baseline_seconds=self._reference.figures[RUN_TIME] if objective.timed else None,
                thorough=not objective.timed and self._checks_all(self._reference.reward(figures), best),
                best_ratio=math.exp(best) if objective.time_alone else None,
                seed=self._seed + standing.number,
            )
            found = self._examiner(built.objects, wanted)
        figures |= found.figures
        return replace(found, figures=figures, reward=None if found.failure else self._reference.reward(figures))

    def _checks_all(self, reward: float, best: float) -> bool:
        step = self._check_step
        return reward > best and (not step or reward // step > best // step)

    def close(self) -> None:
        for pool in (self._building, self._examining):
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in (self._building, self._examining):
            pool.shutdown()


class RecordedEvaluator:
    """Takes what another run measured, by object code: a second timing would send the search elsewhere.

    evaluator: for the rest.
    """

    def __init__(self, evaluator: Evaluator, recorded: Mapping[str, Evaluation]) -> None:
        self.baseline = evaluator.baseline
        self._evaluator = evaluator
        self._recorded = recorded

    def evaluate(self, sequence: tuple[str, ...], standing: Standing) -> Evaluation:
        def known(key: str) -> Evaluation | None:
            return standing.known(key) or self._recorded.get(key)

        return self._evaluator.evaluate(sequence, replace(standing, known=known))

    def close(self) -> None:
        self._evaluator.close()


def _failure_kind(error: PassError) -> str:
    kinds = {PassCrashed: "crash", PassTimedOut: "timeout", PassOutOfMemory: "out of memory"}
    return next((name for kind, name in kinds.items() if isinstance(error, kind)), "invalid")


@dataclass(frozen=True)
class RemoteTarget:
    """All that another machine needs to build, check and time this program."""

    target: Target  # without what is a function of this process
    record: BenchmarkRecord  # the front end's output, so no source is read elsewhere
    empty: Built  # what the empty sequence gave here; whoever does not get the same is not used
    portable: bool  # programs can be run elsewhere too; where not, only builds are sent

    @staticmethod
    def of(target: Target, builders: Builders) -> RemoteTarget:
        plain = replace(target, objective=target.options.goal, linker=None, own_check=None)
        portable = target.linker is None and target.own_check is None and not target.options.test
        return RemoteTarget(plain, builders.first.record, builders.empty, portable)


@dataclass(frozen=True)
class RemoteWorkers:
    """builders: as many as may build at once. examiner: None where this machine runs the programs itself.

    lanes: how many candidates are examined at once. in_flight: requests under way that keep all of them busy.
    """

    builders: Sequence[Any]
    examiner: Examiner | None
    lanes: int
    in_flight: int
    notes: list[str] = field(default_factory=list)


class RemotePool(Protocol):
    """Other machines, as a run sees them."""

    def workers_for(self, remote: RemoteTarget) -> AbstractContextManager[RemoteWorkers]:
        """For one run. Raises ColtError where nobody can do it."""
