"""What a build did: one line of JSON for each command, appended by the compilers and read when a project is tuned."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.builds.cc.streams import say
from colt_llvm.core.errors import RunDirectoryError


@dataclass(frozen=True)
class LoggedCommand:
    """words: the arguments, without the compiler's name. recipe: the file whose recipe was used, or empty.

    note: why a recipe was not used, where there was one, else why the command is none that a recipe describes.
    called: the name that the compiler was started by, with its folder.
    """

    words: tuple[str, ...]
    cxx: bool
    directory: Path
    recipe: str = ""
    note: str = ""
    called: str = ""


def write_line(file: str, words: Sequence[str], cxx: bool, recipe: str = "", note: str = "") -> None:
    """One append, so that many at once do not mix. A log that cannot be written costs a line, not the build."""
    try:
        entry = {"words": list(words), "cxx": cxx, "directory": os.getcwd(), "recipe": recipe, "note": note}
        entry["called"] = sys.argv[0]
        # Not to wait for a reader, where the log is a pipe.
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
        try:
            os.write(descriptor, (json.dumps(entry) + "\n").encode())
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        say(f"{file}: {reason}; set COLT_LOG to a file that can be written: this command is not in the log")


def read_log(file: Path) -> list[LoggedCommand]:
    """In the order of the log. Raises RunDirectoryError."""
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
            raise RunDirectoryError(f"{file} line {number}: is not a logged command ({error}); build again") from None
    return found
