"""Experiments from files and options: what they mean, and how wrong ones are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench_helpers import experiment, program, strategy

from colt_llvm.core.errors import UsageError
from colt_llvm.experiments.cells import cells_of, groups_of
from colt_llvm.experiments.experiment import Budget, Experiment, SuiteSpec, number_list
from colt_llvm.experiments.experiment_file import load_experiment, packaged, with_options

SOUND = """
objectives = ["instructions", "size"]
seeds = "1-3,7"
budgets = [{ trials = 60 }, { seconds = 1.5 }]
[[suite]]
kind = "included"
split = "held-out"
[[strategy]]
label = "COLT"
strategy = "colt"
models = ["embedded"]
preset = "paper"
[strategy.search]
model_bias = 0.0
course_alteration_period = "never"
[[strategy]]
strategy = "random"
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "e.toml"
    file.write_text(text)
    return file


def test_reads_every_part_of_a_file(tmp_path: Path) -> None:
    read = load_experiment(written(tmp_path, SOUND))
    assert read.objectives == ("instructions", "size")
    assert read.seeds == (1, 2, 3, 7)
    assert read.budgets == (Budget(trials=60), Budget(seconds=1.5))
    assert read.suites == (SuiteSpec("included", split="held-out"),)
    first, second = read.strategies
    assert (first.label, first.models, first.preset) == ("COLT", ("embedded",), "paper")
    assert first.search == {"model_bias": 0.0, "course_alteration_period": None}
    assert (second.label, second.strategy) == ("random", "random")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seeds =", "seed =", "unknown key 'seed'; did you mean seeds?"),
        ('"1-3,7"', '"three"', "use numbers and ranges"),
        ('"1-3,7"', "[1.5]", "seeds: is a list of whole numbers"),
        ("trials = 60", "trials = 0", "trials = 0: use a whole number of 1 or more"),
        ("trials = 60", "trials = 60, seconds = 1", "either trials or seconds"),
        ("seconds = 1.5", 'seconds = "1.5"', "use a number"),
        ('"instructions"', '"beauty"', "'beauty' is none; use some of runtime"),
        ('kind = "included"', 'kind = "includes"', "kind is 'includes'; use one of included"),
        ('kind = "included"', 'kind = "folder"', "lacks path"),
        ('split = "held-out"', 'split = "test"', "split is 'test'; use train, held-out"),
        ('strategy = "random"', 'strategy = "rnadom"', "rnadom"),
        ('strategy = "random"', 'strategy = "random"\nlabel = "COLT"', "COLT is there twice"),
        ('strategy = "random"', 'strategy = "random"\npreset = "paper"', "strategy random"),
        ("model_bias = 0.0", "model_bias = 7", "model_bias is 7"),
        ("model_bias = 0.0", "bias = 0", "strategy COLT"),
        ('models = ["embedded"]', "models = 3", "models: is a list of texts"),
        ("[[suite]]", "[suite]", "suite: is a list of tables"),
        ('kind = "included"', 'kind = "csmith"', "lacks seeds"),
        ("objectives =", "objectives", "fix the TOML"),
    ],
)
def test_refuses_a_wrong_value_in_one_line_with_file_and_remedy(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SOUND
    file = written(tmp_path, SOUND.replace(old, new))
    with pytest.raises(UsageError) as caught:
        load_experiment(file)
    message = str(caught.value)
    assert message.startswith(str(file))
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize("missing", ["suite", "strategy"])
def test_refuses_an_experiment_without_a_part(tmp_path: Path, missing: str) -> None:
    text = SOUND.split("[[suite]]")[0] + ('[[strategy]]\nstrategy = "colt"' if missing == "suite" else "")
    with pytest.raises(UsageError, match="there are none; give at least one"):
        load_experiment(written(tmp_path, text))


def test_packaged_experiments_are_sound() -> None:
    assert {"strategies", "ablations", "decisions", "long", "minute", "runtime"} <= set(packaged())
    for name in packaged():
        read = load_experiment(name)
        assert "COLT" in [spec.label for spec in read.strategies]
    with pytest.raises(UsageError, match="no packaged experiment; those are"):
        load_experiment("strategy")


def test_options_replace_what_the_file_says(tmp_path: Path) -> None:
    read = load_experiment(written(tmp_path, SOUND))
    changed = with_options(
        read, programs="lz77,aes_ctr", strategies="random", objectives="size", seeds="4", trials=9, seconds=2.0
    )
    assert changed.suites == (SuiteSpec("included", programs=("lz77", "aes_ctr")),)
    assert [spec.label for spec in changed.strategies] == ["random"]
    assert (changed.objectives, changed.seeds) == (("size",), (4,))
    assert changed.budgets == (Budget(trials=9), Budget(seconds=2.0))
    assert with_options(read, programs="train").suites[0].split == "train"
    with pytest.raises(UsageError, match="has none of that name; it has COLT, random"):
        with_options(read, strategies="greedy")


def test_a_label_with_a_comma_can_be_chosen_as_it_is_written() -> None:
    read = load_experiment("strategies")

    def labels(text: str) -> list[str]:
        return [spec.label for spec in with_options(read, strategies=text).strategies]

    assert labels("greedy,COLT, base alone,random") == ["greedy", "COLT, base alone", "random"]
    assert labels("COLT,COLT, base alone") == ["COLT", "COLT, base alone"]
    assert labels("COLT-base-alone,COLT") == ["COLT, base alone", "COLT"]
    with pytest.raises(UsageError, match="--strategies base alone: "):
        labels("base alone,COLT")


def test_options_alone_make_an_experiment() -> None:
    made = with_options(None, strategies="greedy,random", trials=3)
    assert [spec.strategy for spec in made.strategies] == ["greedy", "random"]
    assert made.suites[0].kind == "included"


def test_numbers_and_ranges() -> None:
    assert number_list("1-3, 7,2", "--seeds") == (1, 2, 3, 7)
    for wrong in ("", "3-1", "a", "1-", "-1"):
        with pytest.raises(UsageError):
            number_list(wrong, "--seeds")


def test_a_cell_has_a_readable_name_that_is_a_file_name() -> None:
    made = experiment(strategies=(strategy("COLT, base/alone"),), budgets=(Budget(seconds=1.5),), seeds=(1,))
    ((_, cell),) = cells_of(made, [program("sha256")])
    assert cell.id == "sha256.size.COLT-base-alone.seconds-1-5.1"


def test_labels_that_are_alike_in_a_file_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two are alike in a file name"):
        experiment(strategies=(strategy("a b"), strategy("a,b")))


def test_every_combination_is_one_cell_and_groups_share_a_program() -> None:
    made = experiment(objectives=("instructions", "size"), budgets=(Budget(trials=5), Budget(seconds=1.0)))
    cells = cells_of(made, [program("alpha"), program("beta")])
    assert len({cell.id for _, cell in cells}) == len(cells) == 2 * 2 * 2 * 2 * 2
    groups = groups_of(cells)
    assert [(group.program.name, group.objective) for group in groups] == [
        ("alpha", "instructions"), ("alpha", "size"), ("beta", "instructions"), ("beta", "size"),
    ]  # fmt: skip


def test_strategies_take_turns_in_going_first() -> None:
    cells = cells_of(experiment(), [program()])
    assert {cells[0][1].strategy.label, cells[2][1].strategy.label} == {"one", "two"}


def test_a_strategy_searches_only_for_objectives_that_it_can() -> None:
    made = experiment(
        strategies=(strategy("gym", "compiler-gym-random"), strategy("pgo", "clang-pgo")),
        objectives=("size", "runtime"),
        seeds=(1,),
    )
    found = {(cell.strategy.label, cell.objective) for _, cell in cells_of(made, [program()])}
    assert found == {("gym", "size"), ("pgo", "runtime")}


def test_what_measures_run_time_comes_last() -> None:
    made = experiment(objectives=("runtime", "size"))
    assert [group.timed for group in groups_of(cells_of(made, [program("a"), program("b")]))] == [
        False, False, True, True,
    ]  # fmt: skip


def test_an_experiment_survives_json() -> None:
    import json

    made = experiment(suites=(SuiteSpec("csmith", seeds=(1, 2)),))
    assert isinstance(made, Experiment)
    assert json.loads(json.dumps(made.to_dict()))["budgets"] == [{"trials": 5}]
