"""Pictures: there for every group, the same bytes each time, and true to the run that they show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from fake_cells import fake_experiment, write_cells

pytest.importorskip("matplotlib")

from colt_llvm.analysis import group_cells, load_results, summarise, write_pictures
from colt_llvm.analysis.pictures import draw_convergence, draw_differences, draw_models, drawing, line_style, save
from colt_llvm.analysis.run_pictures import draw_pareto, draw_tree, place_nodes, tree_nodes, write_run_pictures
from colt_llvm.core.errors import RunDirectoryError


def trial(node: int, reward: float | None, model: str = "base", kind: str = "expand", **figures: float) -> Any:
    return {
        "request": {"node": node, "kind": kind},
        "proposal": {"model": model},
        "outcome": {"reward": reward, "figures": figures, "failure": None if reward is not None else "crash"},
    }


TRIALS = [
    trial(0, 0.1, "small", size=900.0, instructions=90.0),
    trial(1, 0.05, "small", size=950.0, instructions=80.0),
    trial(1, 0.2, "base", "correct", size=800.0, instructions=95.0),
    trial(3, None, "small"),
    trial(3, 0.15, "$x_1$", size=850.0, instructions=99.0),
]


def make_run(folder: Path, trials: list[Any]) -> Path:
    folder.mkdir()
    models = [{"name": "small", "parameters": 1e9}, {"name": "base", "parameters": 7e9}]
    header = {"version": 1, "program": {"name": "lz77"}, "options": {"objective": "size"}, "baseline": "clang -Oz",
              "llvm": "22.1.8", "models": models}  # fmt: skip
    (folder / "run.json").write_text(json.dumps(header))
    (folder / "trials.jsonl").write_text("".join(json.dumps(one) + "\n" for one in trials))
    return folder


def test_each_group_has_its_pictures_and_they_are_the_same_each_time(tmp_path: Path) -> None:
    effects = {"COLT": 0.1, "random $_x": 0.05}
    cells = fake_experiment(effects, programs=3, seeds=2, models=("nano", "base"))
    results = load_results(write_cells(tmp_path / "results", cells, list(effects)))
    first = write_pictures(results, tmp_path / "one")
    kinds = {file.name.removeprefix("size-60-trials-22.1.8.") for file in first}
    names = [*(f"convergence-{axis}" for axis in ("trials", "seconds", "money", "work")), "programs", "differences",
             "models"]  # fmt: skip
    assert kinds == {f"{name}.{ending}" for name in names for ending in ("svg", "png")}
    with drawing():
        again = save(draw_models(summarise(group_cells(results)[0])), tmp_path / "again", first[-1].stem)
    assert [file.read_bytes() for file in first[-2:]] == [file.read_bytes() for file in again]
    for file in first:
        if file.suffix == ".svg":
            ElementTree.parse(file)


def test_lines_differ_in_more_than_colour() -> None:
    shapes = [(str(line_style(i)["linestyle"]), line_style(i)["marker"]) for i in range(30)]
    assert len(set(shapes)) == 30


def test_convergence_and_differences_draw_what_was_measured(tmp_path: Path) -> None:
    results = load_results(write_cells(tmp_path, fake_experiment({"COLT": 0.1, "random": 0.05}, programs=8)))
    summary = summarise(group_cells(results)[0])
    with drawing():
        axes = draw_convergence(summary, "trials").axes[0]
        differences = draw_differences(summary).axes[0]
    line = next(line for line in axes.lines if line.get_label() == "COLT")
    assert line.get_ydata()[0] == 0
    assert line.get_ydata()[-1] == pytest.approx(9.5, abs=1.5)
    assert axes.get_xlabel() == "trials"
    assert "(%)" in axes.get_ylabel()
    assert [text.get_text() for text in differences.get_yticklabels()] == ["random"]


def test_the_tree_marks_regressions_and_corrections() -> None:
    nodes = tree_nodes(TRIALS)
    assert [node.parent for node in nodes] == [0, 1, 1, 3, 3]
    assert [node.regression for node in nodes] == [False, True, False, False, True]
    assert [node.correction for node in nodes] == [False, False, True, False, False]
    with pytest.raises(IndexError):
        tree_nodes([trial(5, 0.1)])
    assert draw_tree([trial(0, 0.1), trial(0, 0.2)], "") is None


def test_parents_stand_over_the_middle_of_their_children_and_no_nodes_share_a_place() -> None:
    places = place_nodes({1: 0, 2: 0, 3: 1, 4: 1, 5: 1, **{n: n - 1 for n in range(6, 3000)}})
    assert places[1][0] == (places[3][0] + places[5][0]) / 2
    assert places[2999][1] == 2996
    assert len(set(places.values())) == len(places)


def test_a_run_is_drawn_with_its_tree_and_front(tmp_path: Path) -> None:
    files = write_run_pictures(make_run(tmp_path / "run", TRIALS), tmp_path / "pictures")
    assert {file.stem for file in files} == {"run-convergence", "pareto", "tree"}
    with drawing():
        axes = draw_pareto(TRIALS, "").axes[0]
    front = next(line for line in axes.lines if line.get_label() == "on the front")
    assert list(front.get_xdata()) == [80, 90, 95]


def test_a_run_without_trials_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="holds no trial yet"):
        write_run_pictures(make_run(tmp_path / "run", []), tmp_path)
    with pytest.raises(RunDirectoryError, match="no trial"):
        write_run_pictures(make_run(tmp_path / "damaged", [{"request": 1}]), tmp_path)
