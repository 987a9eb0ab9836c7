"""Folders of results of one experiment from several machines or days, in one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from colt_llvm.core.errors import RunDirectoryError, UsageError
from colt_llvm.core.files import write_json
from colt_llvm.experiments.cells import same_host
from colt_llvm.experiments.results import Results, join_headers, read_cells, read_header
from colt_llvm.objectives.registry import find_objective


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
