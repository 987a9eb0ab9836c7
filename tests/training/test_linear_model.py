"""What runs teach of one state against another: pairs, lines and the last layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from colt_llvm.models.embedded.scoring import SCORERS
from colt_llvm.models.embedded.weights import FILE, Weights, read_arrays, weights_of
from colt_llvm.models.question import Question, State
from colt_llvm.training.dataset import Sample
from colt_llvm.training.linear_model import tuned
from colt_llvm.training.train import stored

OLD = read_arrays(FILE)
NUMBER = {name: place for place, name in enumerate(str(OLD["actions"]).split("\n"))}
# The first pair that the package's own numbers have: what holding one action changes for another.
HELD, ACTION = (list(NUMBER)[place] for place in OLD["nano_pairs"][0])
VECTORS = {("p", "size"): np.zeros(len(OLD["feature_mean"]))}


def told(known: Weights, model: str, held: tuple[str, ...], action: str) -> float:
    """The expected gain before it is cut at 0, so that what falls can be seen too."""
    question = Question(
        request_id=1, seed=1, kind="expand", acting=model, objective="size", baseline="", cpu="",
        state=State(held, 0.0), passes=tuple(NUMBER), edits=(),
    )  # fmt: skip
    return float(SCORERS[model](known, question)[known.number[action]])


def samples(held: tuple[str, ...], gain: float, count: int) -> list[Sample]:
    return [Sample("p", "size", held, ACTION, gain, 1.0)] * count


@pytest.mark.parametrize("model", SCORERS)
def test_an_action_that_pays_in_one_state_alone_is_told_apart_there(model: str) -> None:
    paid = [*samples((HELD,), 0.06, 60), *samples((), 0.0, 60)]
    old, new = weights_of(OLD), weights_of(stored(OLD | tuned(OLD, paid, NUMBER, VECTORS)))

    def apart(known: Weights) -> float:
        return told(known, model, (HELD,), ACTION) - told(known, model, (), ACTION)

    assert apart(new) > apart(old) + 1e-4
    other = next(name for name in NUMBER if name not in (HELD, ACTION))
    assert told(new, model, (HELD,), other) == pytest.approx(told(old, model, (HELD,), other), abs=1e-6)


@pytest.mark.parametrize("rows", [[], samples((HELD,), 0.0, 50)], ids=["no samples", "nothing gained"])
def test_without_anything_to_learn_all_stays(rows: list[Sample]) -> None:
    new = tuned(OLD, rows, NUMBER, VECTORS)
    assert set(new) == {"nano_pair_gain", "small_weights", "base_out", "base_out_bias"}
    assert all(np.allclose(new[name], OLD[name], atol=1e-7) for name in new)


def test_few_samples_change_less_than_many() -> None:
    def change(count: int) -> float:
        rows = [*samples((HELD,), 0.06, count), *samples((), 0.0, count)]
        return float(np.abs(tuned(OLD, rows, NUMBER, VECTORS)["small_weights"] - OLD["small_weights"]).max())

    assert 0 < change(1) < change(10) < change(100)


def test_a_program_whose_features_are_not_known_teaches_pairs_alone() -> None:
    rows = [replace(row, program="gone") for row in [*samples((HELD,), 0.06, 60), *samples((), 0.0, 60)]]
    new = tuned(OLD, rows, NUMBER, VECTORS)
    assert not np.allclose(new["nano_pair_gain"], OLD["nano_pair_gain"], atol=1e-5)
    assert all(np.array_equal(new[name], OLD[name]) for name in new if name != "nano_pair_gain")


def test_actions_that_are_in_no_table_are_left_out() -> None:
    new = tuned(OLD, [Sample("p", "size", (), "new", 0.06, 1.0)] * 50, NUMBER, VECTORS)
    assert all(np.allclose(new[name], OLD[name], atol=1e-7) for name in new)
