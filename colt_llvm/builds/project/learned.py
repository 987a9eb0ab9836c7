"""What is said of a build that was learned: what cannot be tuned and why, before any time is spent on the rest."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from colt_llvm.builds.cc.left_out import LeftOut, sentences, shown
from colt_llvm.builds.project.learn import Build, Link, set_for_make
from colt_llvm.builds.project.options import ProjectOptions
from colt_llvm.builds.project.relink import Relinker, find_program
from colt_llvm.core.errors import UsageError

_OURS = ("colt-cc", "colt-c++")


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
