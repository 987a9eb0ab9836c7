"""What is shown of each project: it builds as before, the same through colt-cc, and tuned for size and run time.

Each step begins with a fresh copy and returns plain data. StepFailed ends a step, not the others.
"""

from __future__ import annotations

import json
import shlex
import shutil
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.projects.descriptions import Project
from benchmarks.projects.workspace import StepFailed, Workspace, environment, failure
from colt_llvm.core import process
from colt_llvm.llvm.toolchain import Toolchain

Result = dict[str, Any]
_RUNS = 5


@dataclass(frozen=True)
class Setting:
    """archive: the source. folder: this project's own, for copies and runs. seconds: ``--time`` of each tuning."""

    project: Project
    archive: Path
    folder: Path
    toolchain: Toolchain
    seconds: float

    def workspace(self, *, wrapped: bool, flags: str | None = None) -> Workspace:
        return Workspace(self.project, self.archive, self.folder / "copy", self.toolchain, wrapped=wrapped, flags=flags)


def plain(setting: Setting, _earlier: Mapping[str, Result]) -> Result:
    """The project with clang and its own flags, its tests, and the workload's output and CPU time.

    unstable: objects that differ between two such builds, as where a source is generated with the date in it.
    """
    work = _built(setting)
    first = work.objects()
    # From a fresh copy: "make clean" of some projects keeps generated sources.
    work = _built(setting)
    objects = work.objects()
    tested = work.call(work.project.test)
    runs = [work.run() for _ in range(_RUNS)]
    if len({digest for digest, _ in runs}) > 1:
        raise StepFailed(f"{work.project.name}: the workload's output differs from run to run")
    return {
        "objects": objects,
        "loaded": work.loaded(),
        "unstable": different(first, objects),
        "output": runs[0][0],
        "run_seconds": statistics.median(seconds for _, seconds in runs),
        "test_seconds": tested.wall_seconds,
    }


def _built(setting: Setting) -> Workspace:
    work = setting.workspace(wrapped=False)
    work.configure()
    work.build()
    return work


def wrapped(setting: Setting, earlier: Mapping[str, Result]) -> Result:
    """The same build through colt-cc without recipes: every object the same, byte for byte.

    same_loaded: unstable ones that differ in debug information alone, which do not count as different.
    """
    before = _need(earlier, "plain")
    work = setting.workspace(wrapped=True)
    work.configure()
    work.build(COLT_LOG=str(work.log))
    commands = work.logged()
    work.call(work.project.test)
    if work.run()[0] != before["output"]:
        raise StepFailed(f"{work.project.name}: the output is not that of the plain program")
    changed = different(work.objects(), before["objects"])
    changed_code = different(work.loaded(), before["loaded"])
    excused = sorted(set(changed) & set(before["unstable"]) - set(changed_code))
    return {
        "objects": len(before["objects"]),
        "different": sorted(set(changed) - set(excused)),
        "same_loaded": excused,
        "commands": len(commands),
        "recipes_used": recipes_used(commands),
    }


def different(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Names whose digests differ, or that only one of both has."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def size(setting: Setting, earlier: Mapping[str, Result]) -> Result:
    return _tuned(setting, earlier, "size", "-Oz")


def runtime(setting: Setting, earlier: Mapping[str, Result]) -> Result:
    return _tuned(setting, earlier, "runtime", "-O3")


#: In their order; each gets the results of those before.
STEPS: dict[str, Callable[[Setting, Mapping[str, Result]], Result]] = {
    "plain": plain, "wrapped": wrapped, "size": size, "runtime": runtime,
}  # fmt: skip


def _tuned(setting: Setting, earlier: Mapping[str, Result], objective: str, flags: str) -> Result:
    """Tune, then build all anew twice as a user would, with the project's own tests between."""
    output = _need(earlier, "plain")["output"]
    work = setting.workspace(wrapped=True, flags=flags)
    work.configure()
    proof = tune(setting, work, objective)
    work.clean()
    work.build(COLT_DISABLE="1")
    baseline, baseline_objects = work.loaded_bytes(), work.objects()
    work.clean()
    work.build(COLT_LOG=str(work.log))
    commands, first = work.logged(), work.objects()
    work.call(work.project.test)
    if work.run()[0] != output:
        raise StepFailed(f"{setting.project.name}: the tuned program's output is not that of the plain one")
    tuned = work.loaded_bytes()
    work.clean()
    work.build()
    second = work.objects()
    return {
        "proof": proof,
        "recipes_used": recipes_used(commands),
        "notes": sorted({str(command["note"]) for command in commands if command.get("note")}),
        "objects": len(first),
        "objects_tuned": len(different(first, baseline_objects)),
        "rebuild_same": first == second,
        "program_bytes": [baseline, tuned],
    }


def tune(setting: Setting, work: Workspace, objective: str) -> Result:
    """``colt-llvm tune`` on this copy, from the command line as its users start it."""
    runs = setting.folder / f"run-{objective}"
    shutil.rmtree(runs, ignore_errors=True)  # of a run that did not end
    argv = tune_command(work, objective, setting.seconds, runs)
    prefix = environment({"COLT_LLVM_PREFIX": str(setting.toolchain.prefix)})
    # The budget is the search's; builds and the proof come on top.
    limits = process.Limits(wall_seconds=3 * setting.seconds + 1800)
    done = process.run([*prefix, *argv], cwd=work.tree, limits=limits)
    if done.status:
        raise failure(setting.project.name, ["colt-llvm", *argv[3:]], done, setting.folder)
    try:
        return proof_of(json.loads(done.stdout))
    except (ValueError, KeyError, TypeError) as error:
        raise StepFailed(f"{setting.project.name}: tune --json printed no result of a project ({error})") from None


def tune_command(work: Workspace, objective: str, seconds: float, runs: Path) -> list[str]:
    """The command line of one tuning."""
    project = work.project
    argv = [sys.executable, "-m", "colt_llvm.cli.main", "tune"]
    argv += ["--build", shlex.join(work.command(project.build_program)), "--run", shlex.join(project.run)]
    argv += [word for output in project.outputs for word in ("--output-file", output)]
    argv += ["--objective", objective, "--time", f"{seconds:g}", "--seed", "1"]
    return [*argv, "--run-dir", str(runs), "--json"]


def proof_of(result: Mapping[str, Any]) -> Result:
    """What is kept of ``--json``. Raises KeyError or TypeError where that is not a project's result."""
    interval = result["interval"]
    improved = [unit for unit in result["units"] if unit["outcome"] == "improved"]
    return {
        "verdict": str(result["verdict"]),
        "ratio": float(result["ratio"]),
        "interval": [float(interval["low"]), float(interval["high"])] if interval else None,
        "figures": result["figures"],
        "units_tuned": [unit["source"] for unit in improved],
        "units": int(result["units_of_program"]),
        "seconds": float(result["elapsed_seconds"]),
    }


def proof_in(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """What tuning proved of a project, empty in a step without tuning; ``claim`` in older results."""
    found: Mapping[str, Any] = result.get("proof", result.get("claim", {}))
    return found


def recipes_used(commands: list[dict[str, Any]]) -> int:
    """How many commands of a log compiled with a recipe."""
    return sum(bool(command.get("recipe")) for command in commands)


def _need(earlier: Mapping[str, Result], step: str) -> Result:
    found = earlier.get(step)
    if found is None or "error" in found:
        raise StepFailed(f"needs the step {step}, which is not there; run that first")
    return found
