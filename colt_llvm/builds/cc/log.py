"""What a build did: one line of JSON for each command, appended by the compilers and read when a project is tuned."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.builds.cc.settings import say
from colt_llvm.core.errors import RunDirectoryError


@dataclass(frozen=True)
class LoggedCommand:
    """One command of a build, and whether a recipe was used for it."""

    words: tuple[str, ...]  # the arguments, without the compiler's name
    cxx: bool  # colt-c++
    directory: Path  # in which it was run
    recipe: str = ""  # file of the recipe that was used, or empty
    note: str = ""  # why its recipe was not used, or why no recipe describes such a command
    called: str = ""  # what the compiler was started as, with its folder


def write_line(file: str, words: Sequence[str], cxx: bool, recipe: str = "", note: str = "") -> None:
    """Append one command, at once, so that commands of a parallel build do not mix.

    A log that cannot be written is said in one line, and the build goes on.
    """
    try:
        entry = {"words": list(words), "cxx": cxx, "directory": os.getcwd(), "recipe": recipe, "note": note}
        entry["called"] = sys.argv[0]
        # O_NONBLOCK: where the log is a pipe, nobody waits for a reader.
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
        try:
            os.write(descriptor, (json.dumps(entry) + "\n").encode())
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        say(f"{file}: cannot be written ({reason}), so this command is not in the log; set COLT_LOG to another file")


def read_log(file: Path) -> list[LoggedCommand]:
    """All commands in the order of the log; none where there is no log. Raises RunDirectoryError."""
    if not file.exists():
        return []
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            entry = json.loads(line)
            words, directory = tuple(entry["words"]), Path(entry["directory"])
            more = (entry["recipe"], entry["note"], entry["called"])
            found.append(LoggedCommand(words, bool(entry["cxx"]), directory, *more))
        except (ValueError, KeyError, TypeError) as error:
            raise RunDirectoryError(f"{file} line {number}: is no command of a build ({error}); build again") from None
    return found
