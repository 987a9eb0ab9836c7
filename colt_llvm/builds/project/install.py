"""What was proved, written as recipes and built by the project itself; taken back where that gives something else."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colt_llvm.builds.project.learn import Build, compiler_variables, run_build
from colt_llvm.builds.project.proof import ProjectProof
from colt_llvm.builds.project.result import UnitResult
from colt_llvm.builds.project.setup import Project
from colt_llvm.builds.project.units import Measured
from colt_llvm.builds.recipes.record import Tuned, record_unit
from colt_llvm.builds.recipes.store import (
    UnitRecipe,
    load_recipes,
    recipe_file,
    remove_store,
    save_recipe,
    write_recipes,
)
from colt_llvm.core.errors import ColtError, NotRepeatable, RecipeError, RunDirectoryError
from colt_llvm.core.files import write_file
from colt_llvm.evaluate.verifier import Verifier
from colt_llvm.llvm.elf import loaded_digest


@dataclass(frozen=True)
class Recipes:
    """Recipes that are about to be written, and how a build with them is checked."""

    files: Sequence[Path]  # all that may be written
    units: Sequence[Measured]  # compiled again
    write: Callable[[], list[Path]]  # the files that were written; raises ColtError
    differs: Callable[[Build], str]  # what of a build is not as it was proved; empty where nothing


def install(project: Project, verifier: Verifier, recipes: Recipes) -> tuple[list[Path], list[str]]:
    """Write the recipes, and build, check and test the program with them.

    Returns (the files written, nothing), or (nothing, what is wrong): then the recipes are taken back, and the build is
    run once more. Raises NotRepeatable, after that too.
    """
    project.run.report("writing the recipes, and building again with them")
    before = {file: file.read_bytes() if file.is_file() else None for file in recipes.files}
    written: list[Path] = []
    varies: NotRepeatable | None = None
    try:
        written = recipes.write()
        wrong = recipes.differs(build_again(project, recipes.units))
        if not wrong:
            program = Path(shutil.copy(project.relinker.link.output, verifier.folder / "built"))
            verifier.check(program, thorough=True, core=verifier.core)
            wrong = run_test(project)
    except (ColtError, OSError) as error:
        wrong = " ".join(str(error).split())
        varies = error if isinstance(error, NotRepeatable) else None
    except BaseException:
        _restore(before)
        with contextlib.suppress(ColtError):
            _touch(recipes.units)  # the next build compiles them without recipes
        raise
    if not wrong:
        return written, []
    project.run.report("taking the recipes back, and building once more")
    _restore(before)
    notes = [f"{wrong}; the recipes were taken back"]
    try:
        build_again(project, recipes.units)
    except ColtError as error:
        notes.append(f"the build without the recipes failed ({error}); clean and build once more")
    if varies is not None:
        raise varies
    return [], notes


def unit_recipes(project: Project, results: Sequence[UnitResult], proof: ProjectProof) -> Recipes:
    """Recipes of the units that improved."""
    units = {str(unit.output): unit for unit in project.units}  # one source may be compiled to several objects
    improved = [(units[result.output], result) for result in results if result.outcome == "improved"]
    summary = summary_of(project, proof)

    def write() -> list[Path]:
        return [save_recipe(project.root, _recipe(project, unit, result, summary)) for unit, result in improved]

    def differs(build: Build) -> str:
        return next(filter(None, (_difference(project, build, unit) for unit, _ in improved)), "")

    files = [Path(recipe_file(str(project.root), unit.name)) for unit in project.units]
    return Recipes(files, [unit for unit, _ in improved], write, differs)


def _recipe(project: Project, unit: Measured, result: UnitResult, summary: dict[str, Any]) -> UnitRecipe:
    """Raises RecipeError where the unit does not give the object that was proved."""
    own = {"ratio": result.ratio, "low": result.low, "high": result.high, "share": result.share}
    evidence = {
        "baseline": project.baseline_name,
        **{name: round(value, 6) for name, value in own.items() if value is not None},
        "program": summary,
    }
    options = project.options
    tuned = Tuned(options.level, options.objective, result.sequence, result.pipeline, evidence)
    recipe = record_unit(project.root, unit.unit, project.toolchain, tuned)
    if recipe.object != loaded_digest(project.relinker.objects[unit.output]):
        raise RecipeError(f"{unit.name}: two builds of it differ; leave it out with --only")
    return recipe


def summary_of(project: Project, proof: ProjectProof) -> dict[str, Any]:
    """The whole program's proof, for the evidence of recipes."""
    found: dict[str, Any] = {"name": project.program, "ratio": round(proof.ratio, 6), "compared": proof.compared.text}
    if proof.interval is not None:
        found |= {"low": round(proof.interval.low, 6), "high": round(proof.interval.high, 6)}
    return found


def _difference(project: Project, build: Build, unit: Measured) -> str:
    """In what the build's object of this unit is not the one that was proved."""
    logged = build.logged.get(unit.output)
    if logged is None:
        return f"{unit.name}: the build did not compile it again when it was touched"
    if logged.recipe != recipe_file(str(project.root), unit.name):
        return f"{unit.name}: the build made it without its recipe" + (f" ({logged.note})" if logged.note else "")
    if loaded_digest(unit.output.read_bytes()) != loaded_digest(project.relinker.objects[unit.output]):
        return f"{unit.name}: the build made another object than the one that was proved"
    return ""


def remove_outdated(project: Project, results: Sequence[UnitResult]) -> None:
    """Remove stale recipes of units for which a whole search finds nothing any more: they would stay stale."""
    for result in results:
        output = Path(result.output)
        if result.outcome == "no improvement found" and output in project.stale:
            recipe, reason = project.stale.pop(output)
            file = Path(recipe_file(str(project.root), recipe.source))
            write_recipes(file, [other for other in load_recipes(file) if other != recipe])
            project.notes.append(f"{recipe.source}: its recipe was removed ({reason}; nothing better was found now)")


def build_again(project: Project, units: Sequence[Measured]) -> Build:
    """Touch the units' sources, so that the build compiles them, and run it. Raises ColtError."""
    _touch(units)
    return run_build(project.options.builds, project.root, project.toolchain, project.temporary)


def _touch(units: Sequence[Measured]) -> None:
    """Raises RunDirectoryError."""
    for source in {unit.unit.source for unit in units}:
        try:
            os.utime(source)
        except OSError as error:
            raise RunDirectoryError(
                f"{source}: cannot be touched ({error.strerror}), so that the build compiles it again; "
                "make the sources your own"
            ) from None


def run_test(project: Project) -> str:
    """Run ``--test``; what is wrong, or nothing."""
    command = project.options.test
    if not command:
        return ""
    with_compilers = compiler_variables(project.toolchain, project.temporary / "bin")
    status = subprocess.call(
        command, cwd=project.root, env={**os.environ, **with_compilers}, stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
    )  # fmt: skip
    return f"--test {' '.join(command)}: failed with status {status}" if status else ""


def _restore(before: Mapping[Path, bytes | None]) -> None:
    """Put files of recipes back as they were."""
    for file, content in before.items():
        if content is not None:
            write_file(file, content)
        elif file.exists():
            remove_store(file)
