"""The loop: ask the strategy, propose, evaluate, tell. Every trial is in the journal before the next.

Each request has a thread, so models think side by side while others are evaluated; without ``threads`` all
happens in the caller's own. With one request in flight everything happens in turn, and a run repeats from its seed.
With several it does where the strategy is told in the order of asking (``in_order``), and nothing is measured that
differs from run to run: then it does not matter who answers first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any, Protocol

from colt_llvm.evaluate.evaluation import Evaluation, Evaluator, Standing
from colt_llvm.models.base import NoMoreCalls
from colt_llvm.run.trials import TrialRecord
from colt_llvm.search.early_stopping import EarlyStopping
from colt_llvm.search.protocol import Outcome, Proposal, Request, Strategy

_POLL_SECONDS = 0.1


class Proposer(Protocol):
    """Answers requests, and keeps up with what the search is told."""

    def prepare(self, request: Request) -> Callable[[], Proposal]:
        """Note how the search stands now, in its own thread. The answer is then called in another one.

        It may raise NoMoreCalls: then the search ends when what is under way has ended.
        """

    def observe(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Take in a trial after the search was told of it, in the order of telling."""


@dataclass(frozen=True)
class LoopOptions:
    """How a loop goes."""

    in_flight: int = 1  # requests under way at once
    in_order: bool = False  # tell in the order of asking; a slow candidate then holds up those behind it
    stop_below_percent: float = 0.0  # end once doubling the trials gained less (``search.early_stopping``); 0: do not
    threads: bool = True  # each request in one of its own; else all in the caller's, where an interrupt reaches it


class _InTurn(Executor):
    """Has done what it is given before ``submit`` returns."""

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass
class _Flight:
    """A request on its way."""

    request: Request
    standing: Standing  # when it was asked for
    proposal: Proposal | None = None  # once it was answered
    evaluation: Evaluation | None = None  # once only telling is left


class Loop:
    """One search. on_trial: called with each trial, in the order in which the strategy is told.

    known: object key -> what is known of it; what would be the best so far is known only once it was checked in full.
    ended_because: what the proposer had no more of, where that ended the search.
    """

    def __init__(
        self,
        strategy: Strategy,
        proposer: Proposer,
        evaluator: Evaluator,
        on_trial: Callable[[TrialRecord], None],
        options: LoopOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._strategy = strategy
        self._proposer = proposer
        self._evaluator = evaluator
        self._on_trial = on_trial
        self._options = options or LoopOptions()
        self._clock = clock
        percent = self._options.stop_below_percent
        self._stopping = EarlyStopping(percent) if percent else None
        self._over = threading.Event()
        self.known: dict[str, Evaluation] = {}
        self.best_reward = 0.0
        self.ended_because: NoMoreCalls | None = None
        if evaluator.baseline is not None:
            key = str(evaluator.baseline.key)
            strategy.set_root_key(key)
            self.known[key] = evaluator.baseline

    def resume(self, trials: Iterable[TrialRecord]) -> None:
        """Take in the trials of an earlier part of the run, in the order of its journal."""
        for trial in trials:
            self._strategy.restore(trial.request, trial.proposal, trial.outcome)
            self._proposer.observe(trial.request, trial.proposal, trial.outcome)
            if trial.outcome.key is not None:
                self.known[trial.outcome.key] = replace(trial.outcome, samples={})
            self._count(trial.outcome)

    def run(
        self, *, trials: int | None, seconds: float | None, elapsed: float = 0.0, stop: threading.Event | None = None
    ) -> None:
        """Until ``trials`` more are done, ``seconds`` since the start (``elapsed`` of them gone) or ``stop``.

        Before that where the search stops early, or the proposer has no more. Once: the evaluator is closed at the end.
        """
        self._started = self._clock() - elapsed
        stop = stop or threading.Event()
        self._left = trials
        self._queue: list[_Flight] = []
        flights: dict[Future[Evaluation], _Flight] = {}
        with ThreadPoolExecutor(self._options.in_flight, "trial") if self._options.threads else _InTurn() as threads:
            try:
                while True:
                    over = self._stops or stop.is_set() or (seconds is not None and self._elapsed() >= seconds)
                    if not over:
                        self._fill(flights, threads)
                    if not self._queue:
                        return
                    if over:
                        self._wind_up()
                        return
                    done, _ = wait(flights, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
                    # In the order of asking, so that equal timing gives equal order.
                    for future in sorted(done, key=lambda future: flights[future].request.id):
                        if not self._stops:
                            self._land(flights.pop(future), future)
                    while self._options.in_order and self._queue and self._queue[0].evaluation and not self._stops:
                        self._conclude(self._queue[0])
                        self._fill(flights, threads)
            finally:
                self._over.set()
                for future in flights:
                    future.cancel()
                self._evaluator.close()

    @property
    def why_it_stopped(self) -> str:
        """In a line, where the search stopped early; else empty."""
        return self._stopping.reason if self._stopping is not None and self._stopping.over else ""

    @property
    def _stops(self) -> bool:
        """Whether to stop at this very trial: what else is under way is told no more, whoever would be first."""
        return self._stopping is not None and self._stopping.over

    def _elapsed(self) -> float:
        return self._clock() - self._started

    def _fill(self, flights: dict[Future[Evaluation], _Flight], threads: Executor) -> None:
        """Ask for as many as may be under way."""
        most = self._options.in_flight
        while len(self._queue) < most and self._left != 0 and not (self.ended_because or self._stops):
            request = self._strategy.ask()
            if request is None:
                return
            if self._left is not None:
                self._left -= 1
            flight = _Flight(request, self._standing(request.id))
            self._queue.append(flight)
            flights[threads.submit(self._fly, self._proposer.prepare(request), flight)] = flight

    def _standing(self, number: int) -> Standing:
        """Where the order of telling must not depend on who is first, neither may what is checked.

        The best at asking is no better than that at telling, so nothing is checked less than it has to be.
        """
        at_asking = self.best_reward
        return Standing(number, lambda: at_asking if self._options.in_order else self.best_reward, self._known)

    def _known(self, key: str) -> Evaluation | None:
        """What will do in place of another evaluation."""
        found = self.known.get(key)
        return None if found is None or self._needs_check(found) else found

    def _needs_check(self, evaluation: Evaluation) -> bool:
        """Whether it would be the best so far without all its workloads having been checked."""
        return not evaluation.checked and evaluation.reward is not None and evaluation.reward > self.best_reward

    def _fly(self, answer: Callable[[], Proposal], flight: _Flight) -> Evaluation:
        """Runs in a thread."""
        flight.proposal = answer()
        if self._over.is_set():
            raise CancelledError
        return self._evaluator.evaluate(flight.request.sequence + flight.proposal.passes, flight.standing)

    def _land(self, flight: _Flight, future: Future[Evaluation]) -> None:
        try:
            flight.evaluation = future.result()
        except NoMoreCalls as reason:
            self.ended_because = reason
            self._abandon(flight)
            return
        if not self._options.in_order:
            self._conclude(flight)

    def _conclude(self, flight: _Flight) -> None:
        """Tell. Which of two with the same object code counts as known is settled here."""
        self._queue.remove(flight)
        evaluation, known = flight.evaluation, False
        assert evaluation is not None
        assert flight.proposal is not None
        if (key := evaluation.key) is not None:
            before = self.known.get(key)
            known = before is not None
            if before is not None and self._options.in_order and not self._needs_check(before):
                evaluation = replace(before, parts=evaluation.parts)
            self.known[key] = evaluation
        outcome = replace(evaluation, samples={}) if known else evaluation
        self._strategy.tell(flight.request, flight.proposal, outcome)
        self._count(outcome)
        self._proposer.observe(flight.request, flight.proposal, outcome)
        self._on_trial(TrialRecord(flight.request, flight.proposal, outcome, self._elapsed(), known))

    def _count(self, outcome: Outcome) -> None:
        if self._stopping is not None:
            self._stopping.tell(outcome.reward)
        if outcome.reward is not None:
            self.best_reward = max(self.best_reward, outcome.reward)

    def _wind_up(self) -> None:
        """Tell what has landed, but where no more is to be told, and take the rest back."""
        for flight in list(self._queue):
            if flight.evaluation is not None and not self._stops:
                self._conclude(flight)
            else:
                self._abandon(flight)

    def _abandon(self, flight: _Flight) -> None:
        self._queue.remove(flight)
        self._strategy.abandon(flight.request)
