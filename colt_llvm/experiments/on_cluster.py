"""The cells of an experiment on the workers of a cluster; only this process writes the folder of results."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from colt_llvm.cluster import Cluster
from colt_llvm.core.errors import ToolchainError
from colt_llvm.experiments.cells import Group, failed_record
from colt_llvm.experiments.runner import run_group
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains
from colt_llvm.program.program import Program

_MOST_CELLS = 64
_PARTS_EACH = 2  # for each task that the cluster does at once, so that all are busy to the end


@dataclass(frozen=True)
class Part:
    """Some cells of one program and objective. files: the program's, by their paths here. llvm: its version."""

    group: Group
    files: Mapping[Path, bytes]
    llvm: str


def run_on_cluster(
    cluster: Cluster, groups: Sequence[Group], toolchain: Toolchain, stop: threading.Event,
    take: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """``take`` each cell's record as its part ends. What ``stop`` interrupts is made again another time.

    Cells that measure run time, and those whose budget is of seconds, go to measuring workers alone, one on each
    host, after all the others have ended.
    """
    threads = sum(cluster.threads().values())
    for timed in (False, True):
        chosen = [some for group in groups if (some := _where_time_counts(group, timed)).cells]
        count = sum(len(group.cells) for group in chosen)
        most = max(1, min(_MOST_CELLS, count // (_PARTS_EACH * threads)))
        parts = [
            Part(replace(group, cells=group.cells[at : at + size]), _files(group.program.program), toolchain.version)
            for group in chosen
            for size in [1 if group.timed else most]
            for at in range(0, len(group.cells), size)
        ]
        if not parts or stop.is_set():
            continue
        for result in cluster.run_cells(make_part, parts, timed=timed, stop=stop):
            part = parts[result.index]
            records = result.value or [
                failed_record(part.group.program, cell, toolchain.version, result.error) for cell in part.group.cells
            ]
            for record in records:
                take(record)


def _where_time_counts(group: Group, timed: bool) -> Group:
    """The group's cells whose result depends on the host's speed, or the others."""
    cells = (cell for cell in group.cells if (group.timed or cell.budget.seconds is not None) is timed)
    return replace(group, cells=tuple(cells))


def make_part(part: Part) -> list[dict[str, Any]]:
    """In a worker. A program whose files are not there under the same paths is made of the bytes that were sent."""
    toolchain = next((found for found in installed_toolchains() if found.version == part.llvm), None)
    if toolchain is None:
        raise ToolchainError(f"this worker has no LLVM {part.llvm}; install it there")
    records: list[dict[str, Any]] = []
    with TemporaryDirectory(prefix="colt-") as folder:
        item = part.group.program
        item = replace(item, program=_placed(item.program, part.files, Path(folder)))
        group = replace(part.group, program=item)

        def tell(message: tuple[str, Any]) -> None:
            if message[0] == "cell":
                records.append(message[1])

        run_group(group, toolchain, Path(folder) / "runs", tell, threading.Event())
    return records


def _files(program: Program) -> dict[Path, bytes]:
    paths = [*program.sources, *program.harness]
    for workload in program.workloads:
        paths += [path for path in (workload.stdin, workload.expected_stdout) if path is not None]
    return {path: path.read_bytes() for path in paths}


def _placed(program: Program, files: Mapping[Path, bytes], folder: Path) -> Program:
    if all(path.is_file() and path.read_bytes() == content for path, content in files.items()):
        return program
    places: dict[Path | None, Path] = {}
    for number, (path, content) in enumerate(files.items()):
        place = folder / str(number) / path.name
        place.parent.mkdir()
        place.write_bytes(content)
        places[path] = place
    workloads = tuple(
        replace(each, stdin=places.get(each.stdin), expected_stdout=places.get(each.expected_stdout))
        for each in program.workloads
    )
    sources, harness = (tuple(places[path] for path in paths) for paths in (program.sources, program.harness))
    return replace(program, sources=sources, harness=harness, workloads=workloads)
