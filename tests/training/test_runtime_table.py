"""How timings of train programs become numbers of the policies: embedded_runtime_table.py and embedded_coreset.py."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from colt_llvm.models.embedded.weights import BUILT, FILE, read_arrays, weights_of
from colt_llvm.program.program import included_programs
from colt_llvm.training.dataset import MOST_GAIN

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from embedded_coreset import Rewards
from embedded_runtime_table import read_singles, with_runtime

SINGLES = {
    "p": [
        ["licm", 0.06, "a"],
        ["gvn", 0.05, "root"],
        ["dse", 0.004, "b"],
        ["new-one", 0.03, "c"],
        ["sink", None, None],
    ],
    "q": [["licm", 0.30, "d"], ["gvn", 0.02, "e"], ["dse", -0.4, "f"]],
}
CROSSED = [["licm"], ["licm", "gvn"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "runtime").mkdir()
    for name, singles in SINGLES.items():
        content = {"program": name, "root": "root", "singles": singles, "best": [[0.1, ["licm", "gvn"]]]}
        (tmp_path / "runtime" / f"{name}.json").write_text(json.dumps(content))
    rows = [
        {"program": "p", "features": {"TotalInstsCount": 9.0}, "rewards": [0.0, 0.07]},
        {"program": "q", "features": {"TotalInstsCount": 9.0}, "rewards": [0.5, None]},
    ]
    (tmp_path / "runtime-rewards.json").write_text(json.dumps({"sequences": CROSSED, "programs": rows}))
    return tmp_path


def test_what_may_be_noise_is_no_gain_and_what_was_timed_twice_counts_for_more(folder: Path) -> None:
    found = read_singles(folder)
    assert found["p"] == {"licm": 0.0, "gvn": 0.0, "dse": 0.0, "new-one": MOST_GAIN / 4, "sink": 0.0}
    assert found["q"] == {"licm": MOST_GAIN, "gvn": MOST_GAIN / 4, "dse": 0.0}
    assert list(read_singles(folder, without=["q"])) == ["p"]


def test_a_new_row_and_new_actions_leave_the_other_objectives_as_they_were(folder: Path) -> None:
    old = read_arrays(FILE)
    new = with_runtime(old, folder)
    before, after = weights_of(old), weights_of(new)
    assert after.actions == (*before.actions, "new-one")
    count = len(before.actions)
    for name in ("nano_gain", "small_gain", "base_gain"):
        assert np.array_equal(new[name][: len(BUILT), :count], old[name][: len(BUILT)])
    assert np.array_equal(new["base_out"][:, :count], old["base_out"])
    assert not new["base_out"][:, count:].any()
    assert not new["small_weights"][count:].any()
    row = new["nano_gain"][len(BUILT)]
    assert row[after.number["licm"]] > row[after.number["gvn"]] > row[after.number["dse"]] > 0


def test_a_sequence_that_was_found_for_one_program_is_not_known_without_it(folder: Path) -> None:
    rewards = Rewards.read(folder, "runtime")
    assert rewards.sequences == (("licm",), ("licm", "gvn"))
    assert rewards.without(["p"]).sequences == rewards.sequences, "q had found it too, and licm was tried for all"
    assert rewards.without(["p", "q"]).sequences == (("licm",),)


def test_the_shipped_numbers_are_of_train_programs_alone() -> None:
    arrays = read_arrays(FILE)
    held_out = {program.name for program in included_programs("held-out")}
    assert not {name.partition("~")[0] for name in str(arrays["small_programs"]).split("\n")} & held_out
