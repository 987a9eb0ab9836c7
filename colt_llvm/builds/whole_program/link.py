"""Which symbols of a program have to stay visible at its link.

A symbol that nothing outside of the merged units names can be made internal. Outside are all other objects, archives
and shared libraries of the link, the C library and the compiler's own files included. What they define counts like what
they refer to, since either may have to be one symbol with the program's. Why so: docs/decisions/0022.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.builds.project.learn import Link
from colt_llvm.builds.project.relink import Place, named_files, read_archive
from colt_llvm.builds.whole_program.objects import Carried, carried_by
from colt_llvm.core.errors import UsageError
from colt_llvm.llvm.elf import Header, Section, read_object, unpack_symbols

#: Linker options, without dashes, that name symbols, hide them, or make the linker write something beside.
_REFUSED = {
    "wrap", "defsym", "undefined", "u", "require-defined", "version-script", "dynamic-list", "entry", "e", "init",
    "fini", "retain-symbols-file", "just-symbols", "script", "T", "default-script", "dT", "r", "relocatable", "Ur",
    "shared", "Bshareable", "symbol-ordering-file", "section-ordering-file", "plugin", "plugin-opt", "keep-unique",
    "Map", "M", "print-map", "trace", "t", "trace-symbol", "y", "cref", "dependency-file", "print-gc-sections",
    "verbose", "stats", "export-dynamic-symbol", "export-dynamic-symbol-list", "format", "b",
    "exclude-libs", "emit-relocs", "q", "split-by-file", "sort-section", "out-implib",
}  # fmt: skip
#: The same of the driver's own.
_REFUSED_BY_DRIVER = ("-shared", "-r", "-nostdlib", "-nodefaultlibs", "-nostartfiles", "-v", "-###")
_REFUSED_BEGINNINGS = ("-flto", "-fuse-ld=/", "--ld-path", "-T", "-u", "-e")
TRACE = "-Wl,-t,-t"  # twice: GNU ld then names members of archives too
_TRACED = re.compile(r"^(?:\((?P<a>.+)\)(?P<am>.+)|(?P<b>.+\.l?a)\((?P<bm>.+)\)|(?P<file>.+))$")
_STB_LOCAL, _RELOCATABLE = 0, 1
_BITCODE = b"BC\xc0\xde"


@dataclass(frozen=True)
class Traced:
    """What the linker read."""

    files: tuple[Path, ...]  # all, absolute
    loaded: Mapping[Path, tuple[str, ...]]  # archive -> names of the members that it took, in order


def refused(words: Sequence[str]) -> str:
    """The word of a link command that makes visible symbols hard to tell, "... in the link command"; or empty."""
    for word in words:
        if word in _REFUSED_BY_DRIVER or word.startswith(_REFUSED_BEGINNINGS):
            return f"{word} in the link command"
    for option in _linker_options(words):
        name = option.lstrip("-").partition("=")[0]
        if option.startswith("-") and name in _REFUSED:
            return f"{option} in the link command"
    return ""


def _linker_options(words: Sequence[str]) -> Iterator[str]:
    following = False
    for word in words:
        if following:
            following = False
            yield word
        elif word.startswith("-Wl,"):
            yield from word.split(",")[1:]
        else:
            following = word == "-Xlinker"


def read_trace(text: str, directory: Path) -> Traced:
    """What the linker printed with the option ``TRACE``. Raises UsageError where that is no list of files."""
    files: dict[Path, None] = {}
    loaded: dict[Path, list[str]] = {}
    for line in text.splitlines():
        found = _TRACED.match(line.strip())
        if found is None:
            continue
        archive, member = found["a"] or found["b"], found["am"] or found["bm"]
        path = Path(os.path.realpath(directory / (archive or found["file"])))
        if not path.is_file():
            raise UsageError(
                f"--whole-program: the linker does not list what it reads ({line.strip()[:80]}); leave it out"
            )
        files[path] = None
        if archive:
            loaded.setdefault(path, []).append(os.path.basename(member))
    return Traced(tuple(files), {path: tuple(names) for path, names in loaded.items()})


def outside_symbols(files: Sequence[Path], ours: Collection[bytes]) -> set[str]:
    """Names that files of a link define or refer to. ours: contents of the objects that are merged, left out.

    Raises UsageError for an object that holds bitcode alone.
    """
    found: set[str] = set()
    for file in files:
        for part in [member.data for member in read_archive(file)] or [file.read_bytes()]:
            if part.startswith(_BITCODE):
                raise UsageError(f"--whole-program: {file.name} holds bitcode; build it without -flto")
            if part not in ours:
                found |= symbols(part)
    return found


def symbols(data: bytes) -> set[str]:
    """Global names of a file: of an object's symbol table, of a shared library's or a program's dynamic one."""
    if not data.startswith(b"\x7fELF"):
        return set()  # a linker script of the C library: the linker lists the files that it names
    header, sections = read_object(data)
    kind = int.from_bytes(data[16:18], "little" if header.order == "<" else "big")
    wanted = "SHT_SYMTAB" if kind == _RELOCATABLE else "SHT_DYNSYM"
    table = next((section for section in sections if section.type == wanted), None)
    return set() if table is None else _names(header, sections, table)


def _names(header: Header, sections: Sequence[Section], table: Section) -> set[str]:
    names = sections[table.link].data()
    found = set()
    for name_at, info, *_ in unpack_symbols(header, table.data()):
        if info >> 4 != _STB_LOCAL and name_at:
            found.add(names[name_at : names.index(b"\0", name_at)].decode("utf-8", "surrogateescape"))
    return found


@dataclass(frozen=True)
class Found:
    """An object of a link that carries bitcode."""

    path: Path  # its own, or a made-up one for an archive's member
    place: Place
    data: bytes  # the whole object
    carried: Carried


def carriers(link: Link) -> list[Found]:
    """The objects of a link that carry bitcode, alone or in archives, each once, in the order of the command."""
    found: dict[tuple[Path, str, int], Found] = {}
    for index, file in named_files(link.command.words, link.directory):
        archived = read_archive(file)
        for member in archived:
            path = file.with_name(f"{file.name}-{member.number}-{member.name}")
            place = Place(index, file, member.name, member.number)
            if carried := carried_by(member.data):
                found.setdefault((file, member.name, member.number), Found(path, place, member.data, carried))
        if not archived and file.is_file() and (carried := carried_by(data := file.read_bytes())):
            found.setdefault((file, "", 0), Found(file, Place(index), data, carried))
    return list(found.values())


def existing_files(link: Link) -> list[Path]:
    """Objects, archives and libraries that the command names; not those of the system, named by -l alone."""
    files = (file for _, file in named_files(link.command.words, link.directory))
    # The program itself may be there, from the last link.
    return list(dict.fromkeys(file for file in files if file.is_file() and file != link.output))


def strip_words(words: Sequence[str]) -> list[str]:
    """The option that strips the program, where the command strips it: links for tuning do not."""
    options = {*words, *_linker_options(words)}
    return ["-s"] if options & {"-s", "--strip-all", "-strip-all"} else []
