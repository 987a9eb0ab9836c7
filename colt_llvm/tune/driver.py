"""The loop: ask the strategy, propose, build, check, measure, tell. Every trial is in the journal before the next.

Each stage has threads of its own: models think side by side while others are built, and where run time decides, one
thread alone runs programs, on a core that nothing else of ours uses. With one request in flight everything happens
in turn, and a run repeats from its seed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from colt_llvm.errors import ColtError, PassCrashed, PassError, PassOutOfMemory, PassTimedOut
from colt_llvm.models.base import NoMoreCalls
from colt_llvm.search import Objective, Outcome, Proposal, Request, Strategy
from colt_llvm.tune.builder import Built
from colt_llvm.tune.judge import Judge, Miscompiled
from colt_llvm.tune.lending import Lending

_POLL_SECONDS = 0.1


class SequenceBuilder(Protocol):
    def build(self, sequence: tuple[str, ...]) -> Built: ...


class Proposer(Protocol):
    def prepare(self, request: Request) -> Callable[[], Proposal]:
        """Note how the search stands now, in its own thread. The answer is then called in another one.

        It may raise NoMoreCalls: then the search ends when what is under way has ended.
        """


@dataclass
class Verdict:
    """What is known of one object code: figures, or a failure with its text."""

    figures: Mapping[str, float]
    failure: str | None = None
    detail: str = ""
    checked: bool = False
    samples: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialRecord:
    """One trial as it ends. seconds: since the search began. known: the object code had been seen before."""

    request: Request
    proposal: Proposal
    outcome: Outcome
    seconds: float
    known: bool
    detail: str = ""
    checked: bool = False
    samples: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sequence(self) -> tuple[str, ...]:
        return self.request.sequence + self.proposal.passes


@dataclass
class _Flight:
    """A request on its way; ``proposal`` once it was answered, ``built`` once that has been built."""

    request: Request
    proposal: Proposal | None = None
    built: Built | None = None


@dataclass
class _Stages:
    """Threads for each stage of a flight."""

    propose: ThreadPoolExecutor
    build: ThreadPoolExecutor
    judge: ThreadPoolExecutor


class Driver:
    """builders: lent to the threads that build; as many as may build at once.

    verdicts: object key -> what is known of it; filled beforehand on resume. recorded: what another run measured, to
    be taken in place of measuring.
    on_trial: called with each trial, in the order in which the strategy is told.
    """

    def __init__(
        self,
        strategy: Strategy,
        proposer: Proposer,
        builders: Lending[SequenceBuilder],
        judge: Judge | None,
        objective: Objective,
        baseline: Mapping[str, float],
        on_trial: Callable[[TrialRecord], None],
        *,
        in_flight: int,
        seed: int = 0,
        verdicts: dict[str, Verdict] | None = None,
        recorded: Mapping[str, Verdict] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._strategy = strategy
        self._proposer = proposer
        self._builders = builders
        self._judge = judge
        self._objective = objective
        self._baseline = baseline
        self._on_trial = on_trial
        self._in_flight = in_flight
        self._seed = seed
        self.verdicts = verdicts if verdicts is not None else {}
        self._recorded = recorded or {}
        self._clock = clock
        self._lock = threading.Lock()
        self.best_reward = 0.0
        self.best_ratio = 1.0
        self.ended_because: NoMoreCalls | None = None

    def run(
        self, *, trials: int | None, seconds: float | None, elapsed: float = 0.0, stop: threading.Event | None = None
    ) -> None:
        """Until ``trials`` more are done, ``seconds`` since the start (``elapsed`` of them gone) or ``stop``.

        ``ended_because`` says why where it was neither of these.
        """
        self._started = self._clock() - elapsed
        stop = stop or threading.Event()
        begun = 0
        flights: dict[Future[Any], _Flight] = {}
        timing = self._objective.name in ("runtime", "balanced")
        with (
            ThreadPoolExecutor(self._in_flight, "propose") as propose,
            ThreadPoolExecutor(self._builders.count, "build") as build,
            ThreadPoolExecutor(1 if timing else self._builders.count, "judge") as judge,
        ):
            stages = _Stages(propose, build, judge)
            try:
                while True:
                    over = stop.is_set() or (seconds is not None and self._elapsed() >= seconds)
                    while not over and len(flights) < self._in_flight and (trials is None or begun < trials):
                        if self.ended_because or (request := self._strategy.ask()) is None:
                            break
                        begun += 1
                        flights[propose.submit(self._proposer.prepare(request))] = _Flight(request)
                    if not flights:
                        return
                    if over:
                        self._abandon(flights)
                        return
                    done, _ = wait(flights, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
                    # In the order of asking, so that equal timing gives equal order.
                    for future in sorted(done, key=lambda future: flights[future].request.id):
                        self._advance(future, flights, stages)
            finally:
                for future in flights:
                    future.cancel()

    def remember(self, trial: TrialRecord) -> None:
        """Take in a trial of an earlier part of the run, which the strategy was told already."""
        if trial.outcome.key is not None:
            verdict = Verdict(trial.outcome.figures, trial.outcome.failure, trial.detail, trial.checked)
            self.verdicts[trial.outcome.key] = verdict
        self._keep_best(trial.outcome)

    def _keep_best(self, outcome: Outcome) -> None:
        if outcome.reward is not None and outcome.reward > self.best_reward:
            self.best_reward = outcome.reward
            if "runtime" in outcome.figures:
                self.best_ratio = self._baseline["runtime"] / outcome.figures["runtime"]

    def _abandon(self, flights: Mapping[Future[Any], _Flight]) -> None:
        for future, flight in flights.items():
            future.cancel()
            self._strategy.abandon(flight.request)

    def _advance(self, future: Future[Any], flights: dict[Future[Any], _Flight], stages: _Stages) -> None:
        """A stage has ended: go to the next one, or tell."""
        flight = flights.pop(future)
        if flight.proposal is None:
            try:
                flight.proposal = future.result()
            except NoMoreCalls as reason:
                self.ended_because = reason
                self._strategy.abandon(flight.request)
                return
            sequence = flight.request.sequence + flight.proposal.passes
            flights[stages.build.submit(self._build, sequence)] = flight
        elif flight.built is None:
            built = future.result()
            if isinstance(built, Verdict):
                self._tell(flight, built, known=False, key=None)
                return
            flight.built = built
            known = self.verdicts.get(built.key)
            if known is not None and not self._needs_check(known):
                self._tell(flight, known, known=True, key=built.key)
            elif known is None and built.key in self._recorded:
                verdict = self.verdicts[built.key] = self._recorded[built.key]
                self._tell(flight, verdict, known=False, key=built.key)
            else:
                flights[stages.judge.submit(self._evaluate, built, flight.request.id)] = flight
        else:
            known_before = flight.built.key in self.verdicts
            verdict = self.verdicts[flight.built.key] = future.result()
            self._tell(flight, verdict, known_before, flight.built.key)

    def _elapsed(self) -> float:
        return self._clock() - self._started

    def _build(self, sequence: tuple[str, ...]) -> Built | Verdict:
        """Runs in a thread. A pass that fails costs this trial only."""
        with self._builders.lend() as builder:
            try:
                return builder.build(sequence)
            except PassError as error:
                return Verdict({}, _failure_kind(error), str(error))

    def _needs_check(self, verdict: Verdict) -> bool:
        """Whether it would be the best so far without all its workloads having been checked."""
        return verdict.failure is None and not verdict.checked and self._reward(verdict.figures) > self.best_reward

    def _reward(self, figures: Mapping[str, float]) -> float:
        return self._objective.reward(figures, self._baseline)

    def _evaluate(self, built: Built, request_id: int) -> Verdict:
        """Runs in a thread: the only one, where run time decides."""
        figures = dict(built.figures)
        if self._judge is None or not built.objects:
            return Verdict(figures)  # IR alone: checked when it is about to be claimed
        name = f"candidate-{request_id}"
        try:
            executable = self._judge.link(built.objects, name)
            if "runtime" in self._objective.figures:
                return self._time(self._judge, executable, figures, request_id)
            thorough = self._reward(figures) > self.best_reward
            return Verdict(figures, checked=self._judge.check(executable, thorough=thorough))
        except Miscompiled as error:
            return Verdict(figures, "miscompile", str(error))
        finally:
            (self._judge.folder / name).unlink(missing_ok=True)

    def _time(self, judge: Judge, executable: Path, figures: dict[str, float], request_id: int) -> Verdict:
        judge.check(executable, thorough=False, core=judge.core)
        best = self.best_ratio if self._objective.name == "runtime" else None
        measured = judge.measure(executable, best, self._seed + request_id)
        figures["runtime"] = self._baseline["runtime"] / measured.ratio
        samples = {"candidate": measured.candidate, "baseline": measured.baseline, "cut": measured.cut}
        return Verdict(figures, checked=True, samples=samples)

    def _tell(self, flight: _Flight, verdict: Verdict, known: bool, key: str | None) -> None:
        assert flight.proposal is not None
        reward = None if verdict.failure else self._reward(verdict.figures)
        outcome = Outcome(reward, key, verdict.failure, dict(verdict.figures))
        self._strategy.tell(flight.request, flight.proposal, outcome)
        self._keep_best(outcome)
        self._on_trial(
            TrialRecord(
                flight.request, flight.proposal, outcome, self._elapsed(), known,
                verdict.detail, verdict.checked, {} if known else verdict.samples,
            )
        )  # fmt: skip


def _failure_kind(error: ColtError) -> str:
    kinds = {PassCrashed: "crash", PassTimedOut: "timeout", PassOutOfMemory: "out of memory"}
    return next((name for kind, name in kinds.items() if isinstance(error, kind)), "invalid")
