"""Real cells, on a program that is built in a moment: what they prove, and that sharing changes nothing."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if importlib.util.find_spec("compiler_gym") is None:
    pytest.skip("compiler-gym is not installed", allow_module_level=True)

from bench_helpers import OUTPUT, SOURCE, strategy

from colt_llvm.cli.main import run
from colt_llvm.core.errors import ToolchainError
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.experiments.cells import Cell, Group, Point, curve
from colt_llvm.experiments.experiment import Budget, SuiteSpec
from colt_llvm.experiments.results import read_cells
from colt_llvm.experiments.runner import Interrupted, run_group
from colt_llvm.experiments.suites import BenchProgram, gather
from colt_llvm.experiments.timed import run_timed
from colt_llvm.experiments.untimed import RememberingVerifier, UntimedCells, untimed_cells
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    try:
        return find_toolchain()
    except ToolchainError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def item(tmp_path_factory: pytest.TempPathFactory) -> BenchProgram:
    folder = tmp_path_factory.mktemp("single")
    (folder / "tiny.c").write_text(SOURCE)
    (folder / "tiny.reference_output").write_text(OUTPUT + "exit 3\n")
    return gather([SuiteSpec("folder", path=folder)], folder / "place").programs[0]


@pytest.fixture(scope="module")
def cells(toolchain: Toolchain, item: BenchProgram) -> Iterator[UntimedCells]:
    with untimed_cells(item, "instructions", toolchain) as made:
        yield made


def cell(name: str = "colt", seed: int = 1, **budget: Any) -> Cell:
    return Cell("tiny", "instructions", strategy(name, name), Budget(**(budget or {"trials": 8})), seed)


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    curves = [[point[0], *point[2:]] for point in record["curve"]]
    left_out = ("seconds", "took_seconds", "made", "shared_cache", "budget", "id")
    return {key: value for key, value in record.items() if key not in left_out} | {"curve": curves}


def test_searches_that_share_a_service_find_what_each_finds_alone(cells: UntimedCells, tmp_path: Path) -> None:
    cells.builder.forget()
    alone = cells.run(cell(), tmp_path)
    cells.run(cell("random"), tmp_path)
    cells.run(cell(seed=2), tmp_path)
    assert without_times(cells.run(cell(), tmp_path)) == without_times(alone)
    assert alone["shared_cache"]
    assert alone["trials"] == 8
    assert alone["gain"] > 0
    assert alone["checked"] is True
    assert alone["curve"][-1][0] == 8
    assert alone["curve"][-1][4] == alone["gain"]
    assert sum(row["answers"] for row in alone["models"].values()) == 8
    counts = alone["figures"]["instructions"]
    assert counts[0] == alone["baseline"]["instructions"] > counts[1]


def test_a_budget_of_seconds_begins_with_nothing_known(cells: UntimedCells, tmp_path: Path) -> None:
    cells.run(cell("random"), tmp_path)
    before = cells.builder._env.counters()["states"]
    made = cells.run(cell("random", seconds=0.001), tmp_path)
    assert cells.builder._env.counters()["states"] < before
    assert not made["shared_cache"]


def test_a_wrong_program_is_no_gain(cells: UntimedCells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: Any, **__: Any) -> bool:
        raise Miscompiled("workload default: output line 1")

    monkeypatch.setattr(RememberingVerifier, "check", wrong)
    cells.prover._rebuilt.clear()
    made = cells.run(cell(), tmp_path)
    cells.prover._rebuilt.clear()
    assert made["gain"] == 0.0
    assert made["checked"] is False
    assert made["rejected"] > 0
    assert [point[4] for point in made["curve"]] == [0.0]
    assert made["sequence"] == []


def test_the_curve_ends_at_the_proof_and_leaves_out_what_was_rejected() -> None:
    points = [
        Point(0.1, 0.0, 10.0, None, "a"), Point(0.2, 1.0, 20.0, 0.5, "b"), Point(0.3, 2.0, 30.0, 0.2, "c"),
        Point(0.4, 2.0, 40.0, 0.31, "d"), Point(0.5, 3.0, 50.0, 0.1, "e"),
    ]  # fmt: skip
    assert curve(points, {"b"}, 0.3, 0.6) == [
        [3, 0.3, 2.0, 30.0, 0.2], [4, 0.4, 2.0, 40.0, 0.3], [5, 0.6, 3.0, 50.0, 0.3],
    ]  # fmt: skip
    assert curve([], set(), 0.0, 0.0) == [[0, 0.0, 0.0, 0.0, 0.0]]


def test_a_whole_tune_is_a_cell_that_can_be_gone_on_with(
    toolchain: Toolchain, item: BenchProgram, tmp_path: Path
) -> None:
    made = Cell("tiny", "size", strategy("random"), Budget(trials=3), 1)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        run_timed(Group(item, "size", (made,)), made, toolchain, tmp_path / "run", stop)
    record = run_timed(Group(item, "size", (made,)), made, toolchain, tmp_path / "run", threading.Event())
    assert record["status"] == "done"
    assert record["trials"] == 3
    assert record["curve"][-1][0] == 3
    assert record["curve"][-1][4] == record["gain"]
    assert record["baseline"]["size"] == record["figures"]["size"][0]


@pytest.mark.parametrize(
    ("source", "reference", "said"),
    [
        ("int main(void) { return x; }", None, "error: use of undeclared identifier 'x'"),
        (SOURCE, OUTPUT + "exit 0\n", "ends with exit status 3 instead of 0; say so in its reference_output"),
        (SOURCE, "1 1\nexit 3\n", "the baseline itself gives the wrong output"),
    ],
)
def test_a_program_that_cannot_be_verified_fails_its_cells_alone(
    toolchain: Toolchain, tmp_path: Path, source: str, reference: str | None, said: str
) -> None:
    (tmp_path / "bad.c").write_text(source)
    if reference:
        (tmp_path / "bad.reference_output").write_text(reference)
    bad = gather([SuiteSpec("folder", path=tmp_path)], tmp_path / "place").programs[0]
    cells = tuple(Cell("bad", "size", strategy("random"), Budget(trials=2), seed) for seed in (1, 2))
    told: list[tuple[str, Any]] = []
    run_group(Group(bad, "size", cells), toolchain, tmp_path, told.append, threading.Event())
    assert [kind for kind, _ in told] == ["cell", "cell"]
    for _, record in told:
        assert record["status"] == "failed"
        assert said in record["error"]
        assert "\n" not in record["error"]


def test_the_command_makes_cells_once_and_extends_them(
    toolchain: Toolchain, item: BenchProgram, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "e.toml").write_text(
        'budgets = [{ trials = 3 }]\nseeds = [1]\n[[suite]]\nkind = "folder"\n'
        f'path = "{item.program.sources[0].parent}"\n'
        'programs = ["tiny"]\n[[strategy]]\nstrategy = "random"\n[[strategy]]\nstrategy = "greedy"\n'
    )
    line = ["bench", "run", str(tmp_path / "e.toml"), "-o", str(tmp_path / "r"), "--jobs", "1"]
    assert run([*line, "--strategies", "random"]) == 0
    first = {file.name: file.read_bytes() for file in (tmp_path / "r" / "cells").iterdir()}
    assert "1 cells made, 0 of them failed" in capsys.readouterr().err
    assert run(line) == 0
    assert "2 cells, 1 there already, 1 to make" in capsys.readouterr().err
    found = list(read_cells(tmp_path / "r"))
    assert [record["strategy"] for record in found] == ["greedy", "random"]
    assert all(record["status"] == "done" and record["checked"] for record in found)
    assert {name: (tmp_path / "r" / "cells" / name).read_bytes() for name in first} == first
    assert run(["bench", "status", str(tmp_path / "r"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["done"] == 2
