"""A run directory used again: what was finished there is taken from it, and the rest goes on."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from colt_llvm.builds.project.options import ProjectOptions
from colt_llvm.core.errors import UsageError
from colt_llvm.core.files import write_json
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure import Compared, Interval
from colt_llvm.program.program import Program
from colt_llvm.program.recipe import source_digest
from colt_llvm.run.journal import read_header
from colt_llvm.run.progress import TuneResult

_FILE = "project.json"
#: What of the options decides what is found; time, trials and which files are wanted may differ.
_DECIDES = ("objective", "workloads", "check")
_MAY_DIFFER = ("trials", "workers", "max_calls", "max_tokens", "max_cost")


def enter(run_directory: Path, options: ProjectOptions) -> None:
    """Make the folder and write down what is asked for. Raises UsageError where it was made for something else."""
    new = json.loads(json.dumps(options.to_dict()))
    file = run_directory / _FILE
    if file.exists():
        old: Any = None
        with contextlib.suppress(OSError, ValueError):
            old = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(old, dict) or (differs := _difference(old, new)):
            what = f"made with another {differs}" if isinstance(old, dict) else "cannot be read"
            raise UsageError(f"--run-dir {run_directory}: {what}; use another folder")
    run_directory.mkdir(parents=True, exist_ok=True)
    write_json(file, {"kind": "colt-llvm project", "version": 1, **new})


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    for name in _DECIDES:
        if old.get(name) != new.get(name):
            return {"workloads": "--run or --stdin", "check": "--float-tolerance or --ignore"}.get(name, f"--{name}")
    before, now = old.get("tune") or {}, new.get("tune") or {}
    for name in sorted({*before, *now} - set(_MAY_DIFFER)):
        if before.get(name) != now.get(name):
            return f"--{name.removesuffix('_seconds').removesuffix('_bytes').replace('_', '-')}"
    return ""


def finished_search(folder: Path, program: Program, toolchain: Toolchain, trials: int | None) -> TuneResult | None:
    """The result of a whole search in ``folder`` for the same code; None where there is none."""
    try:
        header = read_header(folder)
        data = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        same = {str(source): source_digest(source) for source in program.sources} == header["sources"]
        if data["interrupted"] or not same or header["llvm"] != toolchain.version:
            return None
        if header["options"]["trials"] != trials:
            return None
        recipe = folder / "recipe.json" if data["recipe"] else None
        interval = Interval(**data["interval"]) if data["interval"] else None
        return TuneResult(
            verdict=data["verdict"], program=data["program"], objective=data["objective"], baseline=data["baseline"],
            ratio=data["ratio"], interval=interval, sequence=tuple(data["sequence"]), pipeline=data["pipeline"],
            figures=data["figures"], found_at_trial=data["found_at_trial"], found_at_seconds=data["found_at_seconds"],
            trials=data["trials"], distinct=data["distinct"], elapsed_seconds=data["elapsed_seconds"],
            failures=data["failures"], run_directory=folder, recipe=recipe, output=None,
            compared=Compared.from_dict(data.get("compared") or {}), miscompile=data.get("miscompile"),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return None
