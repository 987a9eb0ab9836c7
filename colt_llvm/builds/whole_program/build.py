"""Whole programs in a build: objects carry their bitcode, and the link makes one object of it.

Each object is clang's own with one section more, so it links as usual, alone and in archives. Where anything is missing
or does not fit at the link, clang links as asked.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from colt_llvm.builds.cc.arguments import Command, normalised, parse
from colt_llvm.builds.cc.cleanup import Ended, TemporaryFolder, end_by, endings_raised
from colt_llvm.builds.cc.compile import Steps, Unit, front_end_words, inputs_in, quiet, read_dependencies
from colt_llvm.builds.cc.options import CODEGEN_LEVEL
from colt_llvm.builds.cc.settings import EXIT_STRICT, PLAIN, Settings, keep_streams_open, say
from colt_llvm.builds.cc.toolchain_cache import library_of
from colt_llvm.builds.recipes.store import Misfit, checked_level, first_difference, why_not_used
from colt_llvm.builds.whole_program.objects import Carried, with_bitcode
from colt_llvm.builds.whole_program.store import (
    Member,
    ProgramRecipe,
    find_program_file,
    load_program,
    member_misfit,
    programs_with,
)
from colt_llvm.core.errors import ColtError
from colt_llvm.core.files import replacing, write_file


def take_part(clang: str, words: list[str], cxx: bool, settings: Settings, status: int | None) -> int | None:
    """Do what the recipe of a whole program asks of this command; the exit status, or None where it asks nothing.

    status: of a unit that was compiled with its own recipe; None where clang has yet to compile it.
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
        settings.log_command(words, command.cxx)
    if status == 0:
        try:
            with endings_raised():
                _add_bitcode(clang, unit, *fitting, settings)
        except Ended as ended:
            end_by(ended.number)
        except Exception as error:
            # The object is complete; the link will say what it lacks.
            if settings.strict and not isinstance(error, Misfit | ColtError | OSError):
                raise
    return status


def _as_asked(command: list[str]) -> int:
    """Run clang; its status. A signal that ends us is passed on, so that clang removes unfinished files."""
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
    """(root, recipe, member) of the first program that this source, built with these options, is a member of."""
    for root, recipe, member in programs_with(str(unit.source)):
        if member.flags != tuple(normalised(unit.command.flags, root)) or member_misfit(root, member):
            continue
        if recipe.level in CODEGEN_LEVEL and library_of(clang, settings.cache)[1] == recipe.llvm_major:
            return root, recipe, member
    return None


def _add_bitcode(clang: str, unit: Unit, root: str, recipe: ProgramRecipe, member: Member, settings: Settings) -> None:
    with TemporaryFolder(settings.temporary) as folder:
        bitcode, dependencies = folder / "unit.bc", folder / "unit.d"
        front = front_end_words(quiet(unit), recipe.level, bitcode, dependencies)
        done = subprocess.run([clang, *front], cwd=unit.directory, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode:
            raise Misfit("clang refuses the source at the level of the recipe")
        if inputs_in(root, str(unit.directory), read_dependencies(dependencies)) != set(member.inputs):
            raise Misfit("it includes other files than when it was tuned")
        carried = Carried(recipe.key(member), tuple(unit.command.passed), bitcode.read_bytes())
        made = with_bitcode(unit.output.read_bytes(), carried)
        if made is None:
            raise Misfit("its object cannot hold its bitcode")
        write_file(unit.output, made)


def _link(clang: str, words: list[str], command: Command, settings: Settings) -> int | None:
    found = find_program_file(command.output or "a.out")
    if found is None:
        return None
    root, file = found
    keep_streams_open()
    try:
        with endings_raised():
            _check_asked(command, settings)
            _link_whole(clang, command, root, file, settings)
    except Ended as ended:
        end_by(ended.number)
    except Exception as error:
        reason = why_not_used(error)
        line = f"{command.output or 'a.out'}: program recipe not used: {reason}"
        settings.log_command(words, command.cxx, note=reason)
        settings.log = ""  # it is in the log now
        if settings.strict:
            say(f"{line}; tune again, or unset COLT_STRICT")
            return EXIT_STRICT
        say(line)
        return None
    settings.log_command(words, command.cxx, recipe=file)
    return 0


def _check_asked(command: Command, settings: Settings) -> None:
    if command.kind != "link":
        raise Misfit(command.why_not)
    if settings.plain:
        raise Misfit(f"{settings.plain} {PLAIN}")


def _link_whole(clang: str, command: Command, root: str, file: str, settings: Settings) -> None:
    """Link the program as its recipe says. Raises Misfit, ColtError."""
    recipe = load_program(file)
    library, major = library_of(clang, settings.cache)
    if major != recipe.llvm_major:
        raise Misfit(f"made with LLVM {recipe.llvm_major}, and this is LLVM {major}")
    steps = Steps(clang, Path(library), checked_level(recipe.level, file), recipe.pipeline)
    if tuple(normalised(command.words, root)) != recipe.link:
        raise Misfit(f"the link command differs ({first_difference(recipe.link, normalised(command.words, root))})")
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
        raise Misfit(reason)
    link = Link(command, Path.cwd())
    by_key: dict[str, list[Found]] = {}
    for one in carriers(link):
        by_key.setdefault(one.carried.key, []).append(one)
    members = []
    for member in recipe.members:
        objects = by_key.get(recipe.key(member), [])
        if len(objects) != 1:
            raise Misfit(_why_missing(root, member, len(objects)))
        members.append(objects[0])
    flags = {codegen_flags(one.carried.passed) for one in members}
    if len(flags) != 1:
        raise Misfit("its files are built with different options; build all of them again")
    outside = outside_symbols(existing_files(link), {one.data for one in members})
    merged = merge(Path(library), [one.carried.bitcode for one in members], sorted(outside | set(recipe.kept)))
    if merged.kept != recipe.kept:
        new = sorted(set(merged.kept) ^ set(recipe.kept))
        raise Misfit(f"{new[0]} is used from outside, which it was not when it was tuned")
    (used,) = flags
    with TemporaryFolder(settings.temporary) as folder:
        made = make_object(steps, merged.bitcode, used, folder)
        empty = empty_object(clang, recipe.level, used, folder)
        places = {one.path: one.place for one in members}
        relinker = Relinker(clang, link, places, replacement(places, made, empty))
        _put_program_in_place(relinker.make(folder / "program", extra=strip_words(command.words)), link.output)


def _put_program_in_place(made: Path, output: Path) -> None:
    """Copy the program to its place at once, as a new file."""
    if output.is_symlink() or (output.exists() and not output.is_file()):
        raise Misfit("the output is no plain file")
    with replacing(output) as beside:
        beside.write_bytes(made.read_bytes())
        beside.chmod(made.stat().st_mode)


def _why_missing(root: str, member: Member, objects: int) -> str:
    if objects:
        return f"{member.source} is linked {objects} times"
    reason = member_misfit(root, member)
    return reason or f"{member.source} was built without it, or with other options; build it again"
