"""Our own strategies pass the suite that ships for those of others; strategies with a mistake do not."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from colt_llvm.search import Outcome, SequenceSearch
from colt_llvm.search.registry import find_strategy
from colt_llvm.search.strategy import OwnStrategy, Task
from colt_llvm.testing import StrategySuite


class Named(StrategySuite):
    name = ""

    def make(self, task: Task) -> OwnStrategy:
        strategy, algorithm = find_strategy(self.name)
        return strategy.made(task, algorithm)


class TestRandom(Named):
    name = "random"


class TestGreedy(Named):
    name = "greedy"


class TestGenetic(Named):
    name = "genetic"


class TestRandomTree(Named):
    name = "mcts"


class TestNevergrad(Named):
    name = "nevergrad:DiscreteOnePlusOne"
    trials = 16

    def tasks(self) -> Iterator[Task]:
        pytest.importorskip("nevergrad")
        return itertools.islice(super().tasks(), 1)


class TestOptuna(Named):
    name = "optuna:RandomSampler"
    trials = 16

    def tasks(self) -> Iterator[Task]:
        pytest.importorskip("optuna")
        return itertools.islice(super().tasks(), 1)


class Right(SequenceSearch):
    """Climbs."""

    def __init__(self, task: Task) -> None:
        super().__init__("right", task.actions, task.seed)
        self.here: tuple[str, ...] = ()
        self.reward = 0.0

    def _choose(self, request_id: int, random: Random) -> tuple[str, ...]:
        return self.actions.tidy([*self.here, self.actions.draw(random)])

    def _learn(self, request_id: int, sequence: tuple[str, ...], outcome: Outcome) -> None:
        if outcome.reward is not None and outcome.reward > self.reward:
            self.here, self.reward = sequence, outcome.reward


class DrawsOfItsOwn(Right):
    def _choose(self, request_id: int, random: Random) -> tuple[str, ...]:
        return super()._choose(request_id, Random())


class LearnsFromObserve(Right):
    """What is told twice is learned once, but a restored search that learns by another way knows nothing."""

    def restore(self, request: Any, proposal: Any, outcome: Any) -> None:
        here, reward = self.here, self.reward
        super().restore(request, proposal, outcome)
        self.here, self.reward = here, reward


class TakesItForGranted(Right):
    def _learn(self, request_id: int, sequence: tuple[str, ...], outcome: Outcome) -> None:
        assert outcome.reward is not None
        super()._learn(request_id, sequence, outcome)


class CountsAgain(Right):
    def tell(self, request: Any, proposal: Any, outcome: Any) -> None:
        super().tell(request, proposal, outcome)
        self._learn(request.id, proposal.passes, outcome)


class Invents(Right):
    def _choose(self, request_id: int, random: Random) -> tuple[str, ...]:
        return ("beauty", *super()._choose(request_id, random))


class Forgets(Right):
    def best(self) -> None:
        return None


class AsksAgain(Right):
    again: int | None = None

    def abandon(self, request: Any) -> None:
        super().abandon(request)
        self.again = request.id

    def ask(self) -> Any:
        if self.again is not None:
            self._in_flight.next_id, self.again = self.again, None
        return super().ask()


class RaisesWhileBusy(Right):
    def ask(self) -> Any:
        assert not self._in_flight.pending
        return super().ask()


class AnswersInOneThread(Right):
    def prepare(self, request: Any) -> Any:
        return lambda: self.propose(request) if threading.current_thread() is threading.main_thread() else None


def suite_of(kind: type[Right]) -> StrategySuite:
    class Suite(StrategySuite):
        def make(self, task: Task) -> OwnStrategy:
            return kind(task)

    return Suite()


TESTS = sorted(name for name in vars(StrategySuite) if name.startswith("test_"))


@pytest.mark.parametrize("name", TESTS)
def test_a_strategy_without_a_mistake_passes(name: str) -> None:
    getattr(suite_of(Right), name)()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (DrawsOfItsOwn, "test_repeats_from_its_seed"),
        (LearnsFromObserve, "test_goes_on_after_a_journal"),
        (TakesItForGranted, "test_survives_failures"),
        (CountsAgain, "test_telling_twice_is_harmless"),
        (Invents, "test_proposes_actions_of_the_task"),
        (Forgets, "test_the_best_is_the_best_that_was_told"),
        (AsksAgain, "test_what_is_abandoned_is_as_if_it_had_not_been_asked"),
        (RaisesWhileBusy, "test_many_may_be_in_flight"),
        (AnswersInOneThread, "test_a_proposal_may_be_made_in_another_thread"),
    ],
)
def test_each_mistake_is_found(kind: type[Right], name: str) -> None:
    with pytest.raises(AssertionError):
        getattr(suite_of(kind), name)()
