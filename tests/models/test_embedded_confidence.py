"""How sure embedded models say that they are."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from colt_llvm.llvm.catalogue import load_catalogue
from colt_llvm.models.base import Prompt
from colt_llvm.models.embedded import SPECS, load
from colt_llvm.models.embedded.policy import confidence, own_rate, relative_gain
from colt_llvm.models.question import Offer, Question, State

PROGRAM = {"TotalInstsCount": 900.0, "LoadCount": 120.0, "CallCount": 40.0, "BrCount": 160.0, "TotalBlocksCount": 180.0}


def a_question(**changes: Any) -> Question:
    question = Question(
        request_id=7, seed=3, kind="expand", acting="m", objective="size", baseline="", cpu="", state=State((), 0.0),
        passes=tuple(load_catalogue(22).names()), edits=("without<licm>", "without<gvn>"), program=PROGRAM,
        offers=tuple(Offer(spec.name, spec.parameters) for spec in SPECS.values()),
    )  # fmt: skip
    return replace(question, **changes)


def test_the_own_rate_is_smoothed_by_six_calls_of_one_in_four() -> None:
    assert own_rate(a_question(), "embedded/nano") == 0.25
    assert own_rate(a_question(), "no offer") == 0.25
    offered = a_question(offers=(Offer("m", 1.0, 10, 0.9), Offer("other", 2.0, 99, 0.0)))
    assert own_rate(offered, "m") == pytest.approx((9 + 1.5) / 16)


def test_the_relative_gain_is_that_of_the_best_part() -> None:
    assert relative_gain([0.1, 0.3], [0.1, 0.3, 0.4]) == pytest.approx(0.75)
    assert relative_gain([0.0], [0.0, 0.0]) == 0.0
    assert relative_gain([], []) == 0.0


def test_the_chance_of_a_step_by_hand() -> None:
    odds = -2.28 + 0.04 * math.log(0.25 / 0.75) + 0.22 * 0.5
    assert confidence(a_question(), "m", 0.5) == round(1 / (1 + math.exp(-odds)), 3) == 0.099


def test_whole_sequences_promise_most_and_later_steps_least() -> None:
    whole = confidence(a_question(kind="seed"), "m", None)
    first, step = confidence(a_question(kind="seed"), "m", 1.0), confidence(a_question(), "m", 1.0)
    assert whole > first > step


@pytest.mark.parametrize("relative", [None, 0.0, 1.0])
@pytest.mark.parametrize("kind", ["seed", "expand", "correct"])
def test_a_model_that_hits_more_is_surer_and_none_is_certain(kind: str, relative: float | None) -> None:
    def said(calls: int, rate: float) -> float:
        return confidence(a_question(kind=kind, offers=(Offer("m", 1.0, calls, rate),)), "m", relative)

    assert 0.0 < said(200, 0.0) < said(0, 0.0) < said(200, 1.0) < 1.0


def test_it_grows_with_the_relative_gain() -> None:
    said = [confidence(a_question(), "m", part / 4) for part in range(5)]
    assert said == sorted(set(said))


@pytest.mark.parametrize("name", list(SPECS))
def test_every_answer_has_one_of_at_most_three_digits(name: str) -> None:
    for number in range(20):
        question = a_question(request_id=number, kind=("seed", "expand")[number % 2])
        said = json.loads(load(name).ask(Prompt(question, tuple), 10.0).text)["confidence"]
        assert 0.0 < said < 1.0
        assert said == round(said, 3)
