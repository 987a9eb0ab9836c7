"""Which models keep what they learned."""

from __future__ import annotations

import numpy as np
import pytest

from colt_llvm.models.embedded import SPECS
from colt_llvm.training.train import _chosen
from colt_llvm.training.validation import Comparison, LearningCurve, validations

NANO, SMALL, BASE = SPECS


def curve(*best: float) -> LearningCurve:
    return LearningCurve((0.0, *best), {})


def compared(model: str, objective: str, old: LearningCurve, new: LearningCurve) -> Comparison:
    return Comparison(model, "p", objective, (old,), (new,))


def test_a_course_counts_what_was_found_early() -> None:
    assert curve(0.2, 0.2).mean > curve(0.0, 0.2).mean
    assert curve(0.1, 0.3).mean == pytest.approx(0.2)


def test_who_gets_worse_under_one_objective_is_not_kept() -> None:
    low, high = curve(0.0, 0.1), curve(0.1, 0.1)
    found = validations(
        [
            compared(NANO, "size", low, high), compared(NANO, "instructions", low, low),
            compared(SMALL, "size", low, high), compared(SMALL, "instructions", high, low),
            compared(BASE, "size", high, low),
        ]
    )  # fmt: skip
    assert {one.model: one.kept for one in found} == {NANO: True, SMALL: False, BASE: False}
    assert found[0].figures["size"].new_mean > found[0].figures["size"].old_mean


def test_programs_and_seeds_are_taken_together() -> None:
    low, high = curve(0.0, 0.1), curve(0.1, 0.1)
    mixed = [Comparison(NANO, "p", "size", (low, high), (high, high)), Comparison(NANO, "q", "size", (high,), (low,))]
    assert validations(mixed)[0].kept, "level, all in all"


def test_a_model_that_is_not_kept_has_its_old_numbers() -> None:
    old = {name: np.zeros(1) for name in ("nano_gain", "small_gain", "small_rewards", "base_gain", "actions")}
    new = {name: np.ones(1) for name in old}
    low, high = curve(0.0), curve(0.1)
    decided = validations(
        [compared(NANO, "size", low, high), compared(SMALL, "size", high, low), compared(BASE, "size", low, low)]
    )
    arrays = _chosen(old, new, decided)
    assert {name: float(array[0]) for name, array in arrays.items()} == {
        "nano_gain": 1.0, "small_gain": 0.0, "small_rewards": 0.0, "base_gain": 1.0, "actions": 0.0,
    }  # fmt: skip
