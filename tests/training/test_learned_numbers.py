"""Tables and coresets with what runs taught mixed in, and the file that they go to."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from learning_helpers import a_run, a_trial

from colt_llvm.core.errors import RunDirectoryError
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.models.embedded.weights import (
    FILE,
    OBJECTIVES,
    WeightsError,
    read_arrays,
    read_weights,
    weights_of,
)
from colt_llvm.training.dataset import Experience, Sample, experiences, grown, read_dataset
from colt_llvm.training.linear_model import PRIOR_PROGRAMS, learned_row, mean_gains
from colt_llvm.training.train import _start, _Student, packed, replacing, stored

NUMBER = {"aa": 0, "bb": 1, "cc": 2}
PRIOR = np.array([0.02, 0.02, 0.01])


def samples(program: str, action: str, gain: float, count: int) -> list[Sample]:
    return [Sample(program, "size", (), action, gain, 1.0)] * count


def test_few_samples_are_drawn_to_the_prior_and_many_are_not() -> None:
    def learned(count: int) -> float:
        places = np.zeros(count, dtype=np.intp)
        return float(mean_gains(PRIOR, 1.0, places, places, np.full(count, 0.06), np.ones(count))[0])

    assert 0.02 < learned(1) < learned(5) < learned(500) < 0.041
    assert learned(500) == pytest.approx((0.02 + 0.06) / 2, rel=0.01)  # one program against a prior of one


def test_what_paid_for_the_user_rises_and_what_did_not_falls() -> None:
    row = learned_row(PRIOR, NUMBER, [*samples("p", "aa", 0.04, 9), *samples("p", "bb", 0.0, 9)])
    assert row[0] > PRIOR[0] > row[1]
    assert row[2] == PRIOR[2], "it was not tried"


def test_what_was_tried_does_not_fall_behind_as_a_whole() -> None:
    """Steps of a long search gain little; only what gained more than the others is told apart."""
    row = learned_row(PRIOR, NUMBER, [*samples("p", "aa", 0.0012, 9), *samples("p", "bb", 0.0008, 9)])
    assert row[0] > row[1] > PRIOR[2]
    quiet = learned_row(PRIOR, NUMBER, [*samples("p", "aa", 0.0, 9), *samples("p", "bb", 0.0, 9)])
    assert (quiet == PRIOR).all(), "a program that gained nothing says nothing"


def test_no_program_counts_more_than_another() -> None:
    one = [*samples("p", "aa", 0.04, 400), *samples("p", "bb", 0.0, 400)]
    other = [*samples("q", "aa", 0.0, 400), *samples("q", "bb", 0.04, 400)]
    assert learned_row(PRIOR, NUMBER, one + other[:100] + other[-100:])[:2] == pytest.approx([0.02, 0.02], abs=1e-4)
    assert PRIOR_PROGRAMS > 0


def test_actions_that_are_in_no_table_are_left_out() -> None:
    assert (learned_row(PRIOR, NUMBER, samples("p", "new", 0.05, 9)) == PRIOR).all()


def test_good_sequences_differ_and_brought_something() -> None:
    known = {("a", "b", "c"): 0.1, ("a", "b"): 0.09, ("d",): 0.05, ("e",): 0.0001, ("f", "a"): -0.2}
    assert Experience("p", "size", np.zeros(2), known).good() == [("a", "b", "c"), ("d",)]


def test_runs_of_one_program_are_one_experience(tmp_path: Path) -> None:
    first = a_run(tmp_path / "a" / "run", [a_trial(1, "aa", 0.01), a_trial(2, "bb", None)])
    second = a_run(tmp_path / "b" / "run", [a_trial(1, "aa", 0.02), a_trial(2, "cc dd", 0.04)])
    dataset = read_dataset([first, second])
    (found,) = experiences(dataset, {(dataset[0].key, "size"): np.zeros(2)})
    assert found.known == {("aa",): 0.02, ("bb",): -0.2, ("cc", "dd"): 0.04}
    assert experiences(dataset, {}) == []


ARRAYS = {
    "small_sequences": np.array("aa a2\nbb\ncc"),
    "small_objective": np.array([0, 1, 1]),
    "small_rewards": np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]),
    "small_neighbours": np.zeros((len(OBJECTIVES), 2, 3)),
}


def test_a_coreset_grows_and_says_what_is_not_known() -> None:
    vector = np.array([1.0, 2.0, 3.0])
    new = grown(ARRAYS, [Experience("p", OBJECTIVES[1], vector, {("bb",): 0.07, ("x", "y"): 0.2})])
    assert str(new["small_sequences"]) == "aa a2\nbb\ncc\nx y"
    assert new["small_objective"].tolist() == [0, 1, 1, 1]
    nan = np.nan
    expected = [[0.1, 0.2, nan], [0.3, 0.4, 0.07], [0.5, 0.6, nan], [nan, nan, 0.2]]
    assert np.array_equal(new["small_rewards"], expected, equal_nan=True)
    assert (new["small_neighbours"][1, 2] == vector).all()
    assert (new["small_neighbours"][0, 2] > 50).all(), "like nothing, for what it was not searched for"


def test_nothing_new_leaves_a_coreset_as_it_is() -> None:
    new = grown(ARRAYS, [])
    assert all(np.array_equal(new[name], ARRAYS[name]) for name in ARRAYS)


def test_a_file_gives_back_what_went_in_byte_for_byte(tmp_path: Path) -> None:
    arrays = read_arrays(FILE)
    path = tmp_path / "mine.npz"
    path.write_bytes(packed(arrays, {"version": 1}))
    assert packed(read_arrays(path), {"version": 1}) == path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("card.json")) == {"version": 1}
    read, made = read_weights(path), weights_of(stored(arrays))
    assert all(np.array_equal(read.arrays[name], made.arrays[name], equal_nan=True) for name in made.arrays)


def test_learning_goes_on_from_an_earlier_file_or_from_the_package(tmp_path: Path) -> None:
    arrays = read_arrays(FILE)
    arrays["nano_gain"] = arrays["nano_gain"] + np.float32(0.5)
    path = tmp_path / "old.npz"
    path.write_bytes(packed(arrays, {"version": 1, "parameters": {"nano": 1, "small": 2, "base": 3}}))
    assert np.array_equal(_start(path)["nano_gain"], arrays["nano_gain"])
    assert np.array_equal(_start(None)["nano_gain"], read_arrays(FILE)["nano_gain"])
    del arrays["nano_gain"]
    path.write_bytes(packed(arrays, {"version": 1, "parameters": {"nano": 1, "small": 2, "base": 3}}))
    with pytest.raises(WeightsError, match=r"nano_gain.*make it again"):
        _start(path)


def test_what_is_learned_follows_from_the_runs_and_of_a_program_left_out_nothing(tmp_path: Path) -> None:
    """Nothing is built: the sources are gone, so the tables alone learn."""
    runs = [
        a_run(tmp_path / name / "run", [a_trial(1, "licm", 0.03), a_trial(2, "gvn", 0.01 + number)], name=name)
        for number, name in enumerate(("aa", "bb"))
    ]
    for name in ("aa", "bb"):
        (tmp_path / name / f"{name}.c").unlink()
    old, toolchain = read_arrays(FILE), find_toolchain()
    student = _Student.of(old, read_dataset(runs), toolchain)
    again = _Student.of(old, read_dataset(runs[::-1]), toolchain)
    assert packed(student.learned()) == packed(again.learned())
    assert len(student.notes) == 2
    alone = _Student.of(old, read_dataset(runs[:1]), toolchain)
    assert packed(student.learned(without=read_dataset(runs[1:])[0].key)) == packed(alone.learned())
    assert packed(student.learned()) != packed(alone.learned()) != packed(old)


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    path.write_text("old")

    def failing() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert path.read_text() == "old"
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.npz"]


def test_where_nothing_can_be_written_that_is_told_at_once(tmp_path: Path) -> None:
    for path in (tmp_path / "gone" / "mine.npz", tmp_path):
        with pytest.raises(RunDirectoryError, match="-o"), replacing(path):
            raise AssertionError("too late")
