"""The folder of results of an experiment.

    experiment.json   what was asked for, and every cell of it
    cells/ID.json     one finished cell each, whole or not there
    runs/ID/          run directory of a cell that was a whole ``tune``
    suites/           what suites had to write: generated programs, expected outputs

One process at a time works on it. A folder belongs to one version of LLVM, a program in it has one content, and a
label one meaning: whatever differs is refused, and no table mixes the two.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from types import TracebackType
from typing import Any

from colt_llvm.core.errors import RunDirectoryError, UsageError
from colt_llvm.core.files import write_json
from colt_llvm.experiments.cells import KIND, VERSION, Cell, same_host, settings_of
from colt_llvm.experiments.experiment import Experiment
from colt_llvm.experiments.suites import BenchProgram
from colt_llvm.measure.host import fingerprint
from colt_llvm.objectives.registry import find_objective

EXPERIMENT_KIND = "colt-llvm bench experiment"


@dataclass
class Results:
    """A folder that this process has locked. Close it, or use it in a ``with``.

    header: experiment.json: parts (the experiments asked for, in turn), cells (id -> place in the product),
    strategies (label -> settings), programs (name -> suite, split, family, digest), llvm, host.
    """

    folder: Path
    header: dict[str, Any]
    _lock: int = -1

    @staticmethod
    def open(folder: Path) -> Results:
        """Make the folder, or go on with it. Raises RunDirectoryError where it is in use or holds something else."""
        folder = folder.absolute()
        try:
            for part in ("cells", "runs", "suites"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise RunDirectoryError(
                f"{folder}: {error.strerror}; choose a folder for results that can be written"
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise RunDirectoryError(f"{folder}: another process is at work on it; let it end first") from None
        try:
            header = read_header(folder) if (folder / "experiment.json").exists() else _new_header()
        except BaseException:
            os.close(lock)
            raise
        return Results(folder, header, lock)

    def extend(
        self, experiment: Experiment, programs: Sequence[BenchProgram], cells: Sequence[Cell], llvm: str
    ) -> None:
        """Add what was asked for now. Raises UsageError where it means something else than what is there."""
        by_name = {item.name: item for item in programs}
        asked = {
            "llvm": llvm,
            "host": asdict(fingerprint()),
            "strategies": {cell.strategy.label: settings_of(cell.strategy) for cell in cells},
            "programs": {name: _program_entry(item) for name, item in by_name.items()},
            "cells": {cell.id: _cell_entry(cell) for cell in cells},
        }
        joined = join_headers(self.header, asked, str(self.folder), "what is asked for now")
        part = experiment.to_dict()
        parts = self.header["parts"] + ([part] if part not in self.header["parts"] else [])
        self.header = {**joined, "parts": parts}
        write_json(self.folder / "experiment.json", self.header)

    def missing(self, cells: Sequence[Cell], *, retry: bool = False) -> list[Cell]:
        """Those without a file; with ``retry`` also those that failed."""
        return [cell for cell in cells if not self._is_there(cell.id, retry)]

    def _is_there(self, cell_id: str, retry: bool) -> bool:
        record = read_cell(self.folder / "cells" / f"{cell_id}.json")
        return record is not None and not (retry and record["status"] == "failed")

    def write(self, record: Mapping[str, Any]) -> None:
        """In one piece. Raises RunDirectoryError."""
        write_json(self.folder / "cells" / f"{record['id']}.json", record)

    def run_folder(self, cell: Cell) -> Path:
        return self.folder / "runs" / cell.id

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Results:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_header(folder: Path) -> dict[str, Any]:
    """experiment.json, for readers too. Raises RunDirectoryError."""
    file = folder / "experiment.json"
    try:
        header = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunDirectoryError(f"{folder}: holds no results; name a folder that bench run made") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunDirectoryError(f"{file}: cannot be read ({error}); choose another folder") from None
    if not isinstance(header, dict) or header.get("kind") != EXPERIMENT_KIND or header.get("version") != VERSION:
        raise RunDirectoryError(f"{file}: was not written by this version of colt-llvm; choose another folder")
    return header


def read_cell(file: Path) -> dict[str, Any] | None:
    """One cell; None where it is missing, torn, or something else: then it does not count."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or record.get("kind") != KIND or record.get("version") != VERSION:
        return None
    return record if record.get("status") in ("done", "failed") and record.get("id") == file.stem else None


def read_cells(folder: Path) -> Iterator[dict[str, Any]]:
    """All cells of a folder in the order of their names; those that do not count are left out."""
    for file in sorted((folder / "cells").glob("*.json")):
        record = read_cell(file)
        if record is not None:
            yield record


def join_headers(ours: Mapping[str, Any], theirs: Mapping[str, Any], name: str, other: str) -> dict[str, Any]:
    """Both in one. name, other: what to call them. Raises UsageError where they do not belong together."""
    if not ours["cells"]:
        return {**_new_header(), **theirs}
    if ours["llvm"] != theirs["llvm"]:
        raise UsageError(
            f"{name} was made with LLVM {ours['llvm']}, and {other} with {theirs['llvm']}; use one LLVM (--llvm-prefix)"
        )
    for label, settings in theirs["strategies"].items():
        if ours["strategies"].get(label, settings) != settings:
            raise UsageError(f"{name} has a strategy {label!r} with other settings than {other}; give it another label")
    for program, entry in theirs["programs"].items():
        if ours["programs"].get(program, entry)["digest"] != entry["digest"]:
            raise UsageError(
                f"program {program} is not the same in {name} and in {other}; use another folder, or rename it"
            )
    timed = [header for header in (ours, theirs) if _is_timed(header)]
    if len(timed) == 2 and not same_host(ours["host"], theirs["host"]):
        raise UsageError(f"{name} and {other} measured times on unlike hosts; keep them apart")
    merged = {key: {**ours[key], **theirs[key]} for key in ("strategies", "programs", "cells")}
    return {**ours, **merged, "host": timed[0]["host"] if timed else ours["host"]}


def _is_timed(header: Mapping[str, Any]) -> bool:
    """Whether a time decides anything: the run time of programs, or the seconds that searches had."""
    return any(
        find_objective(cell["objective"]).timed or "seconds" in cell["budget"] for cell in header["cells"].values()
    )


def _new_header() -> dict[str, Any]:
    empty: dict[str, Any] = {"llvm": "", "host": {}, "strategies": {}, "programs": {}, "cells": {}}
    return {"kind": EXPERIMENT_KIND, "version": VERSION, "parts": [], **empty}


def _program_entry(item: BenchProgram) -> dict[str, str]:
    return {"suite": item.suite, "split": item.program.split, "family": item.program.family, "digest": item.digest}


def _cell_entry(cell: Cell) -> dict[str, Any]:
    return {
        "program": cell.program, "objective": cell.objective, "strategy": cell.strategy.label,
        "budget": cell.budget.to_dict(), "seed": cell.seed,
    }  # fmt: skip


@dataclass(frozen=True)
class Status:
    """Cells by what is known of them. failed: id -> reason. seconds_left: with ``jobs`` processes; None before any."""

    wanted: int
    done: int
    failed: dict[str, str]
    missing: tuple[str, ...]
    seconds_left: float | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "cells": self.wanted, "done": self.done, "failed": self.failed, "missing": list(self.missing),
            "seconds_left": self.seconds_left,
        }  # fmt: skip


def status_of(folder: Path, jobs: int) -> Status:
    """Raises RunDirectoryError for a folder without results."""
    wanted = read_header(folder)["cells"]
    took: dict[tuple[str, str], list[float]] = defaultdict(list)
    failed: dict[str, str] = {}
    missing: list[str] = []
    done = 0
    for cell_id, entry in wanted.items():
        record = read_cell(folder / "cells" / f"{cell_id}.json")
        if record is None:
            missing.append(cell_id)
        elif record["status"] == "failed":
            failed[cell_id] = record["error"]
        else:
            done += 1
            took[_kind(entry)].append(float(record["took_seconds"]))
    every = [seconds for values in took.values() for seconds in values]
    left: float | None = None
    if every or not missing:
        left = 0.0
        for cell_id in missing:
            entry = wanted[cell_id]
            left += fmean(took.get(_kind(entry)) or every) / (1 if find_objective(entry["objective"]).timed else jobs)
    return Status(len(wanted), done, failed, tuple(missing), left)


def _kind(entry: dict[str, Any]) -> tuple[str, str]:
    """Cells that take about the same time."""
    return entry["objective"], str(entry["budget"])


def duration(seconds: float) -> str:
    """``45 s``, ``12 min`` or ``3.2 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def merge(folders: Sequence[Path], output: Path) -> int:
    """Write everything to ``output``, which may hold results already. Returns how many cells it has.

    A cell that is done goes before one that failed, and of two that are done the earlier folder's. Refuses unlike
    versions of LLVM, one label with two meanings, programs that differ, and where a time decides, unlike hosts.
    Raises UsageError, RunDirectoryError.
    """
    if not folders:
        raise UsageError("name the folders of results that are to be merged")
    for folder in folders:
        if folder.resolve() == output.resolve():
            raise UsageError(f"-o {output}: is merged from too; choose another folder")
    headers = [read_header(folder) for folder in folders]
    with Results.open(output) as merged:
        header = merged.header
        for folder, theirs in zip(folders, headers, strict=True):
            name = str(output if merged.header["cells"] else folders[0])
            joined = join_headers(header, theirs, name, str(folder))
            parts = header["parts"] + [part for part in theirs["parts"] if part not in header["parts"]]
            header = {**joined, "parts": parts}
        _refuse_unlike_hosts([*folders, output])
        write_json(output / "experiment.json", header)
        merged.header = header
        known = {record["id"]: record for record in read_cells(output)}
        for folder in folders:
            for record in read_cells(folder):
                before = known.get(record["id"])
                if before is None or (before["status"] == "failed" and record["status"] == "done"):
                    known[record["id"]] = record
                    _copy_run(folder / "runs" / record["id"], output / "runs" / record["id"])
                    merged.write(record)
        return len(known)


def _refuse_unlike_hosts(folders: Sequence[Path]) -> None:
    """By the cells themselves: a header names the host of one of several runs."""
    first: tuple[Path, dict[str, object]] | None = None
    for folder in folders:
        for record in read_cells(folder):
            if not find_objective(record["objective"]).timed and "seconds" not in record["budget"]:
                continue
            if first is None:
                first = folder, record["host"]
            elif not same_host(first[1], record["host"]):
                raise UsageError(f"{first[0]} and {folder} measured times on unlike hosts; keep them apart")


def _copy_run(source: Path, place: Path) -> None:
    if not source.is_dir():
        return
    try:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(source, place)
    except OSError as error:
        raise RunDirectoryError(f"{place}: {error.strerror or error}; free some space, or choose another -o") from None
