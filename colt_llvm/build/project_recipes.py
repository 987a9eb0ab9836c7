"""Recipes written for a project, its build run again, and both taken back where that does not give what was proved."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colt_llvm.build.learn import Build, compiler_variables, run_build
from colt_llvm.build.project_result import UnitResult
from colt_llvm.build.project_setup import Project
from colt_llvm.build.record import record_unit
from colt_llvm.build.store import load_recipes, recipe_file, save_recipe
from colt_llvm.build.store import write_recipes as write_store
from colt_llvm.build.units import Measured
from colt_llvm.errors import RecipeError
from colt_llvm.measure import loaded_digest


def write_recipes(project: Project, results: Sequence[UnitResult], summary: Mapping[str, Any]) -> list[Path]:
    """One for each unit that was improved. Raises RecipeError where a unit does not give the object that was proved."""
    units = {unit.name: unit for unit in project.units}
    written = []
    for result in results:
        if result.outcome != "improved":
            continue
        unit = units[result.source]
        recipe = record_unit(
            project.root, unit.unit, project.toolchain, level=project.options.level,
            objective=project.options.objective, sequence=result.sequence, pipeline=result.pipeline,
            evidence=evidence(project, result, summary),
        )  # fmt: skip
        if recipe.object != loaded_digest(project.relinker.objects[unit.unit.output]):
            raise RecipeError(f"{unit.name}: is not built to the same object twice; leave it out with --only")
        written.append(save_recipe(project.root, recipe))
    return written


def evidence(project: Project, result: UnitResult, summary: Mapping[str, Any]) -> dict[str, Any]:
    """For a reviewer; small. ratio, low, high: of the unit; of the whole program beside it."""
    own = {"ratio": result.ratio, "low": result.low, "high": result.high, "share": result.share}
    return {
        "baseline": f"clang -{project.options.level}",
        **{name: round(value, 6) for name, value in own.items() if value is not None},
        "program": {"name": project.program, **summary},
    }


def remove_outdated(project: Project, results: Sequence[UnitResult]) -> None:
    """A stale recipe of a unit for which a whole search finds nothing any more has no use, and would stay stale."""
    units = {unit.name: unit for unit in project.units}
    for result in results:
        output = units[result.source].unit.output
        if result.outcome == "no improvement found" and output in project.stale:
            recipe, reason = project.stale.pop(output)
            file = Path(recipe_file(str(project.root), recipe.source))
            write_store(file, [known for known in load_recipes(file) if known.flags != recipe.flags])
            project.notes.append(f"{recipe.source}: its recipe was removed ({reason}; nothing better was found now)")


def build_again(project: Project, units: Sequence[Measured], scratch: Path) -> Build:
    """Touch the sources, so that the build makes their objects anew, and run it with recipes."""
    for unit in units:
        os.utime(unit.unit.source)
    return run_build(project.options.builds, project.root, project.toolchain, scratch)


def check_build(project: Project, build: Build, written: Sequence[Path]) -> list[str]:
    """What of the tuned build is not as it was proved, one line each."""
    used = {logged.recipe for logged in build.commands if logged.recipe}
    found = []
    for unit in project.units:
        file = Path(recipe_file(str(project.root), unit.name))
        if file not in written:
            continue
        if str(file) not in used:
            reason = next((c.note for c in build.commands if c.note and unit.unit.command.source in c.words), "")
            found.append(f"{unit.name}: the build made it without its recipe" + (f" ({reason})" if reason else ""))
        elif loaded_digest(unit.unit.output.read_bytes()) != loaded_digest(project.relinker.objects[unit.unit.output]):
            found.append(f"{unit.name}: the build made another object than the one that was proved")
    return found


def run_test(project: Project, scratch: Path) -> str:
    """The project's own test; what is wrong, or nothing."""
    command = project.options.test
    if not command:
        return ""
    with_compilers = compiler_variables(project.toolchain, scratch / "bin")
    status = subprocess.call(
        command, cwd=project.root, env={**os.environ, **with_compilers}, stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
    )  # fmt: skip
    return f"--test {' '.join(command)}: failed with status {status}" if status else ""


class Keeper:
    """The content of ``.colt`` files before they were written, to put it back."""

    def __init__(self, project: Project) -> None:
        self._before: dict[Path, bytes | None] = {}
        for unit in project.units:
            file = Path(recipe_file(str(project.root), unit.name))
            self._before[file] = file.read_bytes() if file.is_file() else None

    def restore(self) -> None:
        for file, data in self._before.items():
            if data is not None:
                file.write_bytes(data)
            elif file.exists():
                file.unlink()
                _remove_empty(file.parent)


def _remove_empty(folder: Path) -> None:
    while folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        if folder.name == ".colt":
            return
        folder = folder.parent
