"""Cells read, grouped, compared and written down."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_cells import HOST, fake_cell, fake_experiment, write_cells

from colt_llvm.analysis import group_cells, load_results, summarise, write_tables
from colt_llvm.analysis.cells import parse_cell
from colt_llvm.analysis.curves import area_under, best_so_far, reach, steps, strategy_curve, time_to_reach
from colt_llvm.analysis.sentences import findings, programs_needed
from colt_llvm.analysis.statistics import Counts, Estimate
from colt_llvm.analysis.summary import SIGNIFICANCE, Comparison
from colt_llvm.analysis.tables import escape_latex
from colt_llvm.core.errors import RunDirectoryError


def test_damaged_files_are_named_and_the_others_read(tmp_path: Path) -> None:
    damaged = [fake_cell(gain=float("nan"), seed=2), fake_cell(status="half", seed=3), fake_cell(budget={}, seed=4),
               fake_cell(curve=[[30, 1, 0, 0, 0.2], [20, 2, 0, 0, 0.2]], seed=5), fake_cell()]  # fmt: skip
    write_cells(tmp_path, [fake_cell(), *damaged])
    (tmp_path / "cells" / "torn.json").write_text('{"kind": ')
    results = load_results(tmp_path)
    assert len(results.cells) == 1
    assert len(results.refused) == 6
    assert all("\n" not in line and "remove" in line for line in results.refused)
    assert "second file" in results.refused[4]


def test_a_folder_without_cells_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="colt-llvm bench run"):
        load_results(tmp_path)


@pytest.mark.parametrize(
    ("changes", "groups"),
    [
        ({"budget": {"seconds": 60}}, 2),
        ({"llvm": "19.1.0"}, 2),
        ({"objective": "instructions", "strict": True}, 2),
        ({"host": {**HOST, "machine": "f" * 16}}, 1),
        ({"host": {**HOST, "machine": "f" * 16}, "objective": "runtime"}, 2),
        ({"host": {**HOST, "kernel": "6.2"}, "objective": "runtime"}, 1),
        ({"host": {**HOST, "machine": "f" * 16}, "budget": {"seconds": 2}}, 2),
    ],
)
def test_unlike_cells_are_never_in_one_group(tmp_path: Path, changes: dict[str, object], groups: int) -> None:
    other = fake_cell(**{**changes, "seed": 2})
    like = {"objective": other["objective"]}
    if "host" in changes:
        like["budget"] = other["budget"]
    write_cells(tmp_path, [fake_cell(**like), other])
    assert len(group_cells(load_results(tmp_path))) == groups


def test_splits_are_told_apart_where_there_are_several(tmp_path: Path) -> None:
    write_cells(tmp_path, [fake_cell(), fake_cell(program="lz77", split="train")])
    assert [group.part for group in group_cells(load_results(tmp_path))] == ["all", "held-out", "train"]


def test_two_baselines_of_one_program_are_doubtful(tmp_path: Path) -> None:
    write_cells(tmp_path, [fake_cell(), fake_cell(seed=2, baseline={"size": 3100.0})])
    summary = summarise(group_cells(load_results(tmp_path))[0])
    assert any("different baselines of size (3000, 3100)" in sentence for sentence in findings(summary))


def test_a_curve_counts_what_was_proved_alone() -> None:
    curve = [[10, 1.0, 0, 0, 0.1], [20, 2.0, 0, 0, 0.3], [60, 6.0, 0, 0, 0.3]]
    cell = parse_cell(fake_cell(gain=0.2, curve=curve))
    assert best_so_far(cell, "trials", np.array([0, 9, 10, 19.9, 20, 99])).tolist() == [0, 0, 0.1, 0.1, 0.2, 0.2]
    refuted = parse_cell(fake_cell(gain=0.0, curve=curve))
    assert not steps(refuted, "seconds")[1].any()


def test_the_area_is_the_share_of_the_best_known_gain() -> None:
    cell = parse_cell(fake_cell(gain=0.2, curve=[[15, 1, 0, 0, 0.1], [30, 1, 0, 0, 0.2], [60, 2, 0, 0, 0.2]]))
    assert area_under(cell, "trials", 60, 0.2) == pytest.approx((15 * 0.1 + 30 * 0.2) / (60 * 0.2))
    assert area_under(cell, "trials", 60, 0.4) == pytest.approx((15 * 0.1 + 30 * 0.2) / (60 * 0.4))
    assert math.isnan(area_under(cell, "trials", 60, 0.0))


def test_searches_that_never_reach_the_level_count_as_later_than_all(tmp_path: Path) -> None:
    gains = [0.2, 0.19, 0.1, 0.1, 0.1]
    write_cells(tmp_path, [fake_cell(seed=seed, gain=gain) for seed, gain in enumerate(gains)])
    group = group_cells(load_results(tmp_path))[0]
    found = reach(group, "COLT", "trials", 0.9)
    assert (found.searches, found.reached) == (5, 2)
    assert math.isinf(found.median)
    assert reach(group, "COLT", "trials", 0.5).median == 30
    assert time_to_reach(group.all_cells("COLT")[2], "trials", 0.11) == math.inf


def test_strategies_are_told_apart_where_they_differ_and_not_where_they_do_not(tmp_path: Path) -> None:
    effects = {"COLT": 0.10, "same": 0.10, "random": 0.05, "oracle": 0.15}
    write_cells(tmp_path, fake_experiment(effects, programs=12, seeds=3), list(effects))
    summary = summarise(group_cells(load_results(tmp_path))[0])
    assert summary.reference == "COLT"
    assert summary.group.strategies == tuple(effects)
    told = {row.strategy: row.comparison.told_apart for row in summary.rows if row.comparison}
    assert told == {"same": False, "random": True, "oracle": True}
    first, second, *_ = findings(summary)
    assert "that of oracle" in first
    assert "better than all others" in first
    assert "COLT is better than random" in second
    assert "worse than oracle" in second
    assert "not told apart from same" in second
    assert "COLT is not the best here" in second
    row = summary.row("random")
    assert row.comparison is not None
    assert row.comparison.difference.low < -0.05 < row.comparison.difference.high
    assert str(row.comparison.counts) == "0/0/12"
    assert row.rank == 4.0


def test_few_programs_prove_nothing(tmp_path: Path) -> None:
    write_cells(tmp_path, fake_experiment({"COLT": 0.3, "random": 0.05}, programs=5))
    said = " ".join(findings(summarise(group_cells(load_results(tmp_path))[0])))
    assert "not told apart from any other" in said
    assert "With 5 programs nothing can be told apart" in said


def test_failed_and_missing_cells_are_said_and_pairs_stay_pairs(tmp_path: Path) -> None:
    cells = fake_experiment({"COLT": 0.1, "random": 0.05}, programs=8, seeds=2)
    for cell in cells:
        if (cell["strategy"], cell["program"]) == ("random", "program_3"):
            cell |= {"status": "failed", "error": "does not build"}
    write_cells(tmp_path, cells)
    summary = summarise(group_cells(load_results(tmp_path))[0])
    row = summary.row("random")
    assert (row.programs, row.failed, summary.row("COLT").programs) == (7, 2, 8)
    assert row.comparison is not None
    assert row.comparison.difference.programs == 7
    said = " ".join(findings(summary))
    assert "random (7 of 8)" in said
    assert "random 2" in said


def test_the_band_of_a_curve_holds_its_mean_and_ends_at_the_gain(tmp_path: Path) -> None:
    write_cells(tmp_path, fake_experiment({"COLT": 0.1}, programs=6))
    group = group_cells(load_results(tmp_path))[0]
    curve = strategy_curve(group, "COLT", "trials")
    assert curve is not None
    assert np.all(np.diff(curve.mean) >= 0)
    assert np.all((curve.low <= curve.mean + 1e-12) & (curve.mean <= curve.high + 1e-12))
    assert curve.mean[-1] == pytest.approx(summarise(group).row("COLT").gain.value)
    assert strategy_curve(group, "COLT", "money") is None


def test_tables_are_written_with_every_cell_and_hostile_names_escaped(tmp_path: Path) -> None:
    effects = {"COLT": 0.1, r"a|b_c & 50% \end{table} <b>": 0.08}
    cells = fake_experiment(effects, programs=7, seeds=2, models=("nano", "base"))
    cells[3] |= {"status": "failed", "error": 'no,\n"way"'}
    results = load_results(write_cells(tmp_path / "results", cells))
    write_tables(results, tmp_path / "out")
    with open(tmp_path / "out" / "cells.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 28
    assert rows[3]["error"] == 'no,\n"way"'
    assert float(rows[0]["gain"]) == cells[0]["gain"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert {row["strategy"] for row in summary["groups"][0]["strategies"]} == set(effects)
    latex = (tmp_path / "out" / "tables.tex").read_text()
    assert latex.count(r"\end{table}") == 1
    assert r"a\textbar{}b\_c \& 50\% \textbackslash{}end\{table\} \textless{}b\textgreater{}" in latex
    markdown = (tmp_path / "out" / "tables.md").read_text()
    assert "<b>" not in markdown.replace(r"\<b", "")
    table = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {line.replace(r"\|", "").count("|") for line in table} == {11}


def test_latex_escapes_every_letter_that_it_would_read() -> None:
    assert escape_latex("a_b{c}#1 $x^2~\\n\nλ") == (
        r"a\_b\{c\}\#1 \$x\textasciicircum{}2\textasciitilde{}\textbackslash{}n $\lambda$"
    )


def test_an_interval_alone_is_no_finding_nor_is_a_p() -> None:
    apart, level = Estimate(0.1, 0.05, 0.2, 0.95, 8), Estimate(0.1, -0.05, 0.2, 0.95, 8)
    told = [(apart, 0.01), (apart, 0.2), (level, 0.01), (replace(apart, programs=5), 0.01)]
    assert [Comparison("COLT", e, Counts(8, 0, 0), p, p, p).told_apart for e, p in told] == [True, False, False, False]


def test_more_comparisons_need_more_programs() -> None:
    assert [programs_needed(count) for count in (1, 2, 8)] == [6, 7, 9]
    assert 8 * 2.0 ** (1 - 9) < SIGNIFICANCE <= 8 * 2.0 ** (1 - 8)
