"""Groups of cells, on processes side by side or workers of a cluster; this one writes each cell as it arrives."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from colt_llvm.cluster import Cluster
from colt_llvm.core.errors import ColtError, CompileError, ToolchainError
from colt_llvm.experiments.cells import Cell, Group, failed_record
from colt_llvm.experiments.results import Results
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains
from colt_llvm.program.program import Program

_POLL_SECONDS = 0.5
#: The longest part of a program's cells that one process or worker makes; shorter parts keep all busy to the end.
_MOST_CELLS = 64


@dataclass
class Tally:
    """How far an experiment is; what a view shows of it. seconds: since this run of it began."""

    wanted: int
    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    last: str = ""


@dataclass
class _Worker:
    """A process and what it has yet to tell of."""

    process: SpawnProcess
    group: Group
    left: dict[str, Cell]
    current: str = ""
    told_to_stop: bool = False


def run_groups(
    groups: Sequence[Group],
    results: Results,
    toolchain: Toolchain,
    *,
    workers: int | Cluster,
    stop: threading.Event,
    on_cell: Callable[[Tally, dict[str, Any]], None] = lambda tally, record: None,
) -> Tally:
    """Make the cells of all groups. Those that measure run time come last, one at a time.

    stop: the cells under way still end, and what is done is kept. A process that dies fails the cell that it was at,
    and another one goes on with the rest. workers: so many processes of this machine, or those of a cluster.
    """
    tally = Tally(sum(len(group.cells) for group in groups))
    began = time.monotonic()

    def take(record: dict[str, Any]) -> None:
        results.write(record)
        tally.done += 1
        tally.failed += record["status"] == "failed"
        tally.seconds = time.monotonic() - began
        tally.last = record["id"]
        on_cell(tally, record)

    if not isinstance(workers, int):
        run_on_cluster(workers, groups, toolchain, stop, take)
        return tally
    untimed = [group for group in groups if not group.timed]
    timed = [group for group in groups if group.timed]
    for chosen, side_by_side in ((untimed, workers), (timed, 1)):
        parts = [part for group in chosen for part in (_parts(group) if side_by_side > 1 else [group])]
        _run(deque(parts), results, toolchain, side_by_side, stop, take)
    return tally


def _parts(group: Group) -> list[Group]:
    count = -(-len(group.cells) // _MOST_CELLS)
    size = -(-len(group.cells) // count)
    return [replace(group, cells=group.cells[at : at + size]) for at in range(0, len(group.cells), size)]


def _run(
    waiting: deque[Group],
    results: Results,
    toolchain: Toolchain,
    jobs: int,
    stop: threading.Event,
    take: Callable[[dict[str, Any]], None],
) -> None:
    active: dict[Connection, _Worker] = {}
    try:
        while active or (waiting and not stop.is_set()):
            while waiting and len(active) < jobs and not stop.is_set():
                connection, worker = _start(waiting.popleft(), results, toolchain)
                active[connection] = worker
            for ready in wait(list(active), timeout=_POLL_SECONDS):
                assert isinstance(ready, Connection)
                worker = active[ready]
                if not _receive(ready, worker, take):
                    del active[ready]
                    ready.close()
                    worker.process.join()
                    rest = _after(worker, toolchain, take)
                    if rest is not None and not stop.is_set():
                        waiting.appendleft(rest)
            if stop.is_set():
                for connection, worker in active.items():
                    _tell_to_stop(connection, worker)
    finally:
        for connection, worker in active.items():
            worker.process.kill()
            worker.process.join()
            connection.close()


def _start(group: Group, results: Results, toolchain: Toolchain) -> tuple[Connection, _Worker]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=serve, args=(theirs, group, toolchain, results.folder / "runs"), name=f"{group.program.name}"
    )
    process.start()
    theirs.close()
    return ours, _Worker(process, group, {cell.id: cell for cell in group.cells})


def _receive(connection: Connection, worker: _Worker, take: Callable[[dict[str, Any]], None]) -> bool:
    """One message; False where there will be no more."""
    try:
        kind, content = connection.recv()
    except (EOFError, OSError):
        return False
    if kind == "begin":
        worker.current = content
    else:
        worker.left.pop(content["id"], None)
        worker.current = ""
        take(content)
    return True


def _after(worker: _Worker, toolchain: Toolchain, take: Callable[[dict[str, Any]], None]) -> Group | None:
    """What to do again of a process that has ended. One that died fails the cell it was at, or all of them."""
    if not worker.left or worker.process.exitcode == 0:
        return None
    why = f"the process that made this cell ended with {_how(worker.process.exitcode)}; try it again with --retry"
    lost = [worker.left[worker.current]] if worker.current in worker.left else list(worker.left.values())
    for cell in lost:
        take(failed_record(worker.group.program, cell, toolchain.version, why))
        del worker.left[cell.id]
    return replace(worker.group, cells=tuple(worker.left.values())) if worker.left else None


def _how(status: int | None) -> str:
    with contextlib.suppress(TypeError, ValueError):
        return signal.Signals(-status).name  # type: ignore[operator]
    return f"exit status {status}"


def _tell_to_stop(connection: Connection, worker: _Worker) -> None:
    if not worker.told_to_stop:
        worker.told_to_stop = True
        with contextlib.suppress(OSError):
            connection.send("stop")


def default_jobs() -> int:
    """One for each core that this process may use."""
    return len(os.sched_getaffinity(0))


#: ("begin", cell id) before a cell, ("cell", content of its file) after it.
Tell = Callable[[tuple[str, Any]], None]
Make = Callable[[Cell], dict[str, Any]]


def serve(connection: Connection, group: Group, toolchain: Toolchain, runs: Path) -> None:
    """The whole of a child process. Ctrl-C is for its parent, which sends "stop"; the cell under way still ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = threading.Event()

    def listen() -> None:
        with contextlib.suppress(EOFError, OSError):  # where the parent is gone
            connection.recv()
        stop.set()

    threading.Thread(target=listen, daemon=True).start()
    run_group(group, toolchain, runs, connection.send, stop)


def run_group(group: Group, toolchain: Toolchain, runs: Path, tell: Tell, stop: threading.Event) -> None:
    """Make the cells and tell of each. Nothing that a program or a strategy does ends more than its own cells.

    runs: where cells that are a whole ``tune`` have their run directories.
    """
    if group.timed:
        from colt_llvm.experiments.timed import run_timed

        _each(group, toolchain, tell, stop, lambda cell: run_timed(group, cell, toolchain, runs / cell.id, stop))
        return
    from colt_llvm.experiments.untimed import untimed_cells

    told: set[str] = set()

    def telling(message: tuple[str, Any]) -> None:
        if message[0] == "cell":
            told.add(message[1]["id"])
        tell(message)

    try:
        with untimed_cells(group.program, group.objective, toolchain) as cells:
            _each(group, toolchain, telling, stop, lambda cell: cells.run(cell, runs / cell.id))
    except Exception as error:
        for cell in group.cells:
            if cell.id not in told:
                tell(("cell", failed_record(group.program, cell, toolchain.version, describe(error))))


def _each(group: Group, toolchain: Toolchain, tell: Tell, stop: threading.Event, make: Make) -> None:
    for cell in group.cells:
        if stop.is_set():
            return
        tell(("begin", cell.id))
        try:
            record = make(cell)
        except Interrupted:
            return
        except Exception as error:
            record = failed_record(group.program, cell, toolchain.version, describe(error))
        tell(("cell", record))


class Interrupted(ColtError):
    """The cell was stopped before its end; it can be gone on with."""


def describe(error: BaseException) -> str:
    """One line: what failed, and the compiler's own first complaint."""
    said = str(error) if isinstance(error, ColtError) else f"{type(error).__name__}: {error}"
    if isinstance(error, CompileError) and error.diagnostics:
        lines = error.diagnostics.strip().splitlines()
        said += f": {next((line for line in lines if 'error' in line), lines[0])}"
    return " ".join(said.split())


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
