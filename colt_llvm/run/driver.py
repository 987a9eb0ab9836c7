"""The loop: ask the strategy, propose, build, check, measure, tell. Every trial is in the journal before the next.

Each stage has threads of its own: models think side by side while others are built, and where run time decides, one
thread alone runs programs, on a core that nothing else of ours uses. With one request in flight everything happens
in turn, and a run repeats from its seed. With several it does where the strategy is told in the order of asking
(``in_order``), and nothing is measured that differs from run to run: then it does not matter who answers first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

from colt_llvm.core.errors import ColtError, PassCrashed, PassError, PassOutOfMemory, PassTimedOut
from colt_llvm.evaluate.evaluation import Bar, Evaluator, ExaminingEvaluator, judging
from colt_llvm.evaluate.evaluation import Verdict as Verdict
from colt_llvm.evaluate.judge import Judge
from colt_llvm.evaluate.pool import Lending
from colt_llvm.evaluate.target import Built
from colt_llvm.models.base import NoMoreCalls
from colt_llvm.objectives.base import RUN_TIME, Objective
from colt_llvm.search import Outcome, Proposal, Request, Strategy
from colt_llvm.search.early_stopping import Worth

_POLL_SECONDS = 0.1


class SequenceBuilder(Protocol):
    def build(self, sequence: tuple[str, ...]) -> Built: ...


class Proposer(Protocol):
    def prepare(self, request: Request) -> Callable[[], Proposal]:
        """Note how the search stands now, in its own thread. The answer is then called in another one.

        It may raise NoMoreCalls: then the search ends when what is under way has ended.
        """


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
    """A request on its way; ``proposal`` once it was answered, ``built`` once that has been built.

    bar: the best when it was asked for. landed: only telling is left; ``verdict`` is its own, None where the object
    code was known.
    """

    request: Request
    bar: Bar
    proposal: Proposal | None = None
    built: Built | None = None
    verdict: Verdict | None = None
    landed: bool = False


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
    in_order: tell in the order of asking, one more being asked for with each that is told. A slow candidate then
    holds up those behind it. evaluator: in place of the judge on this machine.
    worth: says when to stop, from the trials told. wants_parts: whether the search is told the size of each function.
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
        in_order: bool = False,
        evaluator: Evaluator | None = None,
        worth: Worth | None = None,
        wants_parts: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._strategy = strategy
        self._proposer = proposer
        self._builders = builders
        self._objective = objective
        self._baseline = baseline
        self._on_trial = on_trial
        self._in_flight = in_flight
        self._in_order = in_order
        lanes = 1 if objective.timed else builders.count
        self._evaluator = evaluator or ExaminingEvaluator(judging(judge), objective, baseline, seed, lanes)
        self._worth = worth
        self._wants_parts = wants_parts
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

        Before that where more is not worth it. ``ended_because`` says why where it was none of these.
        """
        self._started = self._clock() - elapsed
        stop = stop or threading.Event()
        self._left = trials
        self._queue: list[_Flight] = []
        flights: dict[Future[Any], _Flight] = {}
        with (
            ThreadPoolExecutor(self._in_flight, "propose") as propose,
            ThreadPoolExecutor(self._builders.count, "build") as build,
            ThreadPoolExecutor(self._evaluator.lanes, "judge") as judge,
        ):
            stages = _Stages(propose, build, judge)
            try:
                while True:
                    over = self._not_worth or stop.is_set() or (seconds is not None and self._elapsed() >= seconds)
                    if not over:
                        self._fill(flights, stages)
                    if not self._queue:
                        return
                    if over:
                        self._wind_up(flights)
                        return
                    done, _ = wait(flights, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
                    # In the order of asking, so that equal timing gives equal order.
                    for future in sorted(done, key=lambda future: flights[future].request.id):
                        if not self._not_worth:
                            self._advance(future, flights, stages)
                    while self._in_order and self._queue and self._queue[0].landed and not self._not_worth:
                        self._conclude(self._queue[0])
                        self._fill(flights, stages)
            finally:
                for future in flights:
                    future.cancel()

    def _fill(self, flights: dict[Future[Any], _Flight], stages: _Stages) -> None:
        """Ask for as many as may be under way."""
        while len(self._queue) < self._in_flight and self._left != 0 and not (self.ended_because or self._not_worth):
            request = self._strategy.ask()
            if request is None:
                return
            if self._left is not None:
                self._left -= 1
            flight = _Flight(request, self._bar)
            self._queue.append(flight)
            flights[stages.propose.submit(self._proposer.prepare(request))] = flight

    def remember(self, trial: TrialRecord) -> None:
        """Take in a trial of an earlier part of the run, which the strategy was told already."""
        if trial.outcome.key is not None:
            verdict = Verdict(trial.outcome.figures, trial.outcome.failure, trial.detail, trial.checked)
            self.verdicts[trial.outcome.key] = verdict
        self._count(trial.outcome)

    @property
    def _not_worth(self) -> bool:
        """Whether to stop at this very trial: what else is under way is told no more, whoever would be first."""
        return self._worth is not None and self._worth.over

    def _count(self, outcome: Outcome) -> None:
        if self._worth is not None:
            self._worth.tell(outcome.reward)
        if outcome.reward is not None and outcome.reward > self.best_reward:
            self.best_reward = outcome.reward
            if RUN_TIME in outcome.figures:
                self.best_ratio = self._baseline[RUN_TIME] / outcome.figures[RUN_TIME]

    @property
    def _bar(self) -> Bar:
        return Bar(self.best_reward, self.best_ratio)

    def _wind_up(self, flights: Mapping[Future[Any], _Flight]) -> None:
        """Tell what has landed, but where no more is to be told, and take the rest back."""
        for future in flights:
            future.cancel()
        for flight in list(self._queue):
            if flight.landed and not self._not_worth:
                self._conclude(flight)
            else:
                self._abandon(flight)

    def _abandon(self, flight: _Flight) -> None:
        self._queue.remove(flight)
        self._strategy.abandon(flight.request)

    def _advance(self, future: Future[Any], flights: dict[Future[Any], _Flight], stages: _Stages) -> None:
        """A stage has ended: go to the next one, or tell."""
        flight = flights.pop(future)
        if flight.proposal is None:
            try:
                flight.proposal = future.result()
            except NoMoreCalls as reason:
                self.ended_because = reason
                self._abandon(flight)
                return
            sequence = flight.request.sequence + flight.proposal.passes
            flights[stages.build.submit(self._build, sequence)] = flight
        elif flight.built is None:
            built = future.result()
            if isinstance(built, Verdict):
                self._land(flight, built)
                return
            flight.built = built
            known = self.verdicts.get(built.key)
            if known is not None and not self._needs_check(known):
                self._land(flight, None)
            elif known is None and built.key in self._recorded:
                self._land(flight, self._recorded[built.key])
            else:
                # Where the order of telling must not depend on who is first, neither may what is checked. The best
                # at asking is no better than that at telling, so nothing is checked less than it has to be.
                bar = flight.bar if self._in_order else self._bar
                flights[stages.judge.submit(self._evaluator.evaluate, built, bar, flight.request.id)] = flight
        else:
            self._land(flight, future.result())

    def _land(self, flight: _Flight, verdict: Verdict | None) -> None:
        flight.verdict, flight.landed = verdict, True
        if not self._in_order:
            self._conclude(flight)

    def _conclude(self, flight: _Flight) -> None:
        """Tell. Which of two with the same object code counts as known is settled here."""
        self._queue.remove(flight)
        verdict, known = flight.verdict, False
        key = flight.built.key if flight.built else None
        if key is not None:
            before = self.verdicts.get(key)
            known = before is not None
            if before is not None and (verdict is None or (self._in_order and not self._needs_check(before))):
                verdict = before
            assert verdict is not None
            self.verdicts[key] = verdict
        assert verdict is not None
        self._tell(flight, verdict, known, key)

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

    def _tell(self, flight: _Flight, verdict: Verdict, known: bool, key: str | None) -> None:
        assert flight.proposal is not None
        reward = None if verdict.failure else self._reward(verdict.figures)
        parts = flight.built.parts if flight.built is not None and self._wants_parts else {}
        outcome = Outcome(reward, key, verdict.failure, dict(verdict.figures), parts)
        self._strategy.tell(flight.request, flight.proposal, outcome)
        self._count(outcome)
        self._on_trial(
            TrialRecord(
                flight.request, flight.proposal, outcome, self._elapsed(), known,
                verdict.detail, verdict.checked, {} if known else verdict.samples,
            )
        )  # fmt: skip


def _failure_kind(error: ColtError) -> str:
    kinds = {PassCrashed: "crash", PassTimedOut: "timeout", PassOutOfMemory: "out of memory"}
    return next((name for kind, name in kinds.items() if isinstance(error, kind)), "invalid")
