"""What run directories teach, and which are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from learning_helpers import a_run, a_trial, names

from colt_llvm.core.errors import ColtError, RunDirectoryError, UsageError
from colt_llvm.models.base import ModelSpec
from colt_llvm.training.dataset import LANGUAGE_MODEL, LARGEST, MOST_GAIN, proposer_weights, read_dataset, samples_of

TRIALS = [a_trial(1, "licm", 0.02), a_trial(2, "gvn dse", 0.05, at="licm"), a_trial(3, "sroa", None)]


def test_actions_of_a_proposal_share_what_it_gained_at_its_state() -> None:
    rows = list(samples_of(TRIALS, "p", "size"))
    assert [(row.held, row.action, round(row.gain, 9)) for row in rows] == [
        ((), "licm", 0.02),
        (("licm",), "gvn", 0.015),
        (("licm", "gvn"), "dse", 0.015),
        ((), "sroa", 0.0),
    ]
    assert rows[1].weight == rows[2].weight == rows[0].weight / 2


def test_gains_are_cut_and_climbing_back_is_none() -> None:
    trials = [a_trial(1, "a", 5.0), a_trial(2, "b", -0.05), a_trial(3, "c", 0.0, at="b"), a_trial(4, "d", -0.5)]
    assert [row.gain for row in samples_of(trials, "p", "size")] == [MOST_GAIN, 0.0, 0.01, 0.0]
    below = a_trial(5, "e", 0.0, at="d")
    assert "e" not in [row.action for row in samples_of([*trials, below], "p", "size")], "far below the baseline"


def test_code_that_was_seen_before_and_refined_sequences_teach_nothing() -> None:
    first = a_trial(1, "a", 0.03)
    again = a_trial(1, "b", 0.03)  # its number is its code
    refined = a_trial(2, "c d", 0.06, kind="refine")
    assert [row.gain for row in samples_of([first, again, refined], "p", "size")] == [0.03, 0.0]


def test_the_word_of_a_language_model_counts_more_and_of_the_largest_most(tmp_path: Path) -> None:
    models = [
        ModelSpec("embedded/base", "embedded", 9e9),
        ModelSpec("little", "openai", 1e9, base_url="http://127.0.0.1:1/v1"),
        ModelSpec("great", "openai", 7e10, base_url="http://127.0.0.1:1/v1"),
    ]
    trials = [a_trial(n, "licm", 0.01 * n, by=by) for n, by in enumerate(("embedded/base", "little", "great"), 1)]
    (run,) = read_dataset([a_run(tmp_path / "run", trials, models=models)])
    small, little, great = (row.weight for row in run.samples())
    assert (little / small, great / small) == (LANGUAGE_MODEL, LARGEST)
    assert run.told_by_language_models == 2


def test_a_replay_has_the_voices_of_the_run_that_it_repeats() -> None:
    spec = ModelSpec("great", "replay", 7e10, options={"run": "r", "was": "openai"})
    assert proposer_weights([spec]) == {"great": LARGEST}


def test_the_order_in_which_runs_are_named_and_naming_one_twice_change_nothing(tmp_path: Path) -> None:
    first = a_run(tmp_path / "a" / "first", TRIALS, name="zz")
    second = a_run(tmp_path / "b" / "second", TRIALS[:2], name="aa")
    assert names(read_dataset([first, second, first])) == names(read_dataset([second, first])) == ["second", "first"]


def test_a_program_is_the_same_wherever_it_lies_until_it_is_changed(tmp_path: Path) -> None:
    runs = [
        a_run(tmp_path / "a" / "run", TRIALS),
        a_run(tmp_path / "b" / "run", TRIALS),
        a_run(tmp_path / "c" / "run", TRIALS, text="int main(void) { return 1 - 1; }\n"),
    ]
    assert len({run.key for run in read_dataset(runs)}) == 2


def test_a_run_whose_source_changed_is_known_as_such(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", TRIALS)
    assert read_dataset([run])[0].unchanged
    (tmp_path / "tiny.c").write_text("int main(void) { return 1; }\n")
    assert not read_dataset([run])[0].unchanged
    (tmp_path / "tiny.c").unlink()
    assert not read_dataset([run])[0].unchanged


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", TRIALS)
    with open(run / "trials.jsonl", "a") as file:
        file.write('{"request": {"id"')
    assert len(read_dataset([run])[0].trials) == len(TRIALS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objective": "runtime"}, "objective is runtime.*instructions or size"),
        ({"objective": "balanced"}, "instructions or size"),
        ({"hooks": {"objective": "mine"}}, "objective of its own"),
        ({"llvm": "19.1.7"}, "LLVM 19.1.7.*LLVM 22"),
        ({"llvm": "220.1"}, "leave it out"),
        ({"program": {}}, "damaged"),
        ({"options": {}}, "damaged"),
        ({"sources": []}, "damaged"),
    ],
)
def test_a_run_that_cannot_teach_is_refused_in_one_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    run = a_run(tmp_path / "run", TRIALS, **changes)
    with pytest.raises(ColtError, match=said) as raised:
        read_dataset([run])
    assert str(run) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_no_run_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name runs"):
        read_dataset([])
    with pytest.raises(RunDirectoryError, match="no such folder"):
        read_dataset([tmp_path / "gone"])
    with pytest.raises(RunDirectoryError, match=r"no run\.json"):
        read_dataset([tmp_path])
    empty = a_run(tmp_path / "empty", [])
    with pytest.raises(UsageError, match="holds no trial"):
        read_dataset([empty])
    (empty / "trials.jsonl").unlink()
    with pytest.raises(RunDirectoryError, match="no journal"):
        read_dataset([empty])
    (empty / "trials.jsonl").write_text(json.dumps({"request": 1}) + "\n")
    with pytest.raises(RunDirectoryError, match="no trial"):
        read_dataset([empty])
