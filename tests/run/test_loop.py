"""The loop, with doubles in every slot: no compiler, no program, no luck."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from colt_llvm.core.errors import ColtError, PassCrashed, PassError, PassOutOfMemory, PassTimedOut, RunDirectoryError
from colt_llvm.evaluate.evaluation import Evaluation, Reference
from colt_llvm.evaluate.evaluators import Pool, ProgramEvaluator, RecordedEvaluator, examiner_of
from colt_llvm.evaluate.target import Built
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.measure.intervals import Interval
from colt_llvm.measure.rounds import TrialMeasurement
from colt_llvm.models.base import NoMoreCalls
from colt_llvm.objectives.base import Objective
from colt_llvm.run.loop import Loop, LoopOptions
from colt_llvm.run.trials import TrialRecord
from colt_llvm.search import Outcome, Proposal, Request

BASELINE = {"size": 100.0, "text": 90.0, "instructions": 50.0, "runtime": 1.0}


@dataclass
class Strategy:
    """Hands out ``limit`` requests from the root, and writes down what it is told."""

    limit: int = 10**9
    asked: list[int] = field(default_factory=list)
    told: list[tuple[int, Outcome]] = field(default_factory=list)
    abandoned: list[int] = field(default_factory=list)
    most_pending: int = 0

    def set_root_key(self, key: str) -> None: ...

    def ask(self) -> Request | None:
        if len(self.asked) == self.limit:
            return None
        request = Request(len(self.asked), 0, (), "m", "expand")
        self.asked.append(request.id)
        pending = len(self.asked) - len(self.told) - len(self.abandoned)
        self.most_pending = max(self.most_pending, pending)
        return request

    def tell(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        self.told.append((request.id, outcome))

    def abandon(self, request: Request) -> None:
        self.abandoned.append(request.id)

    def restore(self, request: Request, proposal: Proposal, outcome: Outcome) -> None: ...

    def best(self) -> None:
        return None

    @property
    def outcomes(self) -> dict[int, Outcome]:
        return dict(self.told)


class Proposer:
    """The passes say which request they are for."""

    def prepare(self, request: Request) -> Callable[[], Proposal]:
        return lambda: Proposal((str(request.id),), "m", "m")

    def observe(self, request: Request, proposal: Proposal, outcome: Outcome) -> None: ...


class Builder:
    """``make(number)`` gives what request ``number`` builds, or raises."""

    def __init__(self, make: Callable[[int], Built]) -> None:
        self._make = make
        self._busy = threading.Lock()
        self.built: list[int] = []

    def build(self, sequence: Sequence[str]) -> Built:
        assert self._busy.acquire(blocking=False), "one thread at a time uses a builder"
        try:
            self.built.append(int(sequence[-1]))
            return self._make(int(sequence[-1]))
        finally:
            self._busy.release()


class FakeTimer:
    """Programs are known by their object code; ``wrong`` ones differ from the baseline."""

    core = None
    verifier = property(lambda self: self)

    def __init__(self, folder: Path, wrong: Mapping[bytes, str] | None = None, quick: bool = True) -> None:
        self.folder = folder
        self.wrong = wrong or {}
        self.quick = quick  # whether all workloads are cheap, so that every check is a full one
        self.checks: list[tuple[bytes, bool]] = []
        self.ratios: dict[bytes, float] = {}
        self.threads: set[int] = set()

    def link(self, objects: Sequence[bytes], name: str) -> Path:
        path = self.folder / name
        path.write_bytes(objects[0])
        return path

    def discard(self, executable: Path) -> None:
        executable.unlink(missing_ok=True)

    def check(self, executable: Path, *, thorough: bool, core: int | None = None) -> bool:
        code = executable.read_bytes()
        self.checks.append((code, thorough))
        if code in self.wrong:
            raise Miscompiled(self.wrong[code])
        return thorough or self.quick

    def measure(self, executable: Path, best_ratio: float | None, seed: int) -> TrialMeasurement:
        self.threads.add(threading.get_ident())
        ratio = self.ratios.get(executable.read_bytes(), 1.0)
        return TrialMeasurement((1 / ratio,), (1.0,), (), Interval(ratio, ratio, ratio, 0.95, 1), False)


def built(size: int, key: str | None = None) -> Built:
    text = str(size).encode()
    return Built(key or f"key-{size}", size // 2, (text,), size, size - 10)


class Run:
    """A loop with its doubles, and the trials that came of it."""

    def __init__(
        self, folder: Path, make: Callable[[int], Built], *, objective: str = "size", builders: int = 1,
        timer: FakeTimer | None = None, limit: int = 10**9, recorded: Mapping[str, Evaluation] | None = None,
        known: Mapping[str, Evaluation] | None = None, proposer: Any = None,
        clock: Callable[[], float] = time.monotonic, **options: Any,
    ) -> None:  # fmt: skip
        self.strategy, self.trials = Strategy(limit), list[TrialRecord]()
        self.builders = [Builder(make) for _ in range(builders)]
        self.timer = timer or FakeTimer(folder)
        reference = Reference(Objective(objective), BASELINE, "")
        lanes = 1 if reference.objective.timed else builders
        evaluator = ProgramEvaluator(Pool(self.builders), examiner_of(self.timer), reference, lanes=lanes)  # type: ignore[arg-type]
        self.loop = Loop(
            self.strategy, proposer or Proposer(), RecordedEvaluator(evaluator, recorded or {}), self.trials.append,
            LoopOptions(**options), clock,
        )  # fmt: skip
        self.loop.known.update(known or {})

    def go(self, trials: int | None = None, seconds: float | None = None, **more: Any) -> Run:
        self.loop.run(trials=trials, seconds=seconds, **more)
        return self


# --- one after another


def test_each_trial_is_asked_built_verified_and_told_in_turn(tmp_path: Path) -> None:
    run = Run(tmp_path, lambda number: built(100 - number)).go(trials=5)
    assert run.strategy.asked == [number for number, _ in run.strategy.told] == [0, 1, 2, 3, 4]
    assert [trial.request.id for trial in run.trials] == [0, 1, 2, 3, 4]
    assert run.strategy.most_pending == 1
    for number, outcome in run.strategy.told:
        assert outcome.reward == pytest.approx(math.log(100 / (100 - number)))
        assert outcome.key == f"key-{100 - number}"
        assert outcome.figures == {"size": 100 - number, "text": 90 - number, "instructions": (100 - number) // 2}
    assert run.loop.best_reward == pytest.approx(math.log(100 / 96))
    assert [trial.sequence for trial in run.trials] == [("0",), ("1",), ("2",), ("3",), ("4",)]


def test_ends_when_the_strategy_has_no_more(tmp_path: Path) -> None:
    assert len(Run(tmp_path, lambda number: built(100 - number), limit=3).go().trials) == 3


def test_nothing_is_left_in_the_verifiers_folder(tmp_path: Path) -> None:
    Run(tmp_path, lambda number: built(100 - number), in_flight=3, builders=2).go(trials=9)
    assert list(tmp_path.iterdir()) == []


def test_object_code_that_is_known_is_not_verified_again(tmp_path: Path) -> None:
    timer = FakeTimer(tmp_path, {b"98": "differs"})
    run = Run(tmp_path, lambda number: built(99 - number % 2), timer=timer).go(trials=6)
    assert timer.checks == [(b"99", True), (b"98", True)]
    assert [trial.known for trial in run.trials] == [False, False, True, True, True, True]
    assert [trial.outcome.failure for trial in run.trials] == [None, "miscompile"] * 3
    assert [trial.outcome.key for trial in run.trials] == ["key-99", "key-98"] * 3


def test_what_is_known_of_the_baseline_costs_nothing(tmp_path: Path) -> None:
    timer = FakeTimer(tmp_path)
    known = {"root": Evaluation(0.0, "root", None, BASELINE, checked=True)}
    run = Run(tmp_path, lambda _: built(100, "root"), timer=timer, known=known).go(trials=3)
    assert timer.checks == []
    assert all(trial.known and trial.outcome.reward == 0 for trial in run.trials)


# --- failures


@pytest.mark.parametrize(
    ("error", "kind"),
    [(PassCrashed, "crash"), (PassTimedOut, "timeout"), (PassOutOfMemory, "out of memory"), (PassError, "invalid")],
)
def test_a_pass_that_fails_costs_its_trial_only(tmp_path: Path, error: type[ColtError], kind: str) -> None:
    def make(number: int) -> Built:
        if number % 2:
            raise error(f"request {number}: no")
        return built(100 - number)

    run = Run(tmp_path, make).go(trials=4)
    assert [trial.outcome.failure for trial in run.trials] == [None, kind, None, kind]
    assert [trial.outcome.key is None for trial in run.trials] == [False, True, False, True]
    assert [trial.outcome.reward is None for trial in run.trials] == [False, True, False, True]
    assert run.trials[1].outcome.detail == "request 1: no"


def test_a_wrong_program_is_told_as_a_failure_whatever_its_size(tmp_path: Path) -> None:
    timer = FakeTimer(tmp_path, {b"1": "line 3 differs"})
    run = Run(tmp_path, lambda number: built([90, 1, 95][number]), timer=timer).go(trials=3)
    assert [trial.outcome.failure for trial in run.trials] == [None, "miscompile", None]
    assert run.trials[1].outcome.reward is None
    assert run.trials[1].outcome.detail == "line 3 differs"
    assert run.loop.best_reward == pytest.approx(math.log(100 / 90))


def test_an_error_that_is_no_trials_own_ends_the_run(tmp_path: Path) -> None:
    def make(number: int) -> Built:
        if number == 3:
            raise RunDirectoryError("the disk is full")
        return built(100 - number)

    run = Run(tmp_path, make, in_flight=2, builders=2)
    with pytest.raises(RunDirectoryError, match="the disk is full"):
        run.go(trials=20)
    assert len(run.strategy.asked) < 20


# --- no best without a full check


def test_only_what_would_be_the_best_is_checked_fully(tmp_path: Path) -> None:
    timer = FakeTimer(tmp_path, quick=False)
    run = Run(tmp_path, lambda number: built([95, 97, 90, 92, 110][number]), timer=timer).go(trials=5)
    assert timer.checks == [(b"95", True), (b"97", False), (b"90", True), (b"92", False), (b"110", False)]
    assert [trial.outcome.checked for trial in run.trials] == [True, False, True, False, False]


def test_what_was_half_checked_before_is_checked_when_it_would_be_the_best(tmp_path: Path) -> None:
    timer = FakeTimer(tmp_path, {b"90": "differs in the long run"}, quick=False)
    # as a journal says that was resumed
    known = {"key-90": Evaluation(math.log(100 / 90), "key-90", None, {"size": 90.0}, checked=False)}
    run = Run(tmp_path, lambda _: built(90), timer=timer, known=known).go(trials=2)
    assert timer.checks == [(b"90", True)]
    assert [trial.outcome.failure for trial in run.trials] == ["miscompile", "miscompile"]


# --- several at once


def test_no_more_than_asked_for_is_under_way(tmp_path: Path) -> None:
    run = Run(tmp_path, lambda number: built(100 - number), in_flight=3, builders=2).go(trials=30)
    assert run.strategy.most_pending == 3
    assert sorted(trial.request.id for trial in run.trials) == list(range(30))
    assert [trial.request.id for trial in run.trials] == [number for number, _ in run.strategy.told]
    assert sorted(number for builder in run.builders for number in builder.built) == list(range(30))


def test_a_slow_candidate_does_not_hold_up_the_others(tmp_path: Path) -> None:
    gate = threading.Event()

    def make(number: int) -> Built:
        if number == 0:
            assert gate.wait(20)
        if number == 5:
            gate.set()
        return built(100 - number)

    run = Run(tmp_path, make, in_flight=2, builders=2).go(trials=8)
    order = [trial.request.id for trial in run.trials]
    assert order.index(0) > order.index(4)
    assert sorted(order) == list(range(8))


def test_one_thread_alone_measures_times(tmp_path: Path) -> None:
    timer = FakeTimer(tmp_path)
    timer.ratios = {b"97": 1.25, b"95": 0.5}
    run = Run(tmp_path, lambda number: built(99 - number), objective="runtime", timer=timer, in_flight=4, builders=3)
    run.go(trials=8)
    assert len(timer.threads) == 1
    outcomes = run.strategy.outcomes
    assert outcomes[2].figures["runtime"] == pytest.approx(0.8)
    assert outcomes[2].reward == pytest.approx(math.log(1.25))
    assert outcomes[4].reward == pytest.approx(math.log(0.5))
    assert math.exp(run.loop.best_reward) == pytest.approx(1.25)


def test_instructions_alone_need_no_program(tmp_path: Path) -> None:
    timer = FakeTimer(tmp_path)
    run = Run(tmp_path, lambda n: Built(f"ir-{n}", 50 - n), objective="instructions", timer=timer).go(trials=3)
    assert timer.checks == []
    assert [trial.outcome.figures for trial in run.trials] == [{"instructions": 50 - n} for n in range(3)]
    assert not any(trial.outcome.checked for trial in run.trials)


# --- the end


def test_stops_when_it_is_told_to_and_takes_back_what_is_under_way(tmp_path: Path) -> None:
    stop, gate = threading.Event(), threading.Event()

    def make(number: int) -> Built:
        if number == 4:
            stop.set()
        if number >= 4:
            gate.wait(0.2)
        return built(100 - number)

    run = Run(tmp_path, make, in_flight=2, builders=2).go(stop=stop)
    told = [number for number, _ in run.strategy.told]
    assert sorted(told + run.strategy.abandoned) == run.strategy.asked
    assert run.strategy.abandoned
    assert len(run.strategy.asked) < 12


def test_a_run_that_is_stopped_beforehand_asks_for_nothing(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert Run(tmp_path, lambda number: built(100 - number)).go(trials=5, stop=stop).strategy.asked == []


def test_ends_after_its_time_the_part_before_included(tmp_path: Path) -> None:
    now = [1000.0]

    def make(number: int) -> Built:
        now[0] += 1.0
        return built(100 - number % 50, f"key-{number}")

    run = Run(tmp_path, make, clock=lambda: now[0]).go(seconds=10.0)
    assert 8 <= len(run.trials) <= 10
    assert run.trials[0].seconds == pytest.approx(1.0)
    now[0] = 5000.0
    resumed = Run(tmp_path, make, clock=lambda: now[0]).go(seconds=10.0, elapsed=7.0)
    assert len(resumed.trials) <= 3
    assert resumed.trials[0].seconds == pytest.approx(8.0)


def test_what_an_earlier_part_knew_is_known(tmp_path: Path) -> None:
    first = Run(tmp_path, lambda number: built(95 + number)).go(trials=2)
    timer = FakeTimer(tmp_path)
    second = Run(tmp_path, lambda _: built(95), timer=timer)
    second.loop.resume(first.trials)
    assert second.loop.best_reward == pytest.approx(math.log(100 / 95))
    second.go(trials=1)
    assert timer.checks == []
    assert second.trials[0].known


class LimitedProposer(Proposer):
    """Answers ``most`` requests; then there is nothing left to spend."""

    def __init__(self, most: int) -> None:
        self._left = most

    def prepare(self, request: Request) -> Callable[[], Proposal]:
        self._left -= 1
        spent = self._left < 0

        def answer() -> Proposal:
            if spent:
                raise NoMoreCalls("the budget is spent")
            return Proposal((str(request.id),), "m", "m")

        return answer


@pytest.mark.parametrize("in_flight", [1, 3])
def test_a_spent_budget_ends_the_search_when_what_is_under_way_has_ended(tmp_path: Path, in_flight: int) -> None:
    run = Run(tmp_path, lambda number: built(99 - number), in_flight=in_flight, proposer=LimitedProposer(7))
    run.go()
    assert sorted(run.strategy.outcomes) == list(range(7)), "every answer that was had is used"
    assert set(run.strategy.abandoned) == set(run.strategy.asked) - set(range(7)) != set()
    assert str(run.loop.ended_because) == "the budget is spent"


def test_what_another_run_measured_is_taken_in_place_of_measuring(tmp_path: Path) -> None:
    run = Run(tmp_path, lambda number: built(80, key="known there"), in_flight=1, recorded={
        "known there": Evaluation(
            math.log(2), "known there", None, {"size": 50.0, "text": 40.0, "instructions": 9.0}, checked=True
        ),
    })  # fmt: skip
    run.go(trials=2)
    assert run.timer.checks == []
    assert [trial.outcome.figures["size"] for trial in run.trials] == [50.0, 50.0]
    assert [trial.known for trial in run.trials] == [False, True]
