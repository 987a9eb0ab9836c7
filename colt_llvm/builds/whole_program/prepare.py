"""The units of a program as one module: which can be merged, what of them stays visible, and the module itself."""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.builds.cc.arguments import normalised
from colt_llvm.builds.cc.compile import at_two_moments, front_end_words, inputs_in, quiet, read_dependencies
from colt_llvm.builds.project.learn import Link
from colt_llvm.builds.project.relink import Place, read_archive, with_output
from colt_llvm.builds.project.setup import Project, selected
from colt_llvm.builds.project.units import Measured, call, codegen_flags
from colt_llvm.builds.recipes.store import input_digest
from colt_llvm.builds.whole_program.link import TRACE, Traced, outside_symbols, read_trace, refused, symbols
from colt_llvm.builds.whole_program.objects import empty_object
from colt_llvm.builds.whole_program.store import Member
from colt_llvm.core.errors import ColtError, CompileError, UsageError
from colt_llvm.llvm.link import Merged, merge, named_in_assembly
from colt_llvm.measure.host import compile_cores
from colt_llvm.program.program import Program

_REMEDY = "leave out --whole-program, and each file gets a recipe of its own"
_LINK_SECONDS = 300


@dataclass(frozen=True)
class Whole:
    """The merged units of a program."""

    units: tuple[Measured, ...]  # in the order of the link, as are members and places
    members: tuple[Member, ...]
    places: dict[Path, Place]  # unit's output -> where the link takes it from
    flags: tuple[str, ...]  # for code generation, the same for all units
    merged: Merged
    program: Program  # the merged module, as ``tune`` searches it
    empty: bytes  # the object that takes the place of a merged one


@dataclass(frozen=True)
class _Front:
    """A unit after the front end."""

    unit: Measured
    bitcode: bytes = b""
    inputs: frozenset[str] = frozenset()  # files of the project that it includes, relative to it
    why_not: str = ""  # why it cannot be merged, in a few words


def output_name(project: Project) -> str:
    """The program's path relative to the project. Raises UsageError where it lies outside."""
    output = os.path.realpath(project.relinker.link.output)
    if not output.startswith(str(project.root) + os.sep):
        raise UsageError(f"--whole-program: {output} lies outside of {project.root}; build inside of it, or {_REMEDY}")
    return os.path.relpath(output, project.root)


def prepare_whole(project: Project, folder: Path) -> Whole:
    """Merge the units that can be; the module is written to ``folder``. Others are told in ``project.notes``.

    Raises UsageError.
    """
    output_name(project)
    link = project.relinker.link
    if reason := refused(link.command.words):
        raise UsageError(f"--whole-program: does not work with {reason}; {_REMEDY}")
    traced = _trace(project.relinker.clang, link, project.temporary / "traced")
    every = replace(project, options=replace(project.options, stale_only=False))
    units = _in_order(project, _same_flags(project, selected(every)), traced)
    fronts = _without_assembly(project, [front for front in _fronts(project, units) if _usable(project, front)])
    if len(fronts) < 2:
        raise UsageError(
            f"--whole-program: needs two files that can be merged, and {project.program} has {len(fronts)}; {_REMEDY}"
        )
    ours = {front.unit.output.read_bytes() for front in fronts}
    keep = {"main"} | outside_symbols(traced.files, ours) | symbols(project.baseline.read_bytes())
    try:
        merged = merge(project.toolchain.library, [front.bitcode for front in fronts], sorted(keep))
    except ColtError as error:
        raise UsageError(f"--whole-program: the files do not link as one module ({error}); {_REMEDY}") from None
    flags = codegen_flags(fronts[0].unit.unit.command.passed)
    folder.mkdir(parents=True, exist_ok=True)
    bitcode = folder.resolve() / f"{project.program}.bc"
    bitcode.write_bytes(merged.bitcode)
    program = Program(project.program, (bitcode,), flags, (), project.workloads, project.options.check)
    with TemporaryDirectory(prefix="colt-", dir=project.temporary) as place:
        empty = empty_object(project.relinker.clang, project.options.level, flags, Path(place))
    return Whole(
        units=tuple(front.unit for front in fronts),
        members=tuple(_member(project, front) for front in fronts),
        places={front.unit.output: project.relinker.places[front.unit.output] for front in fronts},
        flags=flags,
        merged=merged,
        program=program,
        empty=empty,
    )


def _trace(clang: str, link: Link, output: Path) -> Traced:
    """Link once, and read off what the linker reads. Raises CompileError, UsageError."""
    words = with_output(link.command.words, output)
    try:
        done = subprocess.run(
            [clang, *words, TRACE], cwd=link.directory, capture_output=True, timeout=_LINK_SECONDS,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CompileError(f"the program is not linked after {_LINK_SECONDS} s; check the build") from None
    if done.returncode:
        raise CompileError("the program does not link again; check the build", done.stderr.decode("utf-8", "replace"))
    return read_trace(done.stdout.decode("utf-8", "surrogateescape"), link.directory)


def _same_flags(project: Project, units: Sequence[Measured]) -> list[Measured]:
    """The units that most of the code is built like: code is generated once, with one set of options."""
    groups: dict[tuple[str, ...], list[Measured]] = defaultdict(list)
    for unit in units:
        groups[codegen_flags(unit.unit.command.passed)].append(unit)
    best = max(groups.values(), key=lambda group: sum(unit.text for unit in group))
    if rest := len(units) - len(best):
        project.notes.append(f"{rest} files are built with other options, and stay objects of their own")
    return best


def _in_order(project: Project, units: Sequence[Measured], traced: Traced) -> list[Measured]:
    """The units in the order of the link, without members of archives that the linker does not take."""
    found = []
    for unit in units:
        place = project.relinker.places[unit.output]
        position = 0
        if place.archive is not None:
            taken = traced.loaded.get(Path(os.path.realpath(place.archive)), ())
            # Of several members of one name the linker does not say which it took.
            if taken.count(place.member) != [one.name for one in read_archive(place.archive)].count(place.member):
                continue
            position = taken.index(place.member)
        found.append((place.word, position, unit))
    return [unit for *_, unit in sorted(found, key=lambda item: item[:2])]


def _fronts(project: Project, units: Sequence[Measured]) -> list[_Front]:
    level, root = project.options.level, str(project.root)

    def front(unit: Measured) -> _Front:
        silent = quiet(unit.unit)
        if silent.command.profile:
            return _Front(unit, why_not="it is compiled with a profile, and keeps it only in a recipe of its own")
        with TemporaryDirectory(prefix="colt-", dir=project.temporary) as name:
            bitcode, again, dependencies = (Path(name) / part for part in ("a.bc", "b.bc", "a.d"))
            try:
                for moment, output in zip(at_two_moments(silent), (bitcode, again), strict=True):
                    call(project.toolchain, silent, front_end_words(moment, level, output, dependencies))
            except CompileError as error:
                return _Front(unit, why_not=str(error))
            data = bitcode.read_bytes()
            if data != again.read_bytes():
                return _Front(unit, why_not="it uses __DATE__, __TIME__ or __TIMESTAMP__")
            if not str(unit.unit.source).startswith(root + os.sep):
                return _Front(unit, why_not=f"it lies outside of {root}")
            return _Front(
                unit, data, frozenset(inputs_in(root, str(unit.unit.directory), read_dependencies(dependencies)))
            )

    with ThreadPoolExecutor(len(compile_cores())) as pool:
        return list(pool.map(front, units))


def _usable(project: Project, front: _Front) -> bool:
    if front.why_not:
        project.notes.append(f"{front.unit.name}: stays an object of its own ({front.why_not})")
    return not front.why_not


def _without_assembly(project: Project, fronts: list[_Front]) -> list[_Front]:
    named = named_in_assembly(project.toolchain.library, [front.bitcode for front in fronts]) if fronts else []
    for front, names in zip(fronts, named, strict=True):
        if names:
            project.notes.append(f"{front.unit.name}: stays an object of its own (its assembly names {names[0]})")
    return [front for front, names in zip(fronts, named, strict=True) if not names]


def _member(project: Project, front: _Front) -> Member:
    root = str(project.root)
    return Member(
        source=front.unit.name,
        flags=tuple(normalised(front.unit.unit.command.flags, root)),
        inputs={name: input_digest(os.path.join(root, name)) for name in sorted(front.inputs)},
    )
