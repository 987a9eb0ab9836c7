"""The way of a compiler's command for which there may be a recipe.

Nothing of ours is seen before it is all done: clang's diagnostics are kept until the object is in its place. So
whatever goes wrong on the way, clang can compile as asked, as if we had not tried.
"""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from colt_llvm.builds.cc import streams
from colt_llvm.builds.cc.arguments import Command, normalised, parse
from colt_llvm.builds.cc.cleanup import Ended, Scratch, end_by, endings_raised, put_in_place
from colt_llvm.builds.cc.compile import (
    RAW,
    CodeGenerationFailed,
    FrontEndFailed,
    Unit,
    asked_words,
    codegen_words,
    compile_unit,
    front_end_words,
    inputs_in,
)
from colt_llvm.builds.cc.options import CODEGEN_LEVEL
from colt_llvm.builds.cc.passes import PassesChild
from colt_llvm.builds.cc.settings import Settings
from colt_llvm.builds.cc.toolchain_cache import library_of
from colt_llvm.builds.recipes.store import UnitRecipe, choose, find_recipe_file, load_recipes
from colt_llvm.core.errors import ColtError

if TYPE_CHECKING:
    from colt_llvm.program.compilation import Level

EXIT_STRICT = 1


class _Misfit(Exception):
    """Why clang makes this object as asked. remedy: what helps."""

    def __init__(self, why: str, remedy: str = "tune again") -> None:
        super().__init__(why)
        self.remedy = remedy


class _AsAsked(Exception):
    """clang is to do this alone, and there is nothing to say about it; the text is for the log."""


def compile_tuned(clang: str, words: list[str], cxx: bool, settings: Settings) -> int | None:
    """Exit status; None where clang is to do it as asked (said in one line, where there is a recipe)."""
    command = parse(words, cxx)
    found = _recipe_of(command)
    if found is None:
        return None
    source, root, file = found
    streams.keep_streams_open()
    try:
        with endings_raised():
            _check_asked(command, settings)
            said = _compile(clang, Unit(command, Path.cwd()), root, file, settings)
    except Ended as ended:
        end_by(ended.number)
    except _AsAsked as error:
        _leave_to_clang(words, cxx, str(error), settings)
        return None
    except Exception as error:
        reason = _reason(error)
        line = f"{source}: recipe not used: {reason}"
        _leave_to_clang(words, cxx, reason, settings)
        if settings.strict:
            streams.say(f"{line}; {getattr(error, 'remedy', 'tune again')}, or unset COLT_STRICT")
            return EXIT_STRICT
        streams.say(line)
        return None
    if settings.log:
        from colt_llvm.builds.cc.log import write_line

        write_line(settings.log, words, cxx, recipe=file)
    streams.write(said)
    return 0


def _recipe_of(command: Command) -> tuple[str, str, str] | None:
    """(source, root, file) of the first source that the command makes code of and that has recipes."""
    for source in command.sources if command.makes else []:
        if (found := find_recipe_file(source)) is not None:
            return source, *found
    return None


def _check_asked(command: Command, settings: Settings) -> None:
    """Whether a recipe can do at all what is asked for."""
    if command.kind != "compile":
        raise _Misfit(command.why_not, "leave it out" if command.option else "change the build")
    if settings.plain:
        raise _Misfit(f"{settings.plain} is set, which recipes cannot follow", "unset that")
    if command.level == "O0":
        # A build for the debugger needs no line for each file.
        if settings.strict:
            raise _Misfit("it is compiled at -O0", "compile it at another level")
        raise _AsAsked("it is compiled at -O0")


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, _Misfit | ColtError | OSError):
        return text
    return f"internal error ({type(error).__name__}: {text})"


def _leave_to_clang(words: list[str], cxx: bool, reason: str, settings: Settings) -> None:
    """Log why, here and not once more where clang is started."""
    if settings.log:
        from colt_llvm.builds.cc.log import write_line

        write_line(settings.log, words, cxx, note=reason)
        settings.log = ""


def _compile(clang: str, unit: Unit, root: str, file: str, settings: Settings) -> bytes:
    """Put the object in its place; what clang said."""
    library, major = library_of(clang, settings.cache)
    flags = normalised(unit.command.flags, root)
    recipe = choose(load_recipes(file), root, flags, major, triple=os.uname().machine)
    if isinstance(recipe, str):
        raise _Misfit(recipe)
    level = _checked_level(recipe, file)
    if unit.command.level_word == "-Ofast" and level != "O3":
        raise _Misfit(f"it is compiled at -Ofast, of which clang warns, and the recipe is for -{level}")
    place = os.path.join(unit.directory, unit.command.output)
    _check_place(place)
    with Scratch(settings.temporary) as folder:
        child = PassesChild(folder, Path(library), recipe.pipeline, CODEGEN_LEVEL[level])
        try:
            return _steps(clang, Path(library), unit, level, recipe, root, folder, place, child)
        finally:
            child.close()


def _steps(
    clang: str,
    library: Path,
    unit: Unit,
    level: Level,
    recipe: UnitRecipe,
    root: str,
    folder: Path,
    place: str,
    child: PassesChild,
) -> bytes:
    made = folder / "unit.o"
    with open(folder / "said", "w+b", buffering=0) as said:
        try:
            names = compile_unit(
                clang, library, unit, level, recipe.pipeline, folder, made, said=said.fileno(), passes=child.run
            )
        except FrontEndFailed as error:
            if _fails_as_asked(clang, unit, folder):
                raise _AsAsked(str(error)) from None
            raise _Misfit(f"clang refuses the source at -{level}, which the recipe is for") from None
        except CodeGenerationFailed as error:
            if not _fails_without_passes(clang, unit, level, folder):
                raise
            if _fails_as_asked(clang, unit, folder):
                raise _AsAsked(str(error)) from None
            raise _Misfit("clang has something to say to the code that it generates") from None
        _check_inputs(recipe, root, unit.command, names)
        said.seek(0)
        text = said.read()
        if text and streams.is_terminal():
            # Once more for the terminal's colours and width, which clang must find itself.
            _front_end_again(clang, unit, level, folder)
            text = b""
    put_in_place(made, place)
    return text


def _fails_without_passes(clang: str, unit: Unit, level: Level, folder: Path) -> bool:
    """Whether it is the source (inline assembly) or an option that code generation has something to say to."""
    words = codegen_words(unit, level, folder / RAW, folder / "again.o")
    done = subprocess.run([clang, *words], cwd=unit.directory, stderr=subprocess.PIPE)
    return bool(done.returncode or done.stderr)


def _fails_as_asked(clang: str, unit: Unit, folder: Path) -> bool:
    """Whether clang makes no object of it with the command's own words either; it will say why itself."""
    words = asked_words(unit, folder / "asked.o")
    return subprocess.call([clang, *words], cwd=unit.directory, stderr=subprocess.DEVNULL) != 0


def _front_end_again(clang: str, unit: Unit, level: Level, folder: Path) -> None:
    subprocess.call([clang, *front_end_words(unit, level, folder / "again.bc", None)], cwd=unit.directory)


def _checked_level(recipe: UnitRecipe, file: str) -> Level:
    """A recipe is data from a tree; nothing of it may become an option of clang."""
    if recipe.level not in CODEGEN_LEVEL:
        raise _Misfit(f"{file}: level {recipe.level!r} is none of {', '.join(CODEGEN_LEVEL)}")
    if "\0" in recipe.pipeline:
        raise _Misfit(f"{file}: the pipeline is not text")
    return recipe.level  # type: ignore[return-value]


def _check_place(place: str) -> None:
    """clang itself treats files that are special or protected; and says what is wrong with a folder."""
    try:
        facts = os.stat(place)
    except FileNotFoundError:
        if not os.path.isdir(os.path.dirname(place)) or os.path.islink(place):
            raise _AsAsked("the output has no folder") from None
        return
    if not stat.S_ISREG(facts.st_mode) or not os.access(place, os.W_OK):
        raise _AsAsked("the output is no file that can be written")


def _check_inputs(recipe: UnitRecipe, root: str, command: Command, names: list[str]) -> None:
    """That it includes nothing which it did not include when it was tuned."""
    if new := sorted(inputs_in(root, os.getcwd(), names) - set(recipe.inputs)):
        raise _Misfit(f"{command.source} includes {new[0]}, which it did not when it was tuned")
