"""A run directory, read for a report: nothing in it is changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import RunDirectoryError, UsageError
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.measure.compared import Compared
from colt_llvm.measure.intervals import Interval
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.specs import spec_from_dict
from colt_llvm.models.transcript import CallRecord, read_calls
from colt_llvm.program.program import Program, program_from_dict
from colt_llvm.program.recipe import Recipe, load_recipe
from colt_llvm.run.journal import is_at_work, read_header, read_result, read_trials
from colt_llvm.run.progress import TuneResult
from colt_llvm.run.trials import TrialRecord, trial_from_dict

_MOST_REPRODUCERS = 50


@dataclass(frozen=True)
class Miscompile:
    """One candidate whose output differed."""

    trial: int  # the id of its request
    difference: str
    sequence: tuple[str, ...]
    opt: tuple[str, ...]  # the commands that make it


@dataclass(frozen=True)
class Run:
    """All that a report says of a run."""

    directory: Path
    header: Mapping[str, Any]  # run.json
    program: Program
    options: TuneOptions
    specs: tuple[ModelSpec, ...]
    trials: tuple[TrialRecord, ...]
    calls: tuple[CallRecord, ...]  # to models
    result: TuneResult | None  # None for a run that is not at its end
    evidence: Mapping[str, Any]  # raw samples of the proof
    rejected: Mapping[str, str]  # finalist that the proof rejected -> the reason
    recipe: Recipe | None
    reproducers: tuple[Miscompile, ...]  # the first 50
    at_work: bool  # whether a process is still writing to it

    @property
    def baseline(self) -> str:
        """Its name, such as "clang -O3"."""
        return str(self.header.get("baseline", "the baseline"))

    @property
    def winner(self) -> int | None:
        """The trial of what was proved; None where nothing was."""
        return self.result.found_at_trial if self.result else None


def read_run(directory: Path) -> Run:
    """Raises RunDirectoryError for a folder without a run or with a damaged one, UsageError for a project's."""
    _refuse_projects(directory)
    header = read_header(directory)
    try:
        program = program_from_dict(header["program"])
        options = TuneOptions.from_dict(header["options"])
        specs = tuple(spec_from_dict(model) for model in header["models"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunDirectoryError(f"{directory}/run.json: is damaged ({error}); start a new run") from None
    data = read_result(directory)
    result = None if data is None else _result(data, directory)
    recipe = directory / "recipe.json"
    return Run(
        directory, header, program, options, specs,
        trials=tuple(map(trial_from_dict, read_trials(directory))),
        calls=tuple(read_calls(directory)),
        result=result,
        evidence=_mapping(data, "evidence"),
        rejected=_mapping(data, "rejected"),
        recipe=load_recipe(recipe) if result is not None and result.improved and recipe.exists() else None,
        reproducers=_reproducers(directory / "miscompiles"),
        at_work=is_at_work(directory),
    )  # fmt: skip


def _refuse_projects(directory: Path) -> None:
    if (directory / "run.json").exists() or not (directory / "project.json").exists():
        return
    units = sorted(path.parent for path in directory.glob("units/*/run.json"))
    hint = f"name the run of one of its files, such as {units[0]}" if units else "no file of it was searched yet"
    raise UsageError(f"{directory}: is the run of a whole project; {hint}")


def _result(data: Mapping[str, Any], directory: Path) -> TuneResult:
    try:
        interval, recipe, output = data["interval"], data["recipe"], data["output"]
        return TuneResult(
            verdict=str(data["verdict"]), program=str(data["program"]), objective=str(data["objective"]),
            baseline=str(data["baseline"]), ratio=float(data["ratio"]),
            interval=None if interval is None else Interval(**interval),
            sequence=tuple(map(str, data["sequence"])), pipeline=str(data["pipeline"]),
            figures={str(name): (float(pair[0]), float(pair[1])) for name, pair in data["figures"].items()},
            found_at_trial=data["found_at_trial"], found_at_seconds=data["found_at_seconds"],
            trials=int(data["trials"]), distinct=int(data["distinct"]),
            elapsed_seconds=float(data["elapsed_seconds"]),
            failures={str(kind): int(count) for kind, count in data["failures"].items()},
            run_directory=directory, recipe=Path(recipe) if recipe else None, output=Path(output) if output else None,
            interrupted=bool(data["interrupted"]), busy_fraction=data["busy_fraction"],
            front=tuple(map(dict, data["front"])), models=dict(data["models"]), notes=tuple(map(str, data["notes"])),
            compared=Compared.from_dict(data.get("compared") or {}), miscompile=data.get("miscompile"),
            diagnosis=dict(data.get("diagnosis", {})), dropped=tuple(map(str, data.get("dropped", ()))),
            functions={str(name): (int(pair[0]), int(pair[1])) for name, pair in data.get("functions", {}).items()},
            profile=dict(data.get("profile", {})),
        )  # fmt: skip
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise RunDirectoryError(
            f"{directory}/result.json: is damaged ({error}); remove it and go on with colt-llvm tune --resume"
        ) from None


def _mapping(data: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    value = (data or {}).get(name)
    return value if isinstance(value, dict) else {}


def _reproducers(folder: Path) -> tuple[Miscompile, ...]:
    """What is there and can be read; a reproducer that is half written is left out."""
    found = []
    for file in sorted(folder.glob("*/miscompile.json"))[:_MOST_REPRODUCERS]:
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            sequence, opt = tuple(map(str, data["sequence"])), tuple(map(str, data["opt"]))
            found.append(Miscompile(int(file.parent.name), str(data["difference"]), sequence, opt))
        except (OSError, KeyError, TypeError, ValueError):
            continue
    return tuple(found)
