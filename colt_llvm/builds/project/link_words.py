"""The words of a link command: which files they name, and the same command with another output."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

#: Linker options, without their dashes, that write a file beside the program; what they take is the next one or
#: follows "=".
_WRITES_A_FILE = ("Map", "dependency-file", "out-implib", "reproduce")
#: Options of the compiler that do the same.
_BESIDE = ("-save-temps", "--save-temps", "-ftime-trace")
#: Symbols change no code, and a profile needs them.
_STRIPS = ("-s", "--strip-all", "-strip-all")


def named_files(words: Sequence[str], directory: Path) -> Iterator[tuple[int, Path]]:
    """(index of the word, file) of each object and archive, ``-lNAME`` by the folders that the command names."""
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
    """The archive that ``-lNAME`` takes; None for a shared library, and for what the linker finds elsewhere."""
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
    """The same words with another output, without files that would be written beside it, and with symbols."""
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
