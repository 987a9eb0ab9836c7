"""The build's own link command, repeated in a temporary folder with some objects replaced.

The user's tree is never touched: a candidate left behind there would be taken for the program.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.builds.project.learn import Link
from colt_llvm.core.errors import CompileError, UsageError

_LINK_SECONDS = 300
#: Linker options, without their dashes, that write a file beside the program; what they take is the next one or
#: follows "=".
_WRITES_A_FILE = ("Map", "dependency-file", "out-implib", "reproduce")
#: Options of the compiler that do the same.
_BESIDE = ("-save-temps", "--save-temps", "-ftime-trace")
#: Left out: symbols change no code, and a profile needs them.
_STRIPS = ("-s", "--strip-all", "-strip-all")


@dataclass(frozen=True)
class Place:
    """Where the link command takes an object from: a word of it, or the member of an archive that a word names."""

    word: int  # index
    archive: Path | None = None
    member: str = ""
    number: int = 0  # of several members of that name, how many come before it


@dataclass
class Relinker:
    """Links the program again with other objects."""

    clang: str  # or clang++
    link: Link
    places: Mapping[Path, Place]  # object's path in the build -> where the link takes it from
    objects: dict[Path, bytes] = field(default_factory=dict)  # object's path -> what takes its place in each link

    @staticmethod
    def of(clang: str, link: Link, outputs: Mapping[Path, bytes]) -> Relinker:
        """For a link of objects ``outputs`` of the build: path -> content."""
        return Relinker(clang, link, dict(_find_places(link, outputs)))

    def not_of_this_build(self, outputs: Mapping[Path, bytes]) -> list[Path]:
        """Files of objects in the program that are none of ``outputs``, by path or by content: objects, or archives."""
        contents = set(outputs.values())
        rest: list[Path] = []
        for file in dict(_by_file(self.link)):
            if file.suffix == ".o":
                rest += [file] if file not in outputs else []
            else:
                rest += [file for member in read_archive(file) if member.data not in contents]
        return rest

    def make(self, output: Path, replaced: Mapping[Path, bytes] | None = None, extra: Sequence[str] = ()) -> Path:
        """Link to ``output``, which is returned. Raises CompileError.

        replaced: further objects to replace, by path. extra: words for the end of the command.
        """
        objects = {**self.objects, **(replaced or {})}
        words = list(self.link.command.words)
        # A file that is named twice is replaced twice: the linker might take the object from either.
        named = dict(_by_file(self.link))
        archives: dict[Path, dict[tuple[str, int], bytes]] = {}
        with TemporaryDirectory(prefix="colt-") as folder:
            for number, (path, data) in enumerate(sorted(objects.items())):
                place = self.places[path]
                if place.archive is not None:
                    archives.setdefault(place.archive, {})[place.member, place.number] = data
                    continue
                copy = Path(folder) / f"{number}-{path.name}"
                copy.write_bytes(data)
                for index in named.get(path, [place.word]):
                    words[index] = str(copy)
            for number, (archive, inside) in enumerate(sorted(archives.items())):
                copy = Path(folder) / f"{number}-{archive.name}"
                self._write_archive(archive, inside, copy)
                for index in named[archive]:
                    words[index] = str(copy)
            self._call([self.clang, *with_output(words, output), *extra])
        return output

    def _write_archive(self, archive: Path, inside: Mapping[tuple[str, int], bytes], copy: Path) -> None:
        """Write the archive with some members replaced. ``ar r`` cannot: of one name it reaches only the first."""
        found = read_archive(archive)
        copy.write_bytes(
            archive_bytes(
                [replace(member, data=inside.get((member.name, member.number), member.data)) for member in found]
            )
        )
        self._call(["ar", "s", str(copy)])

    def _call(self, command: Sequence[str]) -> None:
        try:
            done = subprocess.run(
                command, cwd=self.link.directory, capture_output=True, timeout=_LINK_SECONDS, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CompileError(f"{command[0]}: cannot link the program again ({error}); check the build") from None
        if done.returncode:
            raise CompileError(
                f"{command[0]}: the program does not link; check the build", done.stderr.decode("utf-8", "replace")
            )


def _find_places(link: Link, outputs: Mapping[Path, bytes]) -> Iterator[tuple[Path, Place]]:
    by_content: dict[bytes, list[Path]] = {}
    for path, data in outputs.items():
        by_content.setdefault(data, []).append(path)
    seen: set[Path] = set()
    for file, indexes in _by_file(link):
        if file in outputs:
            if file not in seen:
                seen.add(file)
                yield file, Place(indexes[0])
            continue
        for member in read_archive(file):
            # Units of the same code, such as empty ones, are told apart by their names or left as they are.
            paths = by_content.get(member.data, [])
            if len(paths) > 1:
                paths = [path for path in paths if path.name == member.name]
            if len(paths) == 1 and paths[0] not in seen:
                seen.add(paths[0])
                yield paths[0], Place(indexes[0], file, member.name, member.number)


def _by_file(link: Link) -> list[tuple[Path, list[int]]]:
    """(file, indexes of the words that name it), in the order of the command."""
    found: dict[Path, list[int]] = {}
    for index, file in _files(link):
        found.setdefault(file, []).append(index)
    return list(found.items())


def _files(link: Link) -> Iterator[tuple[int, Path]]:
    return named_files(link.command.words, link.directory)


def find_program(links: Sequence[Link], command: Sequence[str], directory: Path) -> tuple[Link, tuple[str, ...]]:
    """The link that makes the program of ``command``, and the command with ``{exe}`` for that. Raises UsageError."""
    outputs = {os.path.realpath(link.output): link for link in links}
    if "{exe}" in " ".join(command):
        if len(outputs) == 1:
            return next(iter(outputs.values())), tuple(command)
        raise UsageError(f"--run: the build links {len(outputs)} programs; write which one in place of {{exe}}")
    for index, word in enumerate(command):
        place = directory / word
        link = outputs.get(os.path.realpath(place)) or _same_content(place, links)
        if link is not None:
            return link, (*command[:index], "{exe}", *command[index + 1 :])
    made = ", ".join(sorted(os.path.relpath(link.output, directory) for link in links)) or "nothing"
    raise UsageError(f"--run {' '.join(command)}: runs nothing that the build links ({made}); name one of these")


def _same_content(place: Path, links: Sequence[Link]) -> Link | None:
    """The link whose output ``place`` is a copy of, as installing makes it."""
    if not place.is_file():
        return None
    data = place.read_bytes()
    return next((link for link in links if link.output.is_file() and link.output.read_bytes() == data), None)


def named_files(words: Sequence[str], directory: Path) -> Iterator[tuple[int, Path]]:
    """(index of the word, file) of each object and archive; ``-lNAME`` is looked for where the command says (-L)."""
    folders = [word[2:] or following for word, following in zip(words, [*words[1:], ""], strict=True)
               if word.startswith("-L")]  # fmt: skip
    for index, word in enumerate(words):
        if word.startswith("-l") and len(word) > 2:
            found = _library(word[2:], [directory / folder for folder in folders], "-static" in words)
            if found is not None:
                yield index, found
        elif not word.startswith("-"):
            yield index, Path(os.path.normpath(directory / word))


def _library(name: str, folders: Sequence[Path], static: bool) -> Path | None:
    """The archive of ``-lNAME``; None for a shared library, and for one that the linker finds elsewhere."""
    for folder in folders:
        if name.startswith(":"):
            if (folder / name[1:]).exists():
                return Path(os.path.normpath(folder / name[1:]))
            continue
        if (folder / f"lib{name}.so").exists() and not static:
            return None
        if (folder / f"lib{name}.a").exists():
            return Path(os.path.normpath(folder / f"lib{name}.a"))
    return None


def with_output(words: Sequence[str], output: Path) -> list[str]:
    """The link command's words for another output: no other files are written, and symbols are kept."""
    kept: list[str] = []
    rest = iter(words)
    skip = False
    for word in rest:
        if word in ("-o", "-MJ"):
            next(rest, "")
        elif (word.startswith("-o") and not word.startswith("-obj")) or word.startswith(_BESIDE):
            continue
        elif word == "-Xlinker" or word.startswith("-Wl,"):
            for option in [next(rest, "")] if word == "-Xlinker" else word.split(",")[1:]:
                if skip or option in _STRIPS:
                    skip = False
                    continue
                name, separate, _ = option.lstrip("-").partition("=")
                if option.startswith("-") and name in _WRITES_A_FILE:
                    skip = not separate
                    continue
                kept += ["-Xlinker", option]
        elif word not in _STRIPS:
            kept.append(word)
    return [*kept, "-o", str(output)]


_PLAIN, _THIN = b"!<arch>\n", b"!<thin>\n"
_HEADER_BYTES = 60
#: Names of members that are tables: two kinds of symbols, and long names.
_SYMBOLS, _SYMBOLS_64, _LONG_NAMES = b"/", b"/SYM64/", b"//"
_SHORT_NAME_BYTES = 15


@dataclass(frozen=True)
class Member:
    """A file in an archive."""

    name: str
    number: int  # of several of that name, how many come before it
    data: bytes


def read_archive(archive: Path) -> list[Member]:
    """The members in order; none for another kind of file, or one that cannot be read."""
    try:
        data = archive.read_bytes()
        thin = data.startswith(_THIN)
        return _members(data, archive.parent if thin else None) if thin or data.startswith(_PLAIN) else []
    except (OSError, ValueError):
        return []


def _members(data: bytes, folder: Path | None) -> list[Member]:
    """folder: of a thin archive, whose members are files beside it."""
    found: list[Member] = []
    seen: dict[str, int] = {}
    long_names, position = b"", len(_PLAIN)
    while position + _HEADER_BYTES <= len(data):
        field, size = data[position : position + 16].rstrip(), int(data[position + 48 : position + 58])
        position += _HEADER_BYTES
        table = field in (_SYMBOLS, _SYMBOLS_64, _LONG_NAMES)
        inside = table or folder is None
        content = data[position : position + size] if inside else b""
        if field == _LONG_NAMES:
            long_names = content
        elif not table:
            name = _name(field, long_names)
            if folder is not None:
                content = (folder / name).read_bytes()
                name = os.path.basename(name)
            found.append(Member(name, seen.get(name, 0), content))
            seen[name] = seen.get(name, 0) + 1
        position += size + size % 2 if inside else 0
    return found


def _name(field: bytes, long_names: bytes) -> str:
    if field[:1] == b"/" and field[1:].isdigit():
        start = int(field[1:])
        return os.fsdecode(long_names[start : long_names.index(b"/\n", start)])
    return os.fsdecode(field.removesuffix(b"/"))


def archive_bytes(members: Sequence[Member]) -> bytes:
    """The content of an archive without a table of symbols, which ``ar s`` adds."""
    names, parts = b"", []
    for member in members:
        name = os.fsencode(member.name)
        if len(name) > _SHORT_NAME_BYTES or b"/" in name:
            field, names = f"/{len(names)}".encode(), names + name + b"/\n"
        else:
            field = name + b"/"
        parts += [_header(field, len(member.data)), member.data, b"\n" * (len(member.data) % 2)]
    table = [_header(_LONG_NAMES, len(names)), names, b"\n" * (len(names) % 2)] if names else []
    return b"".join([_PLAIN, *table, *parts])


def _header(name: bytes, size: int) -> bytes:
    return b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name, 0, 0, 0, b"100644", size)
