"""What was proved, written as recipes and built by the project itself; taken back where that gives something else."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from colt_llvm.builds.project.learn import Build, compiler_variables, run_build
from colt_llvm.builds.project.proof import ProjectProof
from colt_llvm.builds.project.result import UnitResult
from colt_llvm.builds.project.setup import Project
from colt_llvm.builds.project.units import Measured
from colt_llvm.builds.recipes.record import record_unit
from colt_llvm.builds.recipes.store import load_recipes, recipe_file, remove_empty, save_recipe
from colt_llvm.builds.recipes.store import write_recipes as write_store
from colt_llvm.core.errors import ColtError, NotRepeatable, RecipeError, RunDirectoryError
from colt_llvm.evaluate.judge import Judge
from colt_llvm.llvm.elf import loaded_digest


def hand_over(
    project: Project, judge: Judge, results: Sequence[UnitResult], proof: ProjectProof, scratch: Path,
    report: Callable[[str], None],
) -> tuple[list[Path], list[str]]:  # fmt: skip
    """The recipes that are written, or what is wrong: then the tree is as before, built once more.

    Raises NotRepeatable, after that too.
    """
    report("writing the recipes, and building again with them")
    keeper = Keeper(project)
    units = [unit for unit, _ in improved_units(project, results)]
    written: list[Path] = []
    wrong: list[str] = []
    varies: NotRepeatable | None = None
    try:
        written = write_recipes(project, results, _summary(proof))
        wrong = check_build(project, build_again(project, units, scratch), units)
        if not wrong:
            program = Path(shutil.copy(project.relinker.link.output, judge.folder / "built"))
            judge.check(program, thorough=True, core=judge.core)
            if failed := run_test(project, scratch):
                wrong = [failed]
    except (ColtError, OSError) as error:
        wrong = [" ".join(str(error).split())]
        varies = error if isinstance(error, NotRepeatable) else None
    except BaseException:
        keeper.restore()
        with contextlib.suppress(ColtError):
            touch(units)  # the next build makes them without recipes
        raise
    if not wrong:
        return written, []
    report("taking the recipes back, and building once more")
    keeper.restore()
    failed = build_as_before(project, units, scratch)
    if varies is not None:
        raise varies
    return [], [f"{wrong[0]}; the recipes were taken back", *([failed] if failed else [])]


def _summary(proof: ProjectProof) -> dict[str, Any]:
    """Of the whole program, for the recipes."""
    found: dict[str, Any] = {"ratio": round(proof.ratio, 6), "compared": proof.compared.text}
    if proof.interval is not None:
        found |= {"low": round(proof.interval.low, 6), "high": round(proof.interval.high, 6)}
    return found


def write_recipes(project: Project, results: Sequence[UnitResult], summary: Mapping[str, Any]) -> list[Path]:
    """One for each unit that was improved. Raises RecipeError where a unit does not give the object that was proved."""
    written = []
    for unit, result in improved_units(project, results):
        recipe = record_unit(
            project.root, unit.unit, project.toolchain, level=project.options.level,
            objective=project.options.objective, sequence=result.sequence, pipeline=result.pipeline,
            evidence=evidence(project, result, summary),
        )  # fmt: skip
        if recipe.object != loaded_digest(project.relinker.objects[unit.unit.output]):
            raise RecipeError(f"{unit.name}: is not built to the same object twice; leave it out with --only")
        written.append(save_recipe(project.root, recipe))
    return written


def improved_units(project: Project, results: Sequence[UnitResult]) -> list[tuple[Measured, UnitResult]]:
    """By the object: one source may be compiled to several."""
    units = {str(unit.unit.output): unit for unit in project.units}
    return [(units[result.output], result) for result in results if result.outcome == "improved"]


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
    for result in results:
        output = Path(result.output)
        if result.outcome == "no improvement found" and output in project.stale:
            recipe, reason = project.stale.pop(output)
            file = Path(recipe_file(str(project.root), recipe.source))
            write_store(file, [known for known in load_recipes(file) if known != recipe])
            project.notes.append(f"{recipe.source}: its recipe was removed ({reason}; nothing better was found now)")


def build_again(project: Project, units: Sequence[Measured], scratch: Path) -> Build:
    """Touch the sources, so that the build makes their objects anew, and run it with recipes. Raises ColtError."""
    touch(units)
    return run_build(project.options.builds, project.root, project.toolchain, scratch)


def touch(units: Sequence[Measured]) -> None:
    """Raises RunDirectoryError."""
    for source in {unit.unit.source for unit in units}:
        try:
            os.utime(source)
        except OSError as error:
            raise RunDirectoryError(
                f"{source}: cannot be touched ({error.strerror}), so that the build makes it again; "
                "make the sources your own"
            ) from None


def build_as_before(project: Project, units: Sequence[Measured], scratch: Path) -> str:
    """Once the recipes were taken back; where that fails, what to do, else nothing."""
    try:
        build_again(project, units, scratch)
    except ColtError as error:
        return f"the build without the recipes failed ({error}); clean and build once more"
    return ""


def check_build(project: Project, build: Build, units: Sequence[Measured]) -> list[str]:
    """What of the tuned build is not as it was proved, one line each. units: those with new recipes."""
    found = []
    for unit in units:
        output = unit.unit.output
        logged = build.logged.get(output)
        if logged is None:
            found.append(f"{unit.name}: the build did not compile it again when it was touched")
        elif logged.recipe != recipe_file(str(project.root), unit.name):
            reason = f" ({logged.note})" if logged.note else ""
            found.append(f"{unit.name}: the build made it without its recipe{reason}")
        elif loaded_digest(output.read_bytes()) != loaded_digest(project.relinker.objects[output]):
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
                remove_empty(file.parent)
