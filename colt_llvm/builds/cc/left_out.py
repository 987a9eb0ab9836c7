"""What of a build no recipe is for: which files, and why, in words for the user."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.builds.cc.arguments import Command

#: So many names are written out where one sentence is about several files.
_NAMES = 3


@dataclass(frozen=True)
class LeftOut:
    """source: absolute. output: what was made of it, absolute.

    why: as in ``Command.why_not``, "it is ...". option: where that is an option, which.
    """

    source: str
    output: Path
    why: str
    option: str = ""

    @staticmethod
    def of(command: Command, directory: Path) -> Iterator[LeftOut]:
        """One for each file that a command makes of its inputs; ``command.kind`` is "other"."""
        made = command.objects()
        for number, name in enumerate(command.inputs if command.makes == "objects" else command.sources):
            output = Path(os.path.normpath(directory / made[min(number, len(made) - 1)]))
            yield LeftOut(os.path.realpath(directory / name), output, command.why_not, command.option)


def sentences(files: Iterable[LeftOut], root: Path, *, remedy: bool = False) -> list[str]:
    """One for each reason, with the files' names. remedy: say too how they could be tuned."""
    groups: dict[tuple[str, str], list[str]] = {}
    for file in files:
        names = groups.setdefault((file.why, file.option), [])
        if (name := shown(file.source, root)) not in names:
            names.append(name)
    found = []
    for (why, option), names in groups.items():
        is_what = why.removeprefix("it is ")
        if option and remedy:
            is_what += f": leave {'it' if len(names) > 1 else option} out of the build that is tuned"
        if len(names) == 1:
            found.append(f"{names[0]} is {is_what}")
        else:
            more = ", ..." if len(names) > _NAMES else ""
            found.append(f"{len(names)} files are {is_what} ({', '.join(names[:_NAMES])}{more})")
    return found


def shown(path: str | Path, root: Path) -> str:
    """A file's name for people: relative to the root where it lies in it, and always text."""
    name = str(path)
    if name.startswith(f"{root}{os.sep}"):
        name = os.path.relpath(name, root)
    return os.fsencode(name).decode("utf-8", "backslashreplace")
