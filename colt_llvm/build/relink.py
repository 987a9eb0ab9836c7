"""The build's own link command, repeated in a folder of ours with some objects replaced.

The user's tree is never touched: a candidate that is left behind there would be taken for the program.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.build.learn import Link
from colt_llvm.errors import CompileError, UsageError

_AR_MAGIC = b"!<arch>\n"
_LINK_SECONDS = 300


@dataclass(frozen=True)
class Place:
    """Where the link command takes an object from: a word of it, or the member of an archive that a word names."""

    word: int
    archive: Path | None = None
    member: str = ""


@dataclass
class Relinker:
    """places: object's path in the build -> where it goes in. ``objects``: what it is replaced by now, by that path."""

    clang: str
    link: Link
    places: Mapping[Path, Place]
    objects: dict[Path, bytes] = field(default_factory=dict)
    _number: Iterator[int] = field(default_factory=count)

    @staticmethod
    def of(clang: str, link: Link, outputs: Mapping[Path, bytes]) -> Relinker:
        """outputs: path of each object of the build -> its content."""
        return Relinker(clang, link, dict(_find_places(link, outputs)))

    def not_of_this_build(self, outputs: Mapping[Path, bytes]) -> int:
        """How many objects of the program were there before: none of ``outputs``, by place or by content."""
        contents = set(outputs.values())
        rest = 0
        for _, file in _files(self.link):
            if file.suffix == ".o":
                rest += file not in outputs
            else:
                rest += sum(data not in contents for _, data in members(file))
        return rest

    def make(self, output: Path, replaced: Mapping[Path, bytes] | None = None, extra: Sequence[str] = ()) -> Path:
        """Link to ``output`` with ``objects`` and ``replaced``; ``extra`` words at the end. Raises CompileError."""
        objects = {**self.objects, **(replaced or {})}
        words = list(self.link.command.words)
        with TemporaryDirectory(prefix="colt-") as folder:
            archives: dict[int, Path] = {}
            for number, (path, data) in enumerate(sorted(objects.items())):
                place = self.places[path]
                if place.archive is None:
                    copy = Path(folder) / f"{number}-{path.name}"
                    copy.write_bytes(data)
                    words[place.word] = str(copy)
                    continue
                inside = Path(folder) / str(number)
                inside.mkdir()
                (inside / place.member).write_bytes(data)
                if place.word not in archives:
                    archives[place.word] = Path(folder) / f"{place.word}-{place.archive.name}"
                    shutil.copyfile(place.archive, archives[place.word])
                    words[place.word] = str(archives[place.word])
                self._call(["ar", "r", str(archives[place.word]), str(inside / place.member)])
            self._call([self.clang, *_with_output(words, output), *extra])
        return output

    def _call(self, command: Sequence[str]) -> None:
        try:
            done = subprocess.run(
                command, cwd=self.link.directory, capture_output=True, timeout=_LINK_SECONDS, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CompileError(f"{command[0]}: cannot link the program again ({error}); check the build") from None
        if done.returncode:
            raise CompileError(f"{command[0]}: the program does not link", done.stderr.decode("utf-8", "replace"))


def _find_places(link: Link, outputs: Mapping[Path, bytes]) -> Iterator[tuple[Path, Place]]:
    by_content: dict[bytes, list[Path]] = {}
    for path, data in outputs.items():
        by_content.setdefault(data, []).append(path)
    seen: set[Path] = set()
    for index, file in _files(link):
        if file in outputs:
            if file not in seen:
                seen.add(file)
                yield file, Place(index)
            continue
        for member, data in members(file):
            # Two units of the same code (an empty one, say) cannot be told apart, and need not be tuned.
            paths = by_content.get(data, [])
            if len(paths) == 1 and paths[0] not in seen:
                seen.add(paths[0])
                yield paths[0], Place(index, file, member)


def _files(link: Link) -> Iterator[tuple[int, Path]]:
    """(index of the word, file) of each object and archive, ``-lNAME`` by the folders that the command names."""
    words = link.command.words
    folders = [word[2:] or following for word, following in zip(words, [*words[1:], ""], strict=True)
               if word.startswith("-L")]  # fmt: skip
    for index, word in enumerate(words):
        if word.startswith("-l") and len(word) > 2:
            for folder in folders:
                place = link.directory / folder
                if (place / f"lib{word[2:]}.so").exists() and "-static" not in words:
                    break
                if (place / f"lib{word[2:]}.a").exists():
                    yield index, Path(os.path.normpath(place / f"lib{word[2:]}.a"))
                    break
        elif not word.startswith("-"):
            yield index, Path(os.path.normpath(link.directory / word))


def members(archive: Path) -> list[tuple[str, bytes]]:
    """(name, content) of an archive's members whose name is there once; nothing for another kind of file."""
    try:
        data = archive.read_bytes()
    except OSError:
        return []
    if not data.startswith(_AR_MAGIC):
        return []
    found: list[tuple[str, bytes]] = []
    names, position = b"", len(_AR_MAGIC)
    while position + 60 <= len(data):
        name, size = data[position : position + 16].rstrip(), int(data[position + 48 : position + 58])
        content = data[position + 60 : position + 60 + size]
        if name == b"//":
            names = content
        elif name.startswith(b"/") and name[1:].isdigit():
            start = int(name[1:])
            found.append((names[start : names.index(b"/\n", start)].decode("utf-8", "replace"), content))
        elif name not in (b"/", b"/SYM64/"):
            found.append((name.removesuffix(b"/").decode("utf-8", "replace"), content))
        position += 60 + size + size % 2
    every = [name for name, _ in found]
    return [(name, content) for name, content in found if every.count(name) == 1]


def _with_output(words: list[str], output: Path) -> list[str]:
    """The same words with another output, and without a map file or the like that would be written in the tree."""
    kept, index = [], 0
    while index < len(words):
        if words[index] == "-o":
            index += 2
            continue
        # Symbols change no code, and a profile needs them.
        if words[index].startswith("-Wl,-Map") or words[index] in ("-s", "-Wl,-s", "-Wl,--strip-all"):
            index += 1
            continue
        kept.append(words[index])
        index += 1
    return [*kept, "-o", str(output)]


def find_program(links: Sequence[Link], command: Sequence[str], directory: Path) -> tuple[Link, tuple[str, ...]]:
    """The link that makes what ``command`` runs, and the command with ``{exe}`` in its place. Raises UsageError."""
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
    """A copy, as an installation makes it."""
    if not place.is_file():
        return None
    data = place.read_bytes()
    return next((link for link in links if link.output.is_file() and link.output.read_bytes() == data), None)
