"""What the user asks for when a project is tuned, and how it is run."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from colt_llvm.models.base import ModelSpec
    from colt_llvm.run.progress import Progress

#: The objectives whose figures a whole program has too; how many instructions it has is not counted.
_OF_A_PROGRAM = (RUNTIME.name, BALANCED.name, LOADED_SIZE.name)
DEFAULT_SECONDS = 600.0
#: Shares of the time: for the profile, and for the proof of the whole program where it is timed.
PROFILE_SHARE, PROOF_SHARE = 0.05, 0.25
_FILE, _VERSION = "project.json", 1
#: What of the options decides what is found; time, trials and which files are wanted may differ.
_DECIDES = ("objective", "workloads", "check")
_MAY_DIFFER = ("trials", "workers", "max_calls", "max_tokens", "max_cost", "store")


#: Title of a search -> a view of it while it runs.
View = Callable[[str], AbstractContextManager["Callable[[Progress], None] | None"]]


@dataclass(frozen=True)
class ProjectRun:
    """How one ``tune --build`` is run: where it writes, which models it asks, how it is shown and stopped."""

    directory: Path  # run directory
    models: Sequence[ModelSpec] | None  # None: the strategy's own
    view: View
    report: Callable[[str], None]  # prints a line about the progress
    stop: threading.Event  # once set, what was found until then is proved, and the run ends


@dataclass(frozen=True)
class ProjectOptions:
    """What the user asks for. Raises UsageError."""

    builds: tuple[tuple[str, ...], ...]  # the project's build command as words; several are run in turn
    workloads: tuple[Workload, ...]  # each ``--run``; the first one is timed
    objective: str = DEFAULT
    seconds: float = DEFAULT_SECONDS  # for everything but the builds
    only: tuple[str, ...] = ()  # patterns of sources; empty is all
    jobs: int = 1  # units searched at once, where nothing is timed
    whole_program: bool = False  # tune all units as one module
    stale_only: bool = False  # only units whose recipe is stale
    test: tuple[str, ...] = ()  # a command that must succeed on the tuned build, such as the project's own tests
    check: Check = field(default_factory=Check)
    tune: Mapping[str, Any] = field(default_factory=dict)  # further fields of TuneOptions, for the search of each unit

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
        """Options of the search of one unit, or of the whole program."""
        return TuneOptions(objective=self.objective, seconds=seconds, **self.tune)

    @property
    def level(self) -> Level:
        """The baseline's level."""
        return find_objective(self.objective).level

    @property
    def timed(self) -> bool:
        """Whether programs are timed; else their size decides."""
        return find_objective(self.objective).timed

    @property
    def search_seconds(self) -> float:
        """Of ``seconds``, those for profile and searches; the proof has the rest."""
        return self.seconds * (1 - PROOF_SHARE if self.timed else 1.0)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        data = asdict(self)
        for workload in data["workloads"]:
            for key in ("stdin", "cwd", "expected_stdout"):
                workload[key] = str(workload[key]) if workload[key] is not None else None
        return data


def enter(run_directory: Path, options: ProjectOptions) -> None:
    """Make the run directory and record the options; one that is there has to be for the same. Raises UsageError."""
    new = json.loads(json.dumps(options.to_dict()))
    file = run_directory / _FILE
    if file.exists():
        old: Any = None
        with contextlib.suppress(OSError, ValueError):
            old = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(old, dict) or (differs := _difference(old, new)):
            what = f"made with another {differs}" if isinstance(old, dict) else f"its {_FILE} cannot be read"
            raise UsageError(f"--run-dir {run_directory}: {what}; use another folder")
    run_directory.mkdir(parents=True, exist_ok=True)
    write_json(file, {"kind": "colt-llvm project", "version": _VERSION, **new})


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    for name in _DECIDES:
        if old.get(name) != new.get(name):
            return {"workloads": "--run or --stdin", "check": "--float-tolerance or --ignore"}.get(name, f"--{name}")
    before, now = old.get("tune") or {}, new.get("tune") or {}
    for name in sorted({*before, *now} - set(_MAY_DIFFER)):
        if before.get(name) != now.get(name):
            return f"--{name.removesuffix('_seconds').removesuffix('_bytes').replace('_', '-')}"
    return ""
