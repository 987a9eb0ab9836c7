"""Whole programs in a build: bitcode goes along in the objects, and the link makes one object of it.

An object is what clang makes of it, with a section more; so it links as ever, alone and in archives. Whatever is
missing or does not fit when the program is linked, the link is done as asked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from colt_llvm.builds.cc.arguments import Command, normalised, parse
from colt_llvm.builds.cc.cleanup import Ended, Scratch, end_by, endings_raised, put_in_place
from colt_llvm.builds.cc.compile import Unit, front_end_words, inputs_in, read_dependencies
from colt_llvm.builds.cc.options import CODEGEN_LEVEL
from colt_llvm.builds.cc.settings import Settings
from colt_llvm.builds.cc.streams import keep_streams_open, say
from colt_llvm.builds.cc.toolchain_cache import library_of
from colt_llvm.builds.recipes.store import first_difference
from colt_llvm.builds.whole_program.objects import Carried, quietly, with_bitcode
from colt_llvm.builds.whole_program.store import (
    Member,
    ProgramRecipe,
    find_program_file,
    load_program,
    member_misfit,
    programs_with,
)
from colt_llvm.core.errors import ColtError

EXIT_STRICT = 1


class _Misfit(Exception):
    """Why the program is linked as asked."""


def take_part(clang: str, words: list[str], cxx: bool, settings: Settings, status: int | None) -> int | None:
    """Do what a program recipe asks of this command: the exit status; None where it asks nothing.

    status: of a unit that was compiled with a recipe of its own; None where clang has yet to compile it.
    """
    command = parse(words, cxx)
    if command.kind == "compile":
        return status if command.level == "O0" or settings.plain else _compile(clang, words, command, settings, status)
    if command.makes == "code":
        return _link(clang, words, command, settings)
    return status


def _compile(clang: str, words: list[str], command: Command, settings: Settings, status: int | None) -> int | None:
    unit = Unit(command, Path.cwd())
    fitting = _fitting(clang, unit, settings)
    if fitting is None:
        return status
    if status is None:
        keep_streams_open()
        status = _as_asked([clang, *words])
        _log(settings, words, command.cxx)
    if status == 0:
        try:
            with endings_raised():
                _add_bitcode(clang, unit, *fitting, settings)
        except Ended as ended:
            end_by(ended.number)
        except Exception as error:
            # The object is whole; what it lacks is said when the program is linked.
            if settings.strict and not isinstance(error, _Misfit | ColtError | OSError):
                raise
    return status


def _as_asked(command: list[str]) -> int:
    """Its status; a signal that ends us goes to clang too, which removes what it has begun to write."""
    child = subprocess.Popen(command)
    try:
        with endings_raised():
            status = child.wait()
    except Ended as ended:
        child.send_signal(ended.number)
        child.wait()
        end_by(ended.number)
    if status < 0:
        end_by(-status)
    return status


def _fitting(clang: str, unit: Unit, settings: Settings) -> tuple[str, ProgramRecipe, Member] | None:
    """The first program that has this source, built with these options, as a member."""
    for root, recipe, member in programs_with(str(unit.source)):
        if member.flags != tuple(normalised(unit.command.flags, root)) or member_misfit(root, member):
            continue
        if recipe.level in CODEGEN_LEVEL and library_of(clang, settings.cache)[1] == recipe.llvm_major:
            return root, recipe, member
    return None


def _add_bitcode(clang: str, unit: Unit, root: str, recipe: ProgramRecipe, member: Member, settings: Settings) -> None:
    with Scratch(settings.temporary) as folder:
        bitcode, dependencies = folder / "unit.bc", folder / "unit.d"
        front = front_end_words(quietly(unit), recipe.level, bitcode, dependencies)
        done = subprocess.run([clang, *front], cwd=unit.directory, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode:
            raise _Misfit("the front end fails")
        if inputs_in(root, str(unit.directory), read_dependencies(dependencies)) != set(member.inputs):
            raise _Misfit("it includes other files than when it was tuned")
        carried = Carried(recipe.key(member), tuple(unit.command.passed), bitcode.read_bytes())
        made = with_bitcode(unit.output.read_bytes(), carried)
        if made is None:
            raise _Misfit("its object takes no section more")
        place = folder / "unit.o"
        place.write_bytes(made)
        put_in_place(place, str(unit.output))


def _link(clang: str, words: list[str], command: Command, settings: Settings) -> int | None:
    found = find_program_file(command.output or "a.out")
    if found is None:
        return None
    root, file = found
    keep_streams_open()
    try:
        with endings_raised():
            _check_asked(command, settings)
            _link_whole(clang, command, root, load_program(file), settings)
    except Ended as ended:
        end_by(ended.number)
    except Exception as error:
        reason = " ".join(str(error).split())
        if not isinstance(error, _Misfit | ColtError | OSError):
            reason = f"internal error ({type(error).__name__}: {reason})"
        line = f"{command.output or 'a.out'}: program recipe not used: {reason}"
        _log(settings, words, command.cxx, note=reason)
        settings.log = ""
        if settings.strict:
            say(f"{line}; tune again, or unset COLT_STRICT")
            return EXIT_STRICT
        say(line)
        return None
    _log(settings, words, command.cxx, recipe=file)
    return 0


def _check_asked(command: Command, settings: Settings) -> None:
    if command.kind != "link":
        raise _Misfit(command.why_not)
    if settings.plain:
        raise _Misfit(f"{settings.plain} is set, which recipes cannot follow")


def _link_whole(clang: str, command: Command, root: str, recipe: ProgramRecipe, settings: Settings) -> None:
    library, major = library_of(clang, settings.cache)
    if major != recipe.llvm_major:
        raise _Misfit(f"made with LLVM {recipe.llvm_major}, and this is LLVM {major}")
    if recipe.level not in CODEGEN_LEVEL:
        raise _Misfit(f"level {recipe.level!r} is none of {', '.join(CODEGEN_LEVEL)}")
    if tuple(normalised(command.words, root)) != recipe.link:
        raise _Misfit(f"the link command differs ({first_difference(recipe.link, normalised(command.words, root))})")
    from colt_llvm.builds.project.learn import Link
    from colt_llvm.builds.project.relink import Relinker
    from colt_llvm.builds.project.units import codegen_flags
    from colt_llvm.builds.whole_program.link import (
        Found,
        carriers,
        existing_files,
        outside_symbols,
        refused,
        strip_words,
    )
    from colt_llvm.builds.whole_program.objects import empty_object, make_object, replacement
    from colt_llvm.llvm.link import merge

    if reason := refused(command.words):
        raise _Misfit(reason)
    link = Link(command, Path.cwd())
    by_key: dict[str, list[Found]] = {}
    for one in carriers(link):
        by_key.setdefault(one.carried.key, []).append(one)
    members = []
    for member in recipe.members:
        objects = by_key.get(recipe.key(member), [])
        if len(objects) != 1:
            raise _Misfit(_why_missing(root, member, len(objects)))
        members.append(objects[0])
    flags = {codegen_flags(one.carried.passed) for one in members}
    if len(flags) != 1:
        raise _Misfit("its files are built with different options; build all of them again")
    outside = outside_symbols(existing_files(link), {one.data for one in members})
    merged = merge(Path(library), [one.carried.bitcode for one in members], sorted(outside | set(recipe.kept)))
    if merged.kept != recipe.kept:
        new = sorted(set(merged.kept) ^ set(recipe.kept))
        raise _Misfit(f"{new[0]} is used from outside, which it was not when it was tuned")
    (used,) = flags
    with Scratch(settings.temporary) as folder:
        made = make_object(clang, Path(library), merged.bitcode, recipe.level, recipe.pipeline, used, folder)
        empty = empty_object(clang, recipe.level, used, folder)
        places = {one.path: one.place for one in members}
        relinker = Relinker(clang, link, places, replacement(places, made, empty))
        _put_program_in_place(relinker.make(folder / "program", extra=strip_words(command.words)), link.output)


def _put_program_in_place(made: Path, output: Path) -> None:
    """As a linker leaves it: a file that is there keeps its links and owner only where clang would have kept them."""
    if output.is_symlink() or (output.exists() and not output.is_file()):
        raise _Misfit("the output is no plain file")
    beside = output.with_name(f".colt-{os.getpid()}.tmp")
    try:
        shutil.copy(made, beside)
        os.replace(beside, output)
    finally:
        beside.unlink(missing_ok=True)


def _why_missing(root: str, member: Member, objects: int) -> str:
    if objects:
        return f"{member.source} is linked {objects} times"
    reason = member_misfit(root, member)
    return reason or f"{member.source} was built without it, or with other options; build it again"


def _log(settings: Settings, words: list[str], cxx: bool, recipe: str = "", note: str = "") -> None:
    if settings.log:
        from colt_llvm.builds.cc.log import write_line

        write_line(settings.log, words, cxx, recipe, note)
