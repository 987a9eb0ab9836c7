"""Which models keep what they learned."""

from __future__ import annotations

import numpy as np
import pytest

from colt_llvm.models.embedded import SPECS
from colt_llvm.training.learning_curves import Course
from colt_llvm.training.train import _chosen
from colt_llvm.training.validation import Comparison, verdicts

NANO, SMALL, BASE = SPECS


def course(*best: float) -> Course:
    return Course((0.0, *best), {})


def compared(model: str, objective: str, old: Course, new: Course) -> Comparison:
    return Comparison(model, "p", objective, (old,), (new,))


def test_a_course_counts_what_was_found_early() -> None:
    assert course(0.2, 0.2).mean > course(0.0, 0.2).mean
    assert course(0.1, 0.3).mean == pytest.approx(0.2)


def test_who_gets_worse_under_one_objective_is_not_kept() -> None:
    low, high = course(0.0, 0.1), course(0.1, 0.1)
    found = verdicts(
        [
            compared(NANO, "size", low, high), compared(NANO, "instructions", low, low),
            compared(SMALL, "size", low, high), compared(SMALL, "instructions", high, low),
            compared(BASE, "size", high, low),
        ]
    )  # fmt: skip
    assert {one.model: one.kept for one in found} == {NANO: True, SMALL: False, BASE: False}
    assert found[0].figures["size"].new_course > found[0].figures["size"].old_course


def test_programs_and_seeds_are_taken_together() -> None:
    low, high = course(0.0, 0.1), course(0.1, 0.1)
    mixed = [Comparison(NANO, "p", "size", (low, high), (high, high)), Comparison(NANO, "q", "size", (high,), (low,))]
    assert verdicts(mixed)[0].kept, "level, all in all"


def test_a_model_that_is_not_kept_has_its_old_numbers() -> None:
    old = {name: np.zeros(1) for name in ("nano_gain", "small_gain", "small_rewards", "base_gain", "actions")}
    new = {name: np.ones(1) for name in old}
    low, high = course(0.0), course(0.1)
    decided = verdicts(
        [compared(NANO, "size", low, high), compared(SMALL, "size", high, low), compared(BASE, "size", low, low)]
    )
    arrays = _chosen(old, new, decided)
    assert {name: float(array[0]) for name, array in arrays.items()} == {
        "nano_gain": 1.0, "small_gain": 0.0, "small_rewards": 0.0, "base_gain": 1.0, "actions": 0.0,
    }  # fmt: skip
