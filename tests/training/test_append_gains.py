"""What one action more brings, from data to the search: embedded_append_table.py, and ``append_gains``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from colt_llvm.evaluate.evaluation import Evaluation
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.embedded import SPECS, append_gains
from colt_llvm.models.embedded.policy import EmbeddedModel
from colt_llvm.models.embedded.weights import APPEND_GAINS, FILE, OBJECTIVES, read_arrays, weights_of
from colt_llvm.objectives.base import Objective
from colt_llvm.search import PRESETS, ActionSet, Refiner
from colt_llvm.training.validation import CachedEvaluator, learning_curve

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from embedded_append_table import with_append_table

LANGUAGE_MODEL = ModelSpec(name="large", kind="openai", base_url="http://127.0.0.1:1", model="large", parameters=1e9)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Program p: two sequences; q: one. For instructions there is q alone."""
    states = {
        "size/p": [{"gvn": 0.04, "licm": -0.5, "sroa": 0.0}, {"gvn": 0.0, "sroa": 0.02}],
        "size/q": [{"gvn": 0.06, "elsewhere": 1.0}],
        "instructions/q": [{"licm": 0.08}],
    }
    for name, gains in states.items():
        place = tmp_path / "additions" / f"{name}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        content = {"states": [{"reward": 0.1, "sequence": [], "gains": each} for each in gains]}
        place.write_text(json.dumps(content))
    return tmp_path


def test_means_over_sequences_then_programs_of_what_is_above_nothing(folder: Path) -> None:
    arrays = with_append_table(read_arrays(FILE), folder)
    row = dict(zip(str(arrays["actions"]).split("\n"), arrays[APPEND_GAINS][OBJECTIVES.index("size")], strict=True))
    assert row["gvn"] == pytest.approx((0.02 + 0.06) / 2)
    assert row["sroa"] == pytest.approx(0.01 / 2)
    assert row["licm"] == 0.0


def test_a_program_that_is_left_out_counts_for_nothing(folder: Path) -> None:
    arrays = with_append_table(read_arrays(FILE), folder, without=["p"])
    row = dict(zip(str(arrays["actions"]).split("\n"), arrays[APPEND_GAINS][OBJECTIVES.index("size")], strict=True))
    assert row["gvn"] == pytest.approx(0.06)


def test_before_there_are_data_nothing_is_promised(tmp_path: Path) -> None:
    arrays = with_append_table(read_arrays(FILE), tmp_path)
    assert not arrays[APPEND_GAINS][:2].any()
    assert arrays[APPEND_GAINS][2].any()


def test_the_row_of_run_time_is_that_of_single_actions_and_all_else_stays(folder: Path) -> None:
    before = read_arrays(FILE)
    after = with_append_table(before, folder)
    assert np.array_equal(after[APPEND_GAINS][2], before["nano_gain"][2])
    assert all(np.array_equal(after[name], array, equal_nan=array.dtype.kind == "f")
               for name, array in before.items() if name != APPEND_GAINS)  # fmt: skip


def test_the_packages_weights_promise_something_for_every_objective() -> None:
    promised = {objective: append_gains(SPECS.values(), objective) for objective in (*OBJECTIVES, "balanced")}
    assert all(len(gains) == 335 and min(gains.values()) >= 0 for gains in promised.values())
    assert promised["size"]["mergefunc"] > 5 * np.mean(list(promised["size"].values()))
    mean = (np.array(list(promised["size"].values())) + np.array(list(promised["runtime"].values()))) / 2
    assert list(promised["balanced"].values()) == pytest.approx(mean.tolist())


def test_nothing_is_promised_by_language_models_or_by_a_file_from_before() -> None:
    assert append_gains([LANGUAGE_MODEL], "size") == {}
    arrays = read_arrays(FILE)
    del arrays[APPEND_GAINS]
    assert EmbeddedModel(SPECS["embedded/nano"], known=weights_of(arrays)).append_gains("size") == {}


def test_the_first_policy_among_the_models_is_asked() -> None:
    assert append_gains([LANGUAGE_MODEL, SPECS["embedded/base"]], "size") == append_gains(SPECS.values(), "size") != {}


class FakeEvaluator(CachedEvaluator):
    """Every sequence is new code and a little better than shorter ones."""

    def __init__(self) -> None:
        super().__init__(
            Objective("size"), "clang -Oz", None, tuple(f"p{number}" for number in range(60)), ("without<licm>",),  # type: ignore[arg-type]
            {}, {}, "root",
        )  # fmt: skip

    def outcome(self, sequence: Sequence[str]) -> Evaluation:
        return Evaluation(len(sequence) / 1000, " ".join(sequence))


def test_a_course_refines_by_what_its_policies_know(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = read_arrays(FILE)
    number = str(arrays["actions"]).split("\n").index("without<licm>")
    given: list[Mapping[str, float]] = []

    def refiner(actions: ActionSet, seed: int, promised: Mapping[str, float]) -> Refiner:
        given.append(promised)
        return Refiner(actions, seed, promised)

    monkeypatch.setattr("colt_llvm.training.validation.Refiner", refiner)
    arrays[APPEND_GAINS] = np.zeros_like(arrays[APPEND_GAINS])
    arrays[APPEND_GAINS][OBJECTIVES.index("size"), number] = 0.5
    known = weights_of(arrays)
    learning_curve(FakeEvaluator(), [EmbeddedModel(SPECS["embedded/nano"], known=known)], PRESETS["retrieval"], 3, 1)
    assert [{name: gain for name, gain in promised.items() if gain} for promised in given] == [{"without<licm>": 0.5}]
