"""A search stops where its last doubling of trials brought next to nothing, and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from test_loop import Run, built
from tune_helpers import trials_of, tune_here

from colt_llvm.builds.project.options import ProjectOptions
from colt_llvm.core.errors import PassCrashed
from colt_llvm.evaluate import options as evaluate_options
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.program.program import Workload
from colt_llvm.search.early_stopping import DEFAULT_PERCENT, FIRST, FIRST_WITHOUT_GAIN, EarlyStopping

# --- the rule


def stops_at(rewards: Sequence[float | None], percent: float = 0.1) -> int | None:
    """After how many of the trials; None where it does not."""
    rule = EarlyStopping(percent)
    for number, reward in enumerate(rewards, 1):
        rule.tell(reward)
        if rule.over:
            return number
    return None


def rising(at: dict[int, float], length: int = 1000) -> list[float | None]:
    """Rewards of 0, but for some trials, counted from 1."""
    return [at.get(number, 0.0) for number in range(1, length + 1)]


def test_does_not_stop_before_the_first_192() -> None:
    assert stops_at(rising({1: 0.1})) == FIRST == 192


def test_goes_on_until_half_of_the_trials_brought_nothing() -> None:
    assert stops_at(rising({1: 0.1, 97: 0.2})) == 194, "the first 97 of 194 hold what was found at 97"
    assert stops_at(rising({1: 0.1, 150: 0.2})) == 300
    assert stops_at(rising({1: 0.1, 150: 0.2, 270: 0.3})) == 540
    assert stops_at(rising({1: 0.1, 193: 0.2})) == 192, "which comes too late to be seen"


def test_a_search_that_has_found_nothing_goes_on_to_384() -> None:
    assert stops_at(rising({})) == FIRST_WITHOUT_GAIN == 384
    assert stops_at(rising({300: 0.01})) == 600
    assert stops_at([-0.5] * 1000) == 384, "worse than the baseline is nothing"


def test_failures_count_as_trials() -> None:
    assert stops_at([None] * 1000) == 384
    assert stops_at([0.1, *[None] * 999]) == 192


@pytest.mark.parametrize(("ratio", "end"), [(1.0009, 192), (1.0011, 240)])
def test_the_bar_is_per_cent_of_the_ratio(ratio: float, end: int) -> None:
    assert stops_at(rising({1: 0.1, 120: 0.1 + math.log(ratio)})) == end


def test_many_small_gains_count_together() -> None:
    steady = [math.log(1.0001) * number for number in range(1, 1000)]
    assert stops_at(steady, 1.0) == 192, "96 of 0.01% each"
    assert stops_at(steady, 0.9) is None


def test_says_what_the_last_half_brought() -> None:
    rule = EarlyStopping(0.25)
    for _ in range(101):
        rule.tell(0.1)
    assert rule.reason == "stopped: the last 51 trials brought less than 0.25%"


# --- when it holds


@pytest.mark.parametrize(
    ("given", "percent"),
    [
        ({}, DEFAULT_PERCENT), ({"seconds": 5.0}, 0.0), ({"trials": 5}, 0.0),
        ({"seconds": 5.0, "stop_below": 0.5}, 0.5), ({"trials": 5, "stop_below": 0.5}, 0.5),
        ({"stop_below": 0.0}, 0.0), ({"stop_below": 2.0}, 2.0),
    ],
)  # fmt: skip
def test_holds_without_limits_or_where_it_is_asked_for(given: dict[str, Any], percent: float) -> None:
    options = TuneOptions(objective="size", **given)
    assert options.stop_below_percent == percent
    assert TuneOptions.from_dict(options.to_dict()) == options


def test_files_of_a_project_have_it_only_where_it_is_asked_for() -> None:
    build, workload = ("make", "prog"), Workload("run-1", ("./prog",))
    assert ProjectOptions((build,), (workload,)).unit_options(60).stop_below_percent == 0
    asked = ProjectOptions((build,), (workload,), tune={"stop_below": 0.5})
    assert asked.unit_options(60).stop_below_percent == 0.5


def test_a_run_that_was_begun_under_the_old_name_goes_on() -> None:
    assert TuneOptions.from_dict({"worth": 0.5}).stop_below == 0.5
    assert TuneOptions.from_dict({"worth": 0.0, "stop_below": 0.5}).stop_below == 0.5


# --- in the loop


@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("in_flight", [1, 5])
def test_the_loop_tells_no_trial_after_the_one_that_stops_it(tmp_path: Path, in_flight: int, in_order: bool) -> None:
    run = Run(
        tmp_path, lambda number: built(90), in_flight=in_flight, builders=min(in_flight, 2), in_order=in_order,
        stop_below_percent=0.1,
    ).go(trials=500)  # fmt: skip
    assert len(run.trials) == len(run.strategy.told) == 192
    assert len(run.strategy.asked) == 192 + len(run.strategy.abandoned)
    assert list(tmp_path.iterdir()) == []


def test_failed_trials_bring_the_end_nearer_in_the_loop_too(tmp_path: Path) -> None:
    def make(number: int) -> Any:
        raise PassCrashed("no")

    assert len(Run(tmp_path, make, stop_below_percent=0.1).go(trials=500).trials) == 384


def test_trials_of_an_earlier_part_count(tmp_path: Path) -> None:
    whole = Run(tmp_path, lambda number: built(90 if number < 120 else 80), stop_below_percent=0.1).go()
    assert len(whole.trials) == 242
    for known in (10, 200, 242):
        later = Run(
            tmp_path, lambda number, known=known: built(90 if number + known < 120 else 80), stop_below_percent=0.1
        )
        later.loop.resume(whole.trials[:known])
        assert len(later.go().trials) == 242 - known


def test_without_the_rule_the_loop_goes_on(tmp_path: Path) -> None:
    assert len(Run(tmp_path, lambda number: built(90)).go(trials=200).trials) == 200


# --- a whole run

#: Built in a moment: a run has some hundred trials.
SMALL = r"""
#include <stdio.h>
static int f(int x) { int s = 0; for (int i = 0; i < x; i++) s += i ^ (s >> 3); return s; }
int main(void) { for (int i = 0; i < 4; i++) printf("%d\n", f(500 + i)); return 0; }
"""
WHOLE = ("small.c", "--objective", "instructions", "--seed", "1", "--workers", "1")


def test_a_run_without_limits_stops_says_so_and_resumes_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.c").write_text(SMALL)
    monkeypatch.setattr(evaluate_options, "DEFAULT_SECONDS", 1200.0)  # on a busy machine too, the rule ends it
    whole = tune_here(capfd, *WHOLE, "--run-dir", "whole")
    half = whole["trials"] - whole["trials"] // 2
    assert f"stopped: the last {half} trials brought less than 0.1%" in whole["notes"]
    trials = trials_of(tmp_path / "whole")
    assert stops_at([trial["outcome"]["reward"] for trial in trials]) == whole["trials"] == len(trials) >= 192
    assert not whole["interrupted"]

    again = tune_here(capfd, "--resume", "whole")
    assert (again["trials"], again["notes"]) == (whole["trials"], whole["notes"]), "it is at its end"

    # As if it had been killed on the way.
    journal = tmp_path / "whole" / "trials.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-40]))
    resumed = tune_here(capfd, "--resume", "whole")
    assert trials_of(tmp_path / "whole") == trials
    for name in ("trials", "ratio", "sequence", "notes"):
        assert resumed[name] == whole[name], name

    more = str(whole["trials"] + 5)
    assert tune_here(capfd, "--resume", "whole", "--trials", more, "--worth", "0")["trials"] == int(more)
