"""Who differs: the candidate, or the program itself."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from colt_llvm.core.errors import NotRepeatable
from colt_llvm.measure.difference import Confirmation, Difference, Reruns, confirm

WRONG = Difference("output", "output line 1")
LENIENT = Difference("standard error", "standard error line 1", strict=False)


class Varies(NotRepeatable):
    """The baseline differed."""


def look(
    candidate: Callable[[], bool], baseline: Callable[[], bool] = lambda: False, *, first: Difference = WRONG,
    explained: Callable[[], bool] = lambda: False, agreed: int = 2, hangs: bool = False, seconds: float = 0.01,
) -> tuple[Confirmation, list[bool]]:  # fmt: skip
    now, pinned = [0.0], []

    def run_candidate() -> Difference | None:
        now[0] += seconds
        return first if candidate() else None

    def run_baseline(is_pinned: bool) -> None:
        now[0] += seconds
        pinned.append(is_pinned)
        if baseline():
            raise Varies("differs")

    found = confirm(
        first, Reruns(run_candidate, run_baseline, explained), agreed=agreed, hangs=hangs, clock=lambda: now[0]
    )
    return found, pinned


def test_a_candidate_that_always_differs_is_blamed_after_runs_of_the_baseline_pinned_and_not() -> None:
    found, pinned = look(lambda: True)
    assert found.fault == WRONG
    assert found.again == found.candidate_runs == found.baseline_runs == 5
    assert {True, False} == set(pinned)


def test_what_is_known_of_the_baseline_saves_runs() -> None:
    found, pinned = look(lambda: True, agreed=50)
    assert found.fault == WRONG
    assert pinned == [True, False]


def test_a_slow_program_is_not_run_for_ever() -> None:
    found, _ = look(lambda: True, seconds=20.0)
    assert found.fault == WRONG
    assert found.baseline_runs <= 3


def test_the_baselines_own_difference_ends_it() -> None:
    with pytest.raises(Varies):
        look(lambda: True, lambda: True)


def test_a_difference_that_does_not_come_again_is_nobodys() -> None:
    found, _ = look(lambda: False)
    assert found.fault is None
    assert found.again == 0


def test_a_candidate_that_differs_now_and_then_is_blamed_where_the_baseline_never_does() -> None:
    turns: Iterator[bool] = iter([True, False, False] * 20)
    found, _ = look(lambda: next(turns))
    assert found.fault == WRONG
    assert found.again == 10


def test_what_the_baseline_explains_is_looked_at_no_longer() -> None:
    found, pinned = look(lambda: False, first=LENIENT, explained=lambda: True)
    assert found.fault is None
    assert len(pinned) == 1


def test_a_candidate_that_never_ends_runs_once_more() -> None:
    runs = []
    found, pinned = look(lambda: not runs.append(1), hangs=True, seconds=30.0)  # type: ignore[func-returns-value]
    assert found.fault == WRONG
    assert len(runs) == 1
    assert pinned == [True, False]


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3, 0.5, 0.7])
def test_a_program_that_varies_by_itself_is_hardly_ever_blamed_on_a_candidate(rate: float) -> None:
    """Both differ at the same rate; the two runs of the baseline before the search happened to agree."""
    rng = random.Random(7)
    blamed = 0
    for _ in range(2000):
        try:
            found, _ = look(lambda: rng.random() < rate, lambda: rng.random() < rate)
        except Varies:
            continue
        blamed += found.fault is not None
    assert blamed <= 10
