"""The time of an answer, with a clock and a model that are made up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks import answer_speed
from colt_llvm.models.base import Answer, ModelSpec, Prompt
from colt_llvm.models.question import Question, State


class _Counting:
    spec = ModelSpec("counting", "random", 1.0)

    def __init__(self) -> None:
        self.asked: list[int] = []

    def ask(self, prompt: Prompt, timeout_seconds: float) -> Answer:
        self.asked.append(prompt.question.request_id)
        return Answer("{}")

    def close(self) -> None:
        pass


def a_prompt(number: int) -> Prompt:
    return Prompt(Question(number, 0, "expand", "counting", "size", "", "", State((), 0.0)), tuple)


def clock(took: list[float]) -> Iterator[float]:
    """Readings before and after each of these."""
    for seconds in took:
        yield from (0.0, seconds)


def test_the_fastest_of_each_question_and_the_mean_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_speed, "_ROUNDS", 2)
    readings = clock([1.0, 8.0, 3.0, 4.0])
    monkeypatch.setattr(answer_speed.time, "perf_counter", lambda: next(readings))
    model = _Counting()
    assert answer_speed.ask_all(model, [a_prompt(1), a_prompt(2)]) == ((1.0 + 4.0) / 2, 16.0 / 4)
    assert model.asked == [1, 2, 1, 2]
