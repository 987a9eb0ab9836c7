"""What one process of the bench does: the cells of one group, in turn."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import ColtError, CompileError
from colt_llvm.experiments.cells import Cell, Group, failed_record
from colt_llvm.llvm.toolchain import Toolchain

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
    from colt_llvm.experiments.workbench import workbench

    told: set[str] = set()

    def telling(message: tuple[str, Any]) -> None:
        if message[0] == "cell":
            told.add(message[1]["id"])
        tell(message)

    try:
        with workbench(group.program, group.objective, toolchain) as bench:
            _each(group, toolchain, telling, stop, lambda cell: bench.run(cell, runs / cell.id))
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
