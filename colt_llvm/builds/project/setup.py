"""A project as it is before tuning: built once, its units known, its program linked again in a folder of ours."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.builds.cc.arguments import normalised
from colt_llvm.builds.cc.compile import Unit
from colt_llvm.builds.project.learn import Build, LeftOut, Link, run_build, sentences, set_for_make, shown
from colt_llvm.builds.project.options import ProjectOptions
from colt_llvm.builds.project.relink import Relinker, find_program
from colt_llvm.builds.project.units import Measured, NotTunable, measure_unit, same_code
from colt_llvm.builds.recipes.status import stale
from colt_llvm.builds.recipes.store import UnitRecipe, choose, find_recipe_file, load_recipes, machine_of
from colt_llvm.core.errors import ColtError, RecipeError, UsageError
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.host import compile_cores
from colt_llvm.program.program import Workload

#: A file's time may be a little behind the clock.
_CLOCK_SECONDS = 0.02
_OURS = ("colt-cc", "colt-c++")


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
    began = time.time() - _CLOCK_SECONDS
    build = run_build(options.builds, root, toolchain, scratch)
    link = program_of(build, options, root)
    workloads = tuple(_workload(workload, build, root) for workload in options.workloads)
    objects = {unit.output: unit.output.read_bytes() for unit in build.units if unit.output.is_file()}
    relinker = Relinker.of(str(toolchain.compiler(link.command.cxx)), link, objects)
    linked = [unit for unit in build.units if unit.output in relinker.places]
    left_out = left_out_of(link, build)
    if not linked:
        why = "; ".join(sentences(left_out, root, remedy=True))
        what = (
            f" and that can be tuned; {why}"
            if why
            else ("; clean first, and link it from objects or a static library (--disable-shared)")
        )
        raise UsageError(f"--build: {link.output.name} is linked from no object that this build compiled{what}")
    compiled = {**objects, **{file.output: file.output.read_bytes() for file in left_out}}
    notes = notes_on(build, relinker, compiled, root, began)
    for note in notes:
        report(note)
    report(f"{link.output.name}: {len(linked)} objects; building them at -{options.level}, to have the mark")
    units, more = _measure(toolchain, linked, build, root, options, scratch)
    left_out += [item for item in more if isinstance(item, LeftOut)]
    said = [f"{line}; left as the build makes it, in what is compared too" for line in sentences(left_out, root)]
    said += [item for item in more if isinstance(item, str)]
    for note in said:
        report(note)
    mark = relinker.make(scratch / "mark", {unit.unit.output: unit.mark for unit in units})
    same = all(same_code(unit.object, unit.mark) for unit in units)
    built = {unit.unit.output: unit.object for unit in units}
    as_built = None if same else relinker.make(scratch / "as-built", built)
    project = Project(
        root, toolchain, options, build, units, relinker, workloads, mark, as_built, {}, {}, [*notes, *said]
    )
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


def _workload(workload: Workload, build: Build, root: Path) -> Workload:
    return replace(workload, command=find_program(build.links, workload.command, root)[1], cwd=root)


def _measure(
    toolchain: Toolchain, units: Sequence[Unit], build: Build, root: Path, options: ProjectOptions, scratch: Path
) -> tuple[list[Measured], list[LeftOut | str]]:
    """What can be tuned, and what cannot: such a unit is the build's own in all that is compared."""

    def measure(unit: Unit) -> Measured | LeftOut | str:
        if unit.command.level == "O0":
            return LeftOut(str(unit.source), unit.output, "it is compiled at -O0")
        if not unit.source.is_file():
            return LeftOut(str(unit.source), unit.output, "it is gone after the build")
        with TemporaryDirectory(prefix="colt-", dir=scratch) as folder:
            try:
                tuned = bool(build.logged[unit.output].recipe)
                return measure_unit(toolchain, unit, root, options.level, Path(folder), tuned)
            except NotTunable as error:
                return LeftOut(str(unit.source), unit.output, str(error))
            except ColtError as error:
                return f"{shown(unit.source, root)}: left as it is ({error})"

    with ThreadPoolExecutor(len(compile_cores())) as pool:
        found = list(pool.map(measure, units))
    measured = [item for item in found if isinstance(item, Measured)]
    return measured, [item for item in found if not isinstance(item, Measured)]


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


class NothingCompiled(UsageError):
    """The build ran and compiled nothing."""


def program_of(build: Build, options: ProjectOptions, root: Path) -> Link:
    """The link of the program that is run. Raises UsageError, NothingCompiled where there is nothing to tune."""
    command = shlex.join(options.builds[-1])
    if not build.commands:
        raise NothingCompiled(
            f"--build {command}: compiled nothing through colt-cc. Where all is built already, clean first; where the "
            "compiler is written into the build, use make CC=colt-cc, ./configure CC=colt-cc or "
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
            f"--build {command}: linked no program through colt-cc; build the program itself, not a part"
            f"{set_for_make()}"
        )
    return find_program(build.links, run, root)[0]


def left_out_of(link: Link, build: Build) -> list[LeftOut]:
    """What the program holds of files that no recipe is for."""
    files = {file.output: file for file in build.left_out if file.output.is_file()}
    places = Relinker.of("", link, {output: output.read_bytes() for output in files}).places
    return [file for output, file in files.items() if output in places]


def notes_on(build: Build, relinker: Relinker, objects: Mapping[Path, bytes], root: Path, began: float) -> list[str]:
    """objects: path -> content, of all that the build compiled through colt-cc. began: its start, as ``time.time``."""
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
            f"{sources[0]}{more} compiled by {name}, which the build names itself; tuning puts colt-cc there, and "
            f"your builds use recipes only with make {ours}; where a rule says {name}, write {variable}"
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
