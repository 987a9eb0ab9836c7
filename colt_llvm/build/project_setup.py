"""A project as it is before tuning: built once, its units known, its program linked again in a folder of ours."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.build.arguments import normalised
from colt_llvm.build.compile import Unit
from colt_llvm.build.learn import Build, run_build, set_for_make
from colt_llvm.build.listing import stale
from colt_llvm.build.project_options import ProjectOptions
from colt_llvm.build.relink import Relinker, find_program
from colt_llvm.build.store import UnitRecipe, choose, find_recipe_file, load_recipes, machine_of
from colt_llvm.build.units import Measured, measure_unit, same_code
from colt_llvm.errors import ColtError, RecipeError, UsageError
from colt_llvm.measure import compile_cores
from colt_llvm.program import Workload
from colt_llvm.toolchain import Toolchain


class NothingCompiled(UsageError):
    """The build ran and compiled nothing."""


@dataclass
class Project:
    """root: where ``.colt`` goes, and where the build is run. units: of the program, those that can be tuned.

    relinker: with the objects that the tuned build would have now. mark: the program at the objective's level.
    as_built: as the build's own flags make it; None where that is the same code. earlier: unit's output -> the recipe
    that it has and that fits. stale: unit's output -> (recipe, why it does not fit).
    """

    root: Path
    toolchain: Toolchain
    options: ProjectOptions
    build: Build
    units: list[Measured]
    relinker: Relinker
    workloads: tuple[Workload, ...]
    mark: Path
    as_built: Path | None
    earlier: dict[Path, UnitRecipe]
    stale: dict[Path, tuple[UnitRecipe, str]]
    notes: list[str]

    @property
    def program(self) -> str:
        return self.relinker.link.output.name


def set_up(
    root: Path, toolchain: Toolchain, options: ProjectOptions, scratch: Path, report: Callable[[str], None]
) -> Project:
    """Raises UsageError where the build shows nothing to tune, CompileError where it fails."""
    report("building as the project does, to learn its commands")
    build = run_build(options.builds, root, toolchain, scratch)
    _check_learned(build, options)
    link, _ = find_program(build.links, options.workloads[0].command, root)
    workloads = tuple(_workload(workload, build, root) for workload in options.workloads)
    objects = {unit.output: unit.output.read_bytes() for unit in build.units if unit.output.is_file()}
    relinker = Relinker.of(str(toolchain.compiler(link.command.cxx)), link, objects)
    linked = [unit for unit in build.units if unit.output in relinker.places]
    if not linked:
        raise UsageError(
            f"--build: {link.output.name} is linked from no object that this build compiled; clean first, and link it "
            "from objects or a static library (--disable-shared)"
        )
    report(f"{link.output.name}: {len(linked)} objects; building them at -{options.level}, to have the mark")
    notes: list[str] = []
    if rest := relinker.not_of_this_build(objects):
        notes.append(
            f"{rest} objects of the program were up to date and stay as they are; clean first to tune them too"
        )
    units = _measure(toolchain, linked, build, root, options, scratch, notes)
    mark = relinker.make(scratch / "mark", {unit.unit.output: unit.mark for unit in units})
    same = all(same_code(unit.object, unit.mark) for unit in units)
    built = {unit.unit.output: unit.object for unit in units}
    as_built = None if same else relinker.make(scratch / "as-built", built)
    project = Project(root, toolchain, options, build, units, relinker, workloads, mark, as_built, {}, {}, notes)
    _find_earlier(project)
    return project


def selected(project: Project) -> list[Measured]:
    """The units that may be tuned: by ``--only``, and with ``--ci`` those whose recipe is stale."""
    options = project.options
    for pattern in options.only:
        if not any(_named(unit, pattern) for unit in project.units):
            names = sorted({unit.name for unit in project.units})
            more = ", ..." if len(names) > 5 else ""
            raise UsageError(
                f"--only {pattern}: no source of the program is named so; there are {', '.join(names[:5])}{more}"
            )
    chosen = [
        unit for unit in project.units
        if not options.only or any(_named(unit, pattern) for pattern in options.only)
    ]  # fmt: skip
    return [unit for unit in chosen if unit.unit.output in project.stale] if options.stale_only else chosen


def not_compiled(project: Project) -> list[str]:
    """Stale recipes that this build did not come to, one line each."""
    compiled = {unit.source for unit in project.build.units}
    return [
        f"{unit.source}: its recipe is stale ({unit.reason}), and this build did not compile it; clean first"
        for unit in stale(project.root, project.toolchain)
        if not unit.gone and project.root / unit.source not in compiled
    ]


def _named(unit: Measured, pattern: str) -> bool:
    """By the path in the project, or by the file's own name."""
    return fnmatch(unit.name, pattern) or fnmatch(unit.source_name, pattern)


def _check_learned(build: Build, options: ProjectOptions) -> None:
    command = shlex.join(options.builds[-1])
    if not build.commands:
        raise NothingCompiled(
            f"--build {command}: compiled nothing through colt-cc. Where all is built already, clean first; where the "
            "compiler is written into the build, use make CC=colt-cc, ./configure CC=colt-cc or "
            f"cmake -DCMAKE_C_COMPILER=colt-cc{set_for_make()}"
        )
    if not build.units:
        raise UsageError(
            f"--build {command}: compiled no single source to an object (cc -c); compile and link in two steps"
        )
    if not build.links:
        raise UsageError(
            f"--build {command}: linked no program through colt-cc; build the program itself, not a part"
            f"{set_for_make()}"
        )


def _workload(workload: Workload, build: Build, root: Path) -> Workload:
    return replace(workload, command=find_program(build.links, workload.command, root)[1], cwd=root)


def _measure(
    toolchain: Toolchain, units: Sequence[Unit], build: Build, root: Path, options: ProjectOptions, scratch: Path,
    notes: list[str],
) -> list[Measured]:  # fmt: skip
    def measure(unit: Unit) -> Measured | str:
        with TemporaryDirectory(prefix="colt-", dir=scratch) as folder:
            try:
                tuned = bool(build.logged[unit.output].recipe)
                return measure_unit(toolchain, unit, root, options.level, Path(folder), tuned)
            except ColtError as error:
                return f"{unit.command.source}: left as it is ({error})"

    usable = [unit for unit in units if unit.command.level != "O0" and unit.source.is_file()]
    with ThreadPoolExecutor(len(compile_cores())) as pool:
        found = list(pool.map(measure, usable))
    notes += [item for item in found if isinstance(item, str)]
    return [item for item in found if isinstance(item, Measured)]


def _find_earlier(project: Project) -> None:
    """Recipes that are there already: what the build used of them is part of the tuned program from the start."""
    root, triple = str(project.root), project.toolchain.triple
    built: dict[Path, set[tuple[str, ...]]] = {}
    for built_unit in project.build.units:
        built.setdefault(built_unit.source, set()).add(tuple(normalised(built_unit.command.flags, root)))
    for unit in project.units:
        output, logged = unit.unit.output, project.build.logged[unit.unit.output]
        found = find_recipe_file(str(unit.unit.source))
        if found is None or found[0] != root:
            continue
        flags = tuple(normalised(unit.unit.command.flags, root))
        try:
            recipes = [recipe for recipe in load_recipes(found[1]) if recipe.machine == machine_of(triple)]
        except RecipeError as error:
            project.notes.append(str(error))
            continue
        recipe = choose(recipes, root, flags, project.toolchain.major, triple=triple)
        if logged.recipe and isinstance(recipe, UnitRecipe):
            project.earlier[output] = recipe
            project.relinker.objects[output] = output.read_bytes()
        elif old := _outdated(recipes, flags, built[unit.unit.source]):
            reason = recipe if isinstance(recipe, str) else "the build did not use it"
            project.stale[output] = (old, logged.note or reason)


def _outdated(
    recipes: Sequence[UnitRecipe], flags: tuple[str, ...], built: Collection[tuple[str, ...]]
) -> UnitRecipe | None:
    """The recipe that these flags have, else one whose flags nothing is built with any more.

    A source may be compiled several times, and one of them tuned: that one's recipe says nothing of the others.
    """
    same = [recipe for recipe in recipes if recipe.flags == flags]
    return next(iter([*same, *(recipe for recipe in recipes if recipe.flags not in built)]), None)
