"""The way of a compiler's command for which there may be a recipe."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from colt_llvm.build.arguments import Command, normalised, parse
from colt_llvm.build.compile import FrontEndFailed, Unit, compile_unit, inputs_in
from colt_llvm.build.log import write_line
from colt_llvm.build.settings import Settings
from colt_llvm.build.store import UnitRecipe, choose, find_recipe_file, load_recipes
from colt_llvm.compilation import Level
from colt_llvm.errors import ColtError
from colt_llvm.toolchain import toolchain_of

EXIT_STRICT = 1


class _Misfit(Exception):
    """Why clang makes this object as asked."""


def compile_tuned(clang: str, words: list[str], cxx: bool, settings: Settings) -> int | None:
    """Exit status; None where clang is to do it as asked (said in one line, where there is a recipe)."""
    command = parse(words, cxx)
    if command.kind != "compile":
        return None
    found = find_recipe_file(command.source)
    if found is None:
        return None
    root, file = found
    try:
        _compile(clang, Unit(command, Path.cwd()), root, file)
    except FrontEndFailed as error:
        return error.status
    except (_Misfit, ColtError, OSError) as error:
        reason = " ".join(str(error).split())
        say = f"colt-cc: {command.source}: recipe not used: {reason}"
        if settings.strict:
            print(f"{say}; tune again, or unset COLT_STRICT", file=sys.stderr)
            return EXIT_STRICT
        print(say, file=sys.stderr)
        if settings.log:
            write_line(settings.log, words, cxx, note=reason)
            settings.log = ""
        return None
    if settings.log:
        write_line(settings.log, words, cxx, recipe=file)
    return 0


def _compile(clang: str, unit: Unit, root: str, file: str) -> None:
    toolchain = toolchain_of(Path(clang))
    recipe = choose(load_recipes(file), root, normalised(unit.command.flags, root), toolchain.major)
    if isinstance(recipe, str):
        raise _Misfit(recipe)
    with TemporaryDirectory(prefix="colt-") as folder:
        # Beside its place, so that it arrives there whole.
        made = unit.output.with_name(f".{unit.output.name}.{os.getpid()}.colt")
        try:
            level = cast(Level, recipe.level)
            names = compile_unit(clang, toolchain.library, unit, level, recipe.pipeline, Path(folder), made)
            _check_inputs(recipe, root, unit.command, names)
            os.replace(made, unit.output)
        finally:
            made.unlink(missing_ok=True)


def _check_inputs(recipe: UnitRecipe, root: str, command: Command, names: list[str]) -> None:
    """That it includes nothing which it did not include when it was tuned."""
    if new := sorted(inputs_in(root, os.getcwd(), names) - set(recipe.inputs)):
        raise _Misfit(f"{command.source} includes {new[0]}, which it did not when it was tuned")
