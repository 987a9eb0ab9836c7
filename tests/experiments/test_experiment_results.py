"""Folders of results: resumed, extended, merged, and never half believed."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bench_helpers as helpers
import pytest
from bench_helpers import cell, experiment, failure, program, record, stand_in, strategy

from colt_llvm.cli.main import run
from colt_llvm.core.errors import RunDirectoryError, UsageError
from colt_llvm.experiments import runner
from colt_llvm.experiments.cells import Cell, Group
from colt_llvm.experiments.results import Results, duration, merge, read_cell, read_cells, read_header, status_of
from colt_llvm.program.program import Program

CELLS = [cell("one", 1), cell("one", 2), cell("two", 1), cell("two", 2)]

NO_TOOLCHAIN: Any = SimpleNamespace(version=helpers.LLVM)


def filled(folder: Path, cells: list[Cell] = CELLS, llvm: str = helpers.LLVM, digest: str = "d1") -> Path:
    """A folder that has all of these cells."""
    with Results.open(folder) as results:
        results.extend(experiment(), [program(digest=digest)], cells, llvm)
        for made in cells:
            results.write(record(made, took_seconds=2.0))
    return folder


def test_only_what_is_missing_is_made_again(tmp_path: Path) -> None:
    with Results.open(tmp_path / "r") as results:
        assert results.missing(CELLS) == CELLS
        results.write(record(CELLS[0]))
        results.write(failure(CELLS[1]))
        assert results.missing(CELLS) == CELLS[2:]
        assert results.missing(CELLS, retry=True) == CELLS[1:]


@pytest.mark.parametrize("damage", ["", "{", '{"kind": "colt-llvm bench cell"', "[]", '{"kind": "else"}'])
def test_a_torn_or_foreign_file_is_no_cell(tmp_path: Path, damage: str) -> None:
    with Results.open(tmp_path / "r") as results:
        results.write(record(CELLS[0]))
        file = results.folder / "cells" / f"{CELLS[0].id}.json"
        assert read_cell(file) is not None
        file.write_text(damage)
        assert results.missing(CELLS[:1]) == CELLS[:1]
        assert list(read_cells(results.folder)) == []


def test_a_cell_under_another_name_does_not_count(tmp_path: Path) -> None:
    with Results.open(tmp_path / "r") as results:
        results.write(record(CELLS[0]))
        (results.folder / "cells" / f"{CELLS[0].id}.json").rename(results.folder / "cells" / f"{CELLS[1].id}.json")
        assert results.missing(CELLS[:2]) == CELLS[:2]


def test_one_process_at_a_time_works_on_a_folder(tmp_path: Path) -> None:
    with Results.open(tmp_path / "r"), pytest.raises(RunDirectoryError, match="another process is at work on it"):
        Results.open(tmp_path / "r")
    Results.open(tmp_path / "r").close()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "experiment.json").write_text("{}")
    with pytest.raises(RunDirectoryError, match="not written by this version"):
        Results.open(tmp_path)
    with pytest.raises(RunDirectoryError, match="holds no results"):
        status_of(tmp_path / "none", 1)


def test_a_larger_experiment_extends_a_smaller_one(tmp_path: Path) -> None:
    folder = filled(tmp_path / "r")
    more = [*CELLS, cell("three", 1)]
    with Results.open(folder) as results:
        results.extend(experiment(seeds=(1, 2, 3)), [program()], more, helpers.LLVM)
        assert results.missing(more) == more[4:]
    header = read_header(folder)
    assert set(header["cells"]) == {made.id for made in more}
    assert set(header["strategies"]) == {"one", "two", "three"}
    assert len(header["parts"]) == 2


@pytest.mark.parametrize(
    ("cells", "digest", "llvm", "said"),
    [
        (CELLS, "d1", "19.1.0", "with LLVM 22.1.0, and what is asked for now with 19.1.0"),
        (CELLS, "d2", helpers.LLVM, "program alpha is not the same"),
        (
            [Cell("alpha", "size", strategy("one", "genetic"), CELLS[0].budget, 1)],
            "d1",
            helpers.LLVM,
            "'one' with other",
        ),
    ],
)
def test_what_means_something_else_is_refused(
    tmp_path: Path, cells: list[Cell], digest: str, llvm: str, said: str
) -> None:
    folder = filled(tmp_path / "r")
    before = (folder / "experiment.json").read_text()
    with Results.open(folder) as results, pytest.raises(UsageError, match=said):
        results.extend(experiment(), [program(digest=digest)], cells, llvm)
    assert (folder / "experiment.json").read_text() == before


def test_merging_takes_what_is_done_over_what_failed(tmp_path: Path) -> None:
    one, two = filled(tmp_path / "one", CELLS[:2]), filled(tmp_path / "two", CELLS[1:])
    with Results.open(one) as results:
        results.write(failure(CELLS[1]))
    run_folder = two / "runs" / CELLS[1].id
    run_folder.mkdir()
    (run_folder / "run.json").write_text("{}")
    assert merge([one, two], tmp_path / "all") == 4
    merged = {item["id"]: item["status"] for item in read_cells(tmp_path / "all")}
    assert merged == {made.id: "done" for made in CELLS}
    assert (tmp_path / "all" / "runs" / CELLS[1].id / "run.json").exists()
    status = status_of(tmp_path / "all", 2)
    assert (status.wanted, status.done, status.missing) == (4, 4, ())


def test_merging_refuses_unlike_llvm(tmp_path: Path) -> None:
    one, two = filled(tmp_path / "one", CELLS[:2]), filled(tmp_path / "two", CELLS[2:], llvm="19.1.0")
    with pytest.raises(UsageError, match="use one LLVM"):
        merge([one, two], tmp_path / "all")


@pytest.mark.parametrize(
    ("budget", "objective", "refused"),
    [({"trials": 5}, "size", False), ({"seconds": 1.0}, "size", True), ({"trials": 5}, "runtime", True)],
)
def test_merging_refuses_unlike_hosts_where_a_time_decides(
    tmp_path: Path, budget: dict[str, Any], objective: str, refused: bool
) -> None:
    made = [cell("one", seed, objective=objective, **budget) for seed in (1, 2)]
    one, two = filled(tmp_path / "one", made[:1]), filled(tmp_path / "two", made[1:])
    for file in (two / "cells").glob("*.json"):
        data = json.loads(file.read_text())
        data["host"]["cpu"] = "another"
        file.write_text(json.dumps(data))
    if refused:
        with pytest.raises(UsageError, match="unlike hosts"):
            merge([one, two], tmp_path / "all")
    else:
        assert merge([one, two], tmp_path / "all") == 2


def test_status_says_what_is_missing_failed_and_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "r"
    with Results.open(folder) as results:
        results.extend(experiment(), [program()], CELLS, helpers.LLVM)
        results.write(record(CELLS[0], took_seconds=6.0))
        results.write(failure(CELLS[1]))
    status = status_of(folder, jobs=2)
    assert (status.done, status.missing) == (1, (CELLS[2].id, CELLS[3].id))
    assert status.failed == {CELLS[1].id: "does not compile"}
    assert status.seconds_left == pytest.approx(6.0)  # two cells of 6 s, two at once
    assert run(["bench", "status", str(folder), "--jobs", "2"]) == 0
    said = capsys.readouterr().out
    assert "4 cells: 1 done, 1 failed, 2 missing, about 6 s left" in said
    assert "does not compile" in said
    assert [duration(5), duration(600), duration(9000)] == ["5 s", "10 min", "2.5 h"]


@pytest.fixture
def stand_in_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "serve", stand_in)


@pytest.mark.usefixtures("stand_in_workers")
def test_a_process_that_dies_costs_the_cell_that_it_was_at(tmp_path: Path) -> None:
    cells = (cell("one", 1), cell("dies", 1), cell("two", 1))
    with Results.open(tmp_path / "r") as results:
        tally = runner.run_groups(
            [Group(program(), "size", cells)], results, NO_TOOLCHAIN, workers=2, stop=threading.Event()
        )  # fmt: skip
        found = {item["strategy"]: item for item in read_cells(results.folder)}
    assert (tally.done, tally.failed) == (3, 1)
    assert found["dies"]["status"] == "failed"
    assert "ended with exit status 7; try it again with --retry" in found["dies"]["error"]
    assert found["one"]["status"] == found["two"]["status"] == "done"


@pytest.mark.usefixtures("stand_in_workers")
def test_what_is_done_when_it_is_stopped_is_kept(tmp_path: Path) -> None:
    cells = (cell("one", 1), cell("waits", 1), cell("two", 1))
    stop = threading.Event()

    def on_cell(tally: runner.Tally, made: dict[str, Any]) -> None:
        stop.set()

    with Results.open(tmp_path / "r") as results:
        groups = [Group(program(), "size", cells), Group(program("beta"), "size", (cell(name="beta"),))]
        runner.run_groups(groups, results, NO_TOOLCHAIN, workers=1, stop=stop, on_cell=on_cell)
        assert {item["strategy"] for item in read_cells(results.folder)} == {"one", "waits"}
        assert len(results.missing(list(cells))) == 1


def test_long_groups_are_shared_out_and_nothing_is_lost() -> None:
    cells = tuple(cell("one", seed) for seed in range(150))
    parts = runner._parts(Group(program(), "size", cells))
    assert [len(part.cells) for part in parts] == [50, 50, 50]
    assert [made for part in parts for made in part.cells] == list(cells)


def test_on_a_cluster_what_a_time_decides_goes_to_measuring_workers(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    from colt_llvm.experiments.runner import run_on_cluster

    sent: list[tuple[bool, list[str]]] = []

    class Workers:
        def threads(self) -> dict[str, int]:
            return {"a": 1, "b": 1}

        def run_cells(self, function: Any, parts: Any, *, timed: bool, stop: Any) -> Any:
            for index, part in enumerate(parts):
                sent.append((timed, [made.id for made in part.group.cells]))
                value = [record(made) for made in part.group.cells] if index else None
                yield SimpleNamespace(index=index, value=value, error="" if index else "the worker died")

    source = tmp_path / "alpha.c"
    source.write_text("int main(void) { return 0; }\n")
    item = replace(program(), program=Program("alpha", (source,)))
    slow, quick = cell(seconds=1.0), cell("two")
    timed = cell("one", objective="runtime")
    taken: list[dict[str, Any]] = []
    groups = [Group(item, "size", (slow, quick)), Group(item, "runtime", (timed,))]
    cluster: Any = Workers()
    run_on_cluster(cluster, groups, NO_TOOLCHAIN, threading.Event(), taken.append)
    assert sent == [(False, [quick.id]), (True, [slow.id]), (True, [timed.id])]
    assert {made["id"]: made["status"] for made in taken} == {
        quick.id: "failed", slow.id: "failed", timed.id: "done",
    }  # fmt: skip
