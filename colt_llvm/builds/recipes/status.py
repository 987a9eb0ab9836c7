"""The recipes in a tree, and whether each still fits.

The content of every input is compared with its digest. Each file is read once, and nothing is compiled.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from colt_llvm.builds.cc.arguments import parse
from colt_llvm.builds.cc.compile import Unit
from colt_llvm.builds.cc.settings import FOLDER, PROGRAMS
from colt_llvm.builds.recipes.store import (
    UnitRecipe,
    all_recipe_files,
    find_recipe_file,
    input_digest,
    load_recipes,
    machine_of,
    misfit,
    profile_misfit,
    remove_store,
    write_recipes,
)
from colt_llvm.builds.whole_program.store import (
    ProgramRecipe,
    all_program_files,
    load_program,
    program_misfit,
)
from colt_llvm.core.errors import RecipeError
from colt_llvm.llvm.toolchain import Toolchain

State = Literal["fits", "stale", "idle", "unused", "damaged"]
#: The first word of a recorded command: which of the two compilers it is for.
COMPILERS = {False: "cc", True: "c++"}
_SKIPPED = {FOLDER, ".git", ".hg", ".svn", "node_modules"}


@dataclass(frozen=True)
class Entry:
    """One recipe, or one file of recipes that cannot be read, and whether a build can use it.

    States: ``fits``; ``stale``, what it was tuned for has changed; ``idle``, it is up to date and cannot be used here
    and now (another kind of processor; a header that the build has yet to make); ``unused``, no build will ever read
    it; ``damaged``, the file cannot be read.
    """

    root: Path  # the folder that holds ``.colt``
    file: Path
    source: str  # relative to the root; of a whole program, what is linked
    state: State
    reason: str = ""  # of the state, in a few words; empty where it fits
    recipe: UnitRecipe | None = None
    program: ProgramRecipe | None = None  # of a whole program


@dataclass(frozen=True)
class StaleUnit:
    """A source whose recipe no build uses any more."""

    source: str
    recipe: UnitRecipe
    reason: str
    gone: bool = False  # the source itself is gone, so there is nothing to tune


def find_roots(folder: Path) -> list[Path]:
    """Folders that hold a ``.colt``: ``folder`` and all below it; where none does, the nearest one above it."""
    place = Path(os.path.realpath(folder))
    found = []
    for name, folders, _ in os.walk(place):
        if FOLDER in folders:
            found.append(Path(name))
        folders[:] = sorted(set(folders) - _SKIPPED)
    if not found:
        found = [above for above in place.parents if (above / FOLDER).is_dir()][:1]
    return [root for root in found if root != root.parent]


def entries(root: Path, toolchain: Toolchain | None) -> list[Entry]:
    """Every recipe of ``root`` in the order of the sources, those of programs last.

    toolchain: None does not compare LLVM's version and processor.
    """
    place = Path(os.path.realpath(root))
    digest = cache(input_digest)
    found: list[Entry] = []
    for file in all_recipe_files(place):
        source = str(file.relative_to(place / FOLDER))[: -len(".json")]
        try:
            recipes = load_recipes(file)
        except RecipeError as error:
            reason = str(error).removeprefix(f"{file}: ")
            found.append(Entry(place, file, source, "damaged", reason))
            continue
        for recipe in recipes:
            state, reason = _state(place, file, source, recipe, toolchain, digest)
            found.append(Entry(place, file, source, state, reason, recipe))
    return found + _programs(place, toolchain)


def _programs(root: Path, toolchain: Toolchain | None) -> list[Entry]:
    found = []
    for file in all_program_files(root):
        output = str(file.relative_to(root / FOLDER / PROGRAMS))[: -len(".json")]
        try:
            recipe = load_program(file)
        except RecipeError as error:
            found.append(Entry(root, file, output, "damaged", str(error).removeprefix(f"{file}: ")))
            continue
        other = toolchain is not None and recipe.machine != machine_of(toolchain.triple)
        major, triple = (toolchain.major, toolchain.triple) if toolchain else (None, "")
        reason = program_misfit(recipe, str(root), major, triple)
        state: State = "idle" if other else "stale" if reason else "fits"
        found.append(Entry(root, file, output, state, reason, program=recipe))
    return found


def stale(root: Path, toolchain: Toolchain) -> list[StaleUnit]:
    """Sources to be tuned again for this toolchain, in their order; not for another kind of processor.

    Call it after a build: a header that is missing then counts as gone. Raises RecipeError for a damaged file.
    """
    found = []
    for entry in entries(root, toolchain):
        recipe = entry.recipe
        if entry.program is not None:
            continue  # --whole-program renews it
        if recipe is None:
            raise RecipeError(f"{entry.file}: {entry.reason}")
        if entry.state == "stale" or (entry.state == "idle" and recipe.machine == machine_of(toolchain.triple)):
            gone = not os.path.exists(entry.root / entry.source)
            now = misfit(recipe, str(entry.root), recipe.flags, toolchain.major) if entry.state == "idle" else ""
            found.append(StaleUnit(entry.source, recipe, now or entry.reason, gone))
    return found


def removable(found: Sequence[Entry]) -> list[Entry]:
    """Those that no build can use."""
    return [entry for entry in found if entry.state in ("stale", "unused")]


def prune(found: Sequence[Entry]) -> None:
    """Remove the removable ones of ``found``, all that ``entries`` gave, from their files. Raises RunDirectoryError."""
    for entry in removable(found):
        if entry.program is not None:
            remove_store(entry.file)
    for file in sorted({entry.file for entry in removable(found) if entry.program is None}):
        kept = [entry.recipe for entry in found if entry.file == file and entry not in removable(found)]
        write_recipes(file, [recipe for recipe in kept if recipe is not None])


def recorded_unit(recipe: UnitRecipe, root: str) -> Unit | None:
    """The unit as it was built when the recipe was made, in this root; None where the recipe does not say how."""
    if len(recipe.command) < 2:
        return None
    compiler, *words = (word.replace("{root}", root) for word in recipe.command)
    directory = os.path.normpath(os.path.join(root, recipe.directory))
    command = parse([f"-{recipe.level}", *words, "-o", "unit.o"], compiler == COMPILERS[True], directory)
    return Unit(command, Path(directory)) if command.kind == "compile" else None


def _state(
    root: Path, file: Path, source: str, recipe: UnitRecipe, toolchain: Toolchain | None, digest: Callable[[str], str]
) -> tuple[State, str]:
    if recipe.source != source:
        return "unused", f"it is for {recipe.source}, and its file is named for {source}"
    if not os.path.exists(root / source):
        return "stale", f"{source} is not there any more"
    nearest = find_recipe_file(source, str(root))
    if nearest is None:
        return "unused", f"{source} is a symbolic link now; builds look for the file that it points to"
    if nearest[1] != str(file):
        return "unused", f"{os.path.relpath(nearest[1], root)} is nearer to the source"
    if toolchain is not None and recipe.machine != machine_of(toolchain.triple):
        return "idle", misfit(recipe, str(root), recipe.flags, None, triple=toolchain.triple)
    # A change comes before a missing file, which the build may still make.
    there = {name: value for name, value in recipe.inputs.items() if os.path.exists(root / name)}
    major = toolchain.major if toolchain else None
    reason = misfit(replace(recipe, inputs=there), str(root), recipe.flags, major, digest=digest)
    unit = recorded_unit(recipe, str(root)) if recipe.profile else None
    profile = unit.command.profile if unit is not None else ""
    if profile and os.path.isfile(profile):
        reason = reason or profile_misfit(recipe, profile)
    if reason:
        return "stale", reason
    missing = sorted(set(recipe.inputs) - set(there))
    if profile and not os.path.isfile(profile):
        missing.append(os.path.relpath(profile, root) if profile.startswith(f"{root}{os.sep}") else profile)
    return ("idle", f"{missing[0]} is not there; build the project first") if missing else ("fits", "")
