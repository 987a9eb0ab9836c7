"""A project before it is tuned: built once, its units learned, its baseline linked."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.builds.cc.arguments import normalised
from colt_llvm.builds.cc.compile import Unit
from colt_llvm.builds.project.learn import Build, LeftOut, Link, run_build, sentences, set_for_make, shown
from colt_llvm.builds.project.options import ProjectOptions, ProjectRun
from colt_llvm.builds.project.relink import Relinker, find_program
from colt_llvm.builds.project.units import Measured, NotTunable, measure_unit, same_code
from colt_llvm.builds.recipes.status import stale
from colt_llvm.builds.recipes.store import UnitRecipe, choose, find_recipe_file, load_recipes, machine_of
from colt_llvm.core.errors import ColtError, RecipeError, UsageError
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.host import compile_cores
from colt_llvm.program.profile import profile_warnings
from colt_llvm.program.program import Workload

#: So far a file's time may be behind the clock.
_CLOCK_SECONDS = 0.02
_OURS = ("colt-cc", "colt-c++")


@dataclass
class Project:
    """A project that is tuned, built once; what tuning finds is added to it."""

    root: Path  # where the build is run, and ``.colt`` goes
    toolchain: Toolchain
    options: ProjectOptions
    run: ProjectRun
    temporary: Path  # folder for what is not kept
    build: Build
    units: list[Measured]  # of the program, those that can be tuned
    relinker: Relinker  # with the objects that the tuned build would have now
    workloads: tuple[Workload, ...]
    baseline: Path  # the program with every unit at the objective's level
    as_built: Path | None  # the program as the build's own flags make it; None where that is the baseline's code
    earlier: dict[Path, UnitRecipe]  # unit's output -> the recipe that it has and that fits
    stale: dict[Path, tuple[UnitRecipe, str]]  # unit's output -> (recipe, why it does not fit)
    notes: list[str]

    @property
    def baseline_name(self) -> str:
        """As a user would type it."""
        profile = any(unit.unit.command.profile for unit in self.units)
        return f"clang -{self.options.level}{', profile' if profile else ''}"

    @property
    def program(self) -> str:
        """The program's name."""
        return self.relinker.link.output.name


def set_up(root: Path, toolchain: Toolchain, options: ProjectOptions, run: ProjectRun, temporary: Path) -> Project:
    """Run the build once, and build every unit of the program at the baseline's level.

    root: as in ``Project``, links resolved. Raises UsageError where the build shows nothing to tune, CompileError where
    it fails.
    """
    run.report("running the build, to learn its commands")
    began = time.time() - _CLOCK_SECONDS
    build = run_build(options.builds, root, toolchain, temporary)
    link = program_of(build, options, root)
    workloads = tuple(_workload(workload, build, root) for workload in options.workloads)
    objects = {unit.output: unit.output.read_bytes() for unit in build.units if unit.output.is_file()}
    relinker = Relinker.of(str(toolchain.compiler(link.command.cxx)), link, objects)
    left_out = left_out_of(link, build)
    linked = _linked(build, relinker, left_out, root)
    compiled = {**objects, **{file.output: file.output.read_bytes() for file in left_out}}
    notes = notes_on(build, relinker, compiled, root, began)
    for note in notes:
        run.report(note)
    run.report(f"{link.output.name}: {len(linked)} objects; building them at -{options.level}, the baseline")
    project = Project(
        root, toolchain, options, run, temporary, build, [], relinker, workloads,
        baseline=temporary / "baseline", as_built=None, earlier={}, stale={}, notes=notes,
    )  # fmt: skip
    units, others = _measure(project, linked)
    left_out += [item for item in others if isinstance(item, LeftOut)]
    said = [f"{line}; left as the build makes it, in the baseline too" for line in sentences(left_out, root)]
    said += [item for item in others if isinstance(item, str)]
    for note in said:
        run.report(note)
    if said_of_profile := profile_warnings("\n".join(unit.said for unit in units)):
        said.append(f"clang says of the profile: {'; '.join(said_of_profile)}")
        run.report(said[-1])
    project.notes += said
    project.units = units
    relinker.make(project.baseline, {unit.output: unit.baseline for unit in units})
    if not all(same_code(unit.object, unit.baseline) for unit in units):
        project.as_built = relinker.make(temporary / "as-built", {unit.output: unit.object for unit in units})
    _find_earlier(project)
    return project


def _linked(build: Build, relinker: Relinker, left_out: Sequence[LeftOut], root: Path) -> list[Unit]:
    """The units that the program is linked from. Raises UsageError where there are none."""
    linked = [unit for unit in build.units if unit.output in relinker.places]
    if linked:
        return linked
    if why := "; ".join(sentences(left_out, root, remedy=True)):
        remedy = f" and that can be tuned; {why}"
    else:
        remedy = "; clean first, and link it from objects or a static library (--disable-shared)"
    name = relinker.link.output.name
    raise UsageError(f"--build: {name} is linked from no object that this build compiled{remedy}")


def selected(project: Project) -> list[Measured]:
    """The units to be tuned: those that ``--only`` names, and with ``--ci`` only those whose recipe is stale.

    Raises UsageError.
    """
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
    return [unit for unit in chosen if unit.output in project.stale] if options.stale_only else chosen


def not_compiled(project: Project) -> list[str]:
    """A line for each stale recipe whose source this build did not compile."""
    compiled = {unit.source for unit in project.build.units}
    return [
        f"{unit.source}: its recipe is stale ({unit.reason}), and this build did not compile it; clean first"
        for unit in stale(project.root, project.toolchain)
        if not unit.gone and project.root / unit.source not in compiled
    ]


def _named(unit: Measured, pattern: str) -> bool:
    """Whether a pattern is for this unit: of its path in the project, or of the file's name."""
    return fnmatch(unit.name, pattern) or fnmatch(unit.source_name, pattern)


def _workload(workload: Workload, build: Build, root: Path) -> Workload:
    return replace(workload, command=find_program(build.links, workload.command, root)[1], cwd=root)


def _measure(project: Project, units: Sequence[Unit]) -> tuple[list[Measured], list[LeftOut | str]]:
    """(units that can be tuned, notes on the others): those stay the build's own in all that is compared."""

    def measure(unit: Unit) -> Measured | LeftOut | str:
        if unit.command.level == "O0":
            return LeftOut(str(unit.source), unit.output, "it is compiled at -O0")
        if not unit.source.is_file():
            return LeftOut(str(unit.source), unit.output, "it is gone after the build")
        with TemporaryDirectory(prefix="colt-", dir=project.temporary) as folder:
            try:
                tuned = bool(project.build.logged[unit.output].recipe)
                level = project.options.level
                return measure_unit(project.toolchain, unit, project.root, level, Path(folder), tuned)
            except NotTunable as error:
                return LeftOut(str(unit.source), unit.output, str(error))
            except ColtError as error:
                return f"{shown(unit.source, project.root)}: left as it is ({error})"

    with ThreadPoolExecutor(len(compile_cores())) as pool:
        found = list(pool.map(measure, units))
    measured = [item for item in found if isinstance(item, Measured)]
    return measured, [item for item in found if not isinstance(item, Measured)]


def _find_earlier(project: Project) -> None:
    """Add recipes that are there already; what the build used of them is part of the tuned program from the start."""
    root, triple = str(project.root), project.toolchain.triple
    built: dict[Path, set[tuple[str, ...]]] = {}
    for built_unit in project.build.units:
        built.setdefault(built_unit.source, set()).add(tuple(normalised(built_unit.command.flags, root)))
    for unit in project.units:
        output, logged = unit.output, project.build.logged[unit.output]
        found = find_recipe_file(str(unit.unit.source))
        if found is None or found[0] != root:
            continue
        flags = tuple(normalised(unit.unit.command.flags, root))
        try:
            recipes = [recipe for recipe in load_recipes(found[1]) if recipe.machine == machine_of(triple)]
        except RecipeError as error:
            project.notes.append(str(error))
            continue
        profile = unit.unit.command.profile
        recipe = choose(recipes, root, flags, project.toolchain.major, triple=triple, profile=profile)
        if logged.recipe and isinstance(recipe, UnitRecipe):
            project.earlier[output] = recipe
            project.relinker.objects[output] = output.read_bytes()
        elif old := _outdated(recipes, flags, built[unit.unit.source]):
            reason = recipe if isinstance(recipe, str) else "the build did not use it"
            project.stale[output] = (old, logged.note or reason)


def _outdated(
    recipes: Sequence[UnitRecipe], flags: tuple[str, ...], built: Collection[tuple[str, ...]]
) -> UnitRecipe | None:
    """The recipe for these flags, else one whose flags nothing is built with any more.

    built: all flags that the source is built with now. Its recipe for one of them says nothing of the others.
    """
    same = [recipe for recipe in recipes if recipe.flags == flags]
    return next(iter([*same, *(recipe for recipe in recipes if recipe.flags not in built)]), None)


class NothingCompiled(UsageError):
    """The build ran, and compiled nothing."""


def program_of(build: Build, options: ProjectOptions, root: Path) -> Link:
    """The link of the program that is run. Raises UsageError, NothingCompiled where there is nothing to tune."""
    command = shlex.join(options.builds[-1])
    if not build.commands:
        raise NothingCompiled(
            f"--build {command}: compiled nothing through colt-cc. If everything is built already, clean first; if the "
            "build names its compiler itself, use make CC=colt-cc, ./configure CC=colt-cc or "
            f"cmake -DCMAKE_C_COMPILER=colt-cc{set_for_make()}"
        )
    run = options.workloads[0].command
    named = {os.path.realpath(root / word) for word in run}
    at_once = [file for file in build.left_out if os.path.realpath(file.output) in named]
    if not build.units or at_once:
        why = "; ".join(sentences(at_once or build.left_out, root, remedy=True))
        raise UsageError(f"--build {command}: compiled no source to an object (cc -c) that can be tuned; {why}")
    if not build.links:
        raise UsageError(
            f"--build {command}: linked no program through colt-cc; build the program itself, not only a part of it"
            f"{set_for_make()}"
        )
    return find_program(build.links, run, root)[0]


def left_out_of(link: Link, build: Build) -> list[LeftOut]:
    """Objects in the program for which no recipe can be made."""
    files = {file.output: file for file in build.left_out if file.output.is_file()}
    places = Relinker.of("", link, {output: output.read_bytes() for output in files}).places
    return [file for output, file in files.items() if output in places]


def notes_on(build: Build, relinker: Relinker, objects: Mapping[Path, bytes], root: Path, began: float) -> list[str]:
    """Notes for the user: compilers that the build names itself, and objects that colt-cc did not make.

    objects: path -> content of all that colt-cc compiled in this build. began: its start, as ``time.time``.
    """
    notes = []
    others: dict[str, list[str]] = {}
    for unit in build.units:
        name = os.path.basename(build.logged[unit.output].called)
        if unit.output in relinker.places and name and name not in _OURS:
            others.setdefault(name, []).append(shown(unit.source, root))
    for name, sources in others.items():
        ours = "CXX=colt-c++" if "+" in name else "CC=colt-cc"
        variable = "$(CXX)" if "+" in name else "$(CC)"
        more = f" and {len(sources) - 1} more are" if len(sources) > 1 else " is"
        notes.append(
            f"{sources[0]}{more} compiled by {name}, which the build names itself; tuning puts colt-cc in its place, "
            f"and your builds use recipes only with make {ours}; where a rule says {name}, write {variable}"
        )
    rest = relinker.not_of_this_build(objects)
    made = sorted({shown(file, root) for file in rest if file.stat().st_mtime >= began})
    if made:
        notes.append(
            f"{', '.join(made[:3])}{', ...' if len(made) > 3 else ''}: made in this build by something else than "
            "colt-cc (a compiler that is named with its folder, an assembler); left as the build makes it"
        )
    if old := sum(shown(file, root) not in made for file in rest):
        notes.append(f"{old} objects of the program were up to date and stay as they are; clean first to tune them too")
    return notes
