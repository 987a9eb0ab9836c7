"""What the user asked for when a project is tuned, checked once."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import UsageError
from colt_llvm.core.files import write_json
from colt_llvm.core.text import refuse_operators
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.objectives.balanced import BALANCED
from colt_llvm.objectives.registry import DEFAULT, find_objective
from colt_llvm.objectives.runtime import RUNTIME
from colt_llvm.objectives.size import LOADED_SIZE
from colt_llvm.program.compilation import Level
from colt_llvm.program.program import Check, Workload

#: The objectives whose figures a whole program has too; how many instructions it has is not counted.
_OF_A_PROGRAM = (RUNTIME.name, BALANCED.name, LOADED_SIZE.name)
DEFAULT_SECONDS = 600.0
_FILE = "project.json"
#: What of the options decides what is found; time, trials and which files are wanted may differ.
_DECIDES = ("objective", "workloads", "check")
_MAY_DIFFER = ("trials", "workers", "max_calls", "max_tokens", "max_cost")


@dataclass(frozen=True)
class ProjectOptions:
    """builds: the user's build command, as words; several run in turn. workloads: ``--run``, the first one timed.

    test: a command that has to succeed on the tuned build, such as the project's own tests. seconds: for everything
    but the builds. only: patterns of sources; empty is all. jobs: units searched at once, where nothing is timed.
    tune: further fields of TuneOptions for every unit; ``trials`` is for each.
    """

    builds: tuple[tuple[str, ...], ...]
    workloads: tuple[Workload, ...]
    objective: str = DEFAULT
    seconds: float = DEFAULT_SECONDS
    only: tuple[str, ...] = ()
    jobs: int = 1
    whole_program: bool = False
    stale_only: bool = False
    test: tuple[str, ...] = ()
    check: Check = field(default_factory=Check)
    tune: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.objective not in _OF_A_PROGRAM:
            raise UsageError(f"--objective {self.objective}: with --build use one of {', '.join(_OF_A_PROGRAM)}")
        if not self.builds or not all(self.builds):
            raise UsageError('--build: say how the project is built, such as --build "make prog"')
        if not self.workloads:
            raise UsageError('--build: needs --run, such as --run "./prog input.txt"')
        self.unit_options(self.seconds)  # refuses what a search would refuse
        if self.jobs < 1:
            raise UsageError(f"--jobs {self.jobs}: use 1 or more")
        for command in (*self.builds, self.test):
            refuse_operators(command)

    def unit_options(self, seconds: float) -> TuneOptions:
        """Of the search of one unit."""
        return TuneOptions(objective=self.objective, seconds=seconds, **self.tune)

    @property
    def level(self) -> Level:
        return find_objective(self.objective).level

    @property
    def timed(self) -> bool:
        return find_objective(self.objective).timed

    def to_dict(self) -> dict[str, Any]:
        data = asdict(self)
        for workload in data["workloads"]:
            for key in ("stdin", "cwd", "expected_stdout"):
                workload[key] = str(workload[key]) if workload[key] is not None else None
        return data


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
