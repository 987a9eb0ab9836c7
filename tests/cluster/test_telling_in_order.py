"""The loop tells in the order of asking, whoever answers first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from colt_llvm.evaluate.evaluation import Reference
from colt_llvm.evaluate.evaluators import Pool, ProgramEvaluator
from colt_llvm.evaluate.target import Built
from colt_llvm.models.base import NoMoreCalls
from colt_llvm.objectives.base import Objective
from colt_llvm.run.loop import Loop, LoopOptions
from colt_llvm.run.trials import TrialRecord
from colt_llvm.search import DrawOptions, Model, Outcome, Proposal, RandomProposer, Request
from colt_llvm.search.colt import ColtSearch
from colt_llvm.search.options import ColtOptions

PASSES = [f"p{number}" for number in range(12)]
BASELINE = {"instructions": 1000.0, "size": 1000.0, "text": 900.0}


class Turns:
    """Lets builds end in an order that ``shuffle`` decides: each waits until some others have ended."""

    def __init__(self, late: Callable[[tuple[str, ...]], bool]) -> None:
        self._late = late
        self._others = threading.Event()

    def build(self, sequence: tuple[str, ...]) -> Built:
        if self._late(sequence):
            self._others.wait(0.01)
        else:
            self._others.set()
        value = 1000 - sum(PASSES.index(name) * (place + 1) for place, name in enumerate(sequence)) % 97
        return Built(str(value), value)


class Proposer:
    def __init__(self, seed: int) -> None:
        self._random = RandomProposer(PASSES, [Model("m", 1.0)], seed, DrawOptions(1, 2))

    def prepare(self, request: Request) -> Callable[[], Proposal]:
        return lambda: self._random.propose(request)

    def observe(self, request: Request, proposal: Proposal, outcome: Outcome) -> None: ...


def evaluator(*builders: Any) -> ProgramEvaluator:
    return ProgramEvaluator(Pool(builders), None, Reference(Objective("instructions"), BASELINE, "root"))


def trials(late: Callable[[tuple[str, ...]], bool], builders: int, in_flight: int, in_order: bool = True) -> list[Any]:
    search = ColtSearch([Model("m", 1.0)], ColtOptions(), 7)
    told: list[TrialRecord] = []
    loop = Loop(
        search, Proposer(7), evaluator(*[Turns(late) for _ in range(builders)]), told.append,
        LoopOptions(in_flight, in_order),
    )  # fmt: skip
    loop.run(trials=60, seconds=None)
    return [(trial.request, trial.proposal, trial.outcome, trial.known, trial.outcome.checked) for trial in told]


def test_the_same_trials_whoever_answers_first_and_however_many_build() -> None:
    expected = trials(lambda sequence: False, builders=1, in_flight=6)
    assert [request.id for request, *_ in expected] == list(range(60))
    assert trials(lambda sequence: hash(sequence) % 3 == 0, builders=4, in_flight=6) == expected
    assert trials(lambda sequence: hash(sequence) % 3 == 1, builders=6, in_flight=6) == expected


def test_with_one_in_flight_the_order_is_the_same_anyhow() -> None:
    in_order = trials(lambda sequence: False, builders=1, in_flight=1)
    assert in_order == trials(lambda sequence: False, builders=1, in_flight=1, in_order=False)


class Slow:
    """A strategy's double: hands out five requests, and writes down what happens to each."""

    def __init__(self) -> None:
        self.asked = 0
        self.told: list[int] = []
        self.abandoned: list[int] = []

    def set_root_key(self, key: str) -> None: ...

    def ask(self) -> Request | None:
        self.asked += 1
        return Request(self.asked - 1, 0, (), "m", "expand")

    def tell(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        self.told.append(request.id)

    def abandon(self, request: Request) -> None:
        self.abandoned.append(request.id)

    def restore(self, request: Request, proposal: Proposal, outcome: Outcome) -> None: ...

    def best(self) -> None: ...


def test_what_has_landed_behind_a_request_that_is_taken_back_is_told() -> None:
    class Refusing(Proposer):
        def prepare(self, request: Request) -> Callable[[], Proposal]:
            def answer() -> Proposal:
                if request.id == 1:
                    raise NoMoreCalls("spent")
                return Proposal((str(request.id),), "m", "m")

            return answer

    class Plain:
        def build(self, sequence: tuple[str, ...]) -> Built:
            return Built("-".join(sequence), 10)

    search = Slow()
    loop = Loop(search, Refusing(0), evaluator(Plain(), Plain()), lambda trial: None, LoopOptions(4, in_order=True))
    loop.run(trials=4, seconds=None)
    assert search.abandoned == [1]
    assert search.told == sorted(search.told)
    assert 0 in search.told
    assert loop.ended_because is not None


def test_a_builders_error_that_is_no_pass_failure_ends_the_run() -> None:
    class Broken:
        def build(self, sequence: tuple[str, ...]) -> Built:
            raise ConnectionError("gone")

    loop = Loop(Slow(), Proposer(1), evaluator(Broken()), lambda trial: None, LoopOptions(2, in_order=True))
    with pytest.raises(ConnectionError):
        loop.run(trials=4, seconds=None)
