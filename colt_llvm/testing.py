"""The suite that any strategy must pass: subclass it in a test module, and pytest runs it.

    from colt_llvm.testing import StrategySuite

    class TestAnnealing(StrategySuite):
        def make(self, task):
            return Annealing(task)

Nothing is compiled: outcomes come from :func:`landscape`, which is a function of the sequence alone. Our own
strategies pass it too.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from colt_llvm.search.protocol import Outcome, Proposal, Request
from colt_llvm.search.strategy import OwnStrategy, Task

__all__ = ["StrategySuite", "landscape"]

ROOT_KEY = "baseline"
#: One trial as a journal keeps it.
Told = tuple[Request, Proposal, Outcome]

_TASK = Task(
    "size", "clang -Oz", "cpu", tuple("abcdefgh"), ("without<a>", "without<b>", "noinline<f>"),
    {"TotalInstsCount": 90.0}, trials_wanted=60,
)  # fmt: skip
_FAILURES = ("crash", "miscompile", "timeout", "invalid")


def landscape(sequence: tuple[str, ...]) -> Outcome:
    """Some sequences fail, some give the same object as others, the empty one gives the baseline's.

    reward: below 0.4; it grows with how much of a hidden sequence is found in order, and falls with what is not needed.
    """
    if not sequence:
        return Outcome(0.0, ROOT_KEY, None, {"size": 1000.0})
    digest = hashlib.sha256(" ".join(sequence).encode()).digest()
    if digest[0] % 8 == 0:
        return Outcome(None, failure=_FAILURES[digest[1] % len(_FAILURES)])
    found = 0
    hidden = ("c", "a", "without<b>", "f")
    for name in sequence:
        found += found < len(hidden) and name == hidden[found]
    reward = 0.1 * found - 0.005 * (len(sequence) - found)
    return Outcome(reward, f"{found}/{len(sequence)}", None, {"size": 1000.0 * math.exp(-reward)})


class StrategySuite:
    """What a run relies on. A strategy fails it with an AssertionError that says what it did."""

    trials = 40  # in one search of a test

    def make(self, task: Task) -> OwnStrategy:
        """A new strategy; all of its randomness from ``task.seed``."""
        raise NotImplementedError("say how the strategy is made: def make(self, task)")

    def tasks(self) -> Iterator[Task]:
        """What it is tried on: passes and edits, passes alone, one pass alone."""
        yield _TASK
        yield replace(_TASK, edits=(), seed=7)
        yield replace(_TASK, passes=("c",), edits=(), trials_wanted=None)

    # The tests.

    def test_repeats_from_its_seed(self) -> None:
        for task in self.tasks():
            first, second = (_run(self._started(task), self.trials) for _ in range(2))
            assert first == second, f"two searches with seed {task.seed} differ: {_difference(first, second)}"

    def test_proposes_actions_of_the_task(self) -> None:
        for task in self.tasks():
            known = {*task.passes, *task.edits}
            for request, proposal, _ in _run(self._started(task), self.trials):
                odd = {*request.sequence, *proposal.passes} - known
                assert not odd, f"request {request.id}: proposes {sorted(odd)}, which are no actions of the task"

    def test_goes_on_after_a_journal(self) -> None:
        """``restore`` of what was told, in that order, and the search goes on as if it had never ended."""
        for task in self.tasks():
            whole = _run(self._started(task), self.trials)
            for kept in sorted({0, 1, len(whole) // 2, len(whole)}):
                strategy = self._started(task)
                for request, proposal, outcome in whole[:kept]:
                    strategy.restore(request, proposal, outcome)
                    strategy.observe(request, proposal, outcome)
                gone_on = whole[:kept] + _run(strategy, len(whole) - kept)
                assert gone_on == whole, f"after {kept} trials of a journal: {_difference(whole, gone_on)}"

    def test_survives_failures(self) -> None:
        for task in self.tasks():
            strategy = self._started(task)
            _run(strategy, 12, lambda sequence: Outcome(None, failure=_FAILURES[len(sequence) % len(_FAILURES)]))
            assert strategy.best() is None, f"best() is {strategy.best()} where every trial failed"
            told = _run(strategy, self.trials)
            assert told, "hands out nothing any more after twelve failures"

    def test_the_best_is_the_best_that_was_told(self) -> None:
        for task in self.tasks():
            strategy = self._started(task)
            assert strategy.best() is None, "has a best trial before any was told"
            rewards = [outcome.reward for _, _, outcome in _run(strategy, self.trials) if outcome.reward is not None]
            best = strategy.best()
            assert (best.reward if best else None) == max(rewards, default=None), f"best() is {best}"

    def test_telling_twice_is_harmless(self) -> None:
        for task in self.tasks():
            once = self._started(task)
            expected = _run(once, self.trials)
            twice = self._started(task)
            found: list[Told] = []
            for _ in expected:
                told = _step(twice, landscape)
                assert told is not None, f"hands out nothing any more after {len(found)} trials were told twice"
                twice.tell(told[0], told[1], Outcome(9.0, "told again"))
                found.append(told)
            assert found == expected, f"a trial that was told twice: {_difference(expected, found)}"
            assert twice.best() == once.best(), "what is told again changed the best trial"

    def test_what_is_abandoned_is_as_if_it_had_not_been_asked(self) -> None:
        """But for its id, which is never used again."""
        for task in self.tasks():
            strategy = self._started(task)
            _run(strategy, 5)
            request = strategy.ask()
            assert request is not None, "hands out nothing after five trials"
            proposal = strategy.prepare(request)()
            strategy.abandon(request)
            strategy.abandon(request)
            strategy.tell(request, proposal, Outcome(9.0, "too late"))
            best = strategy.best()
            assert best is None or best.reward < 9.0, "an outcome that was told after abandon() counts"
            ids = {told[0].id for told in _run(strategy, self.trials)}
            assert ids, "hands out nothing any more after abandon()"
            assert request.id not in ids, f"request {request.id} was abandoned, and its id is used again"

    def test_many_may_be_in_flight(self) -> None:
        """They are told in another order than asked; ``ask`` gives None only while one of them is pending."""
        for task in self.tasks():
            strategy = self._started(task)
            ids: list[int] = []
            for _ in range(self.trials // 4):
                flight: list[tuple[Request, Callable[[], Proposal]]] = []
                while len(flight) < 4 and (request := strategy.ask()) is not None:
                    flight.append((request, strategy.prepare(request)))
                ids += [request.id for request, _ in flight]
                for request, answer in reversed(flight):
                    _tell(strategy, request, answer(), landscape)
                if not flight:
                    break
            assert ids, "hands out nothing at all"
            assert len(set(ids)) == len(ids), f"ids are used twice: {ids}"

    def test_a_proposal_may_be_made_in_another_thread(self) -> None:
        for task in self.tasks():
            here, there = self._started(task), self._started(task)
            expected = _step(here, landscape)
            assert expected is not None, "hands out nothing at all"
            request = there.ask()
            assert request is not None
            answer, found = there.prepare(request), []
            thread = threading.Thread(target=lambda: found.append(answer()))  # noqa: B023
            thread.start()
            thread.join()
            assert found == [expected[1]], f"another thread is given {found}, this one {expected[1]}"

    def _started(self, task: Task) -> OwnStrategy:
        strategy = self.make(task)
        strategy.set_root_key(ROOT_KEY)
        return strategy


Evaluate = Callable[[tuple[str, ...]], Outcome]


def _run(strategy: OwnStrategy, trials: int, evaluate: Evaluate = landscape) -> list[Told]:
    """Up to so many trials, one in flight; fewer where the strategy is exhausted."""
    told: list[Told] = []
    while len(told) < trials and (one := _step(strategy, evaluate)) is not None:
        told.append(one)
    return told


def _step(strategy: OwnStrategy, evaluate: Evaluate) -> Told | None:
    request = strategy.ask()
    return None if request is None else _tell(strategy, request, strategy.prepare(request)(), evaluate)


def _tell(strategy: OwnStrategy, request: Request, proposal: Proposal, evaluate: Evaluate) -> Told:
    outcome = evaluate(request.sequence + proposal.passes)
    strategy.tell(request, proposal, outcome)
    strategy.observe(request, proposal, outcome)
    return request, proposal, outcome


def _difference(first: list[Told], second: list[Told]) -> str:
    """Where two searches part."""
    for number, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return f"trial {number} proposes {other[1].passes} at {other[0].sequence}, not {one[1].passes}"
    return f"{len(second)} trials in place of {len(first)}"
