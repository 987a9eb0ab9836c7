"""A profile that the program's flags name: ``-fprofile-use=``, ``-fprofile-instr-use=`` or ``-fprofile-sample-use=``.

Counts that clang's front end took are in the bitcode that it makes. Counts taken of the IR, and samples, are read by a
pass that fits them to code which the passes before it have changed: there clang itself runs its pipeline as far as that
pass, and only what follows is searched. What has read the profile keeps it: branches have their weights, functions
their counts, and passes and decisions treat them as clang's own pipeline does.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.core import process
from colt_llvm.core.errors import UsageError
from colt_llvm.core.files import explained
from colt_llvm.llvm.pipeline import Item, parse_pipeline
from colt_llvm.llvm.toolchain import Toolchain

#: Name of the copy in a run's folder, beside its recipe.
KEPT = "profile.profdata"
_FLAG = re.compile(r"(-fprofile(?:-instr|-sample)?-use)(?:=(.*))?")
#: What clang reads where the flag names no file, or a folder.
_DEFAULT = "default.profdata"
#: Passes that read a profile, and their class names, which an older clang prints.
_READERS = {"pgo-instr-use": "PGOInstrumentationUse", "sample-profile": "SampleProfileLoaderPass"}
_RAN = re.compile(rf"BISECT: running pass \((\d+)\) (?:{'|'.join((*_READERS, *_READERS.values()))}) on ")
_PRINT = ("-mllvm", "-print-pipeline-passes")
_WARNING = re.compile(r"warning: (.*) \[-W(?:profile-instr[a-z-]*|backend-plugin)\]")
_MOST_WARNINGS = 3


def profile_file(cflags: Sequence[str]) -> Path | None:
    """The profile that these flags name; None without one. Raises UsageError for two."""
    named = [match for match in map(_FLAG.fullmatch, cflags) if match]
    if len(named) > 1:
        raise UsageError(
            f"--cflags {named[1][0]}: is a second profile; name one, as llvm-profdata merge makes of several"
        )
    if not named:
        return None
    file = Path(named[0][2] or _DEFAULT)
    return file / _DEFAULT if file.is_dir() else file


def without_profile(cflags: Sequence[str]) -> tuple[str, ...]:
    """The same flags less those that name a profile."""
    return tuple(flag for flag in cflags if not _FLAG.fullmatch(flag))


def require_profile(cflags: Sequence[str]) -> None:
    """Raises UsageError where the file that the flags name is not there."""
    file = profile_file(cflags)
    if file is not None and not file.is_file():
        raise UsageError(f"{file}: no such profile; make it with llvm-profdata merge, or with tune --pgo")


def keep_profile(cflags: Sequence[str], folder: Path) -> None:
    """Copy the profile into the folder of a run. Nothing without one. Raises RunDirectoryError."""
    file = profile_file(cflags)
    if file is not None and not (folder / KEPT).exists():
        with explained(folder):
            shutil.copyfile(file, folder / KEPT)


def with_kept_profile(cflags: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Flags that name the copy of the profile in this folder, where it holds one."""
    return naming_kept_profile(cflags, folder) if (folder / KEPT).is_file() else tuple(cflags)


def naming_kept_profile(cflags: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Flags that name the copy of the profile in this folder: the file that was trained with may be a temporary one."""
    kept = folder / KEPT
    return tuple(f"{match[1]}={kept.resolve()}" if (match := _FLAG.fullmatch(flag)) else flag for flag in cflags)


def profile_warnings(diagnostics: str) -> list[str]:
    """What clang says of a profile that does not fit, in its own words: the first few lines."""
    found = list(dict.fromkeys(match[1] for match in map(_WARNING.search, diagnostics.splitlines()) if match))
    more = len(found) - _MOST_WARNINGS
    return [*found[:_MOST_WARNINGS], *([f"{more} more of the kind"] if more > 0 else [])]


@cache
def printed_pipeline(toolchain: Toolchain, level: str, cflags: tuple[str, ...], cxx: bool) -> str:
    """clang's pipeline at this level with these flags, as clang itself prints it; empty where it does not."""
    with TemporaryDirectory(prefix="colt-") as folder:
        source = Path(folder) / ("empty.cpp" if cxx else "empty.c")
        source.write_text("int colt_empty(void) { return 0; }\n", encoding="utf-8")
        command: list[str | Path] = [toolchain.compiler(cxx), f"-{level}", *cflags, *_PRINT]
        done = process.run([*command, "-c", source, "-o", source.with_suffix(".o")])
    return done.stdout.decode("utf-8", "replace").strip() if done.status == 0 else ""


def after_profile(items: Sequence[Item]) -> tuple[Item, ...]:
    """What of a pipeline comes after the pass that reads a profile; all of it where none does."""
    readers = [place for place, item in enumerate(items) if item.name in _READERS]
    return tuple(items[readers[0] + 1 :]) if readers else tuple(items)


def profile_is_read_by_a_pass(toolchain: Toolchain, level: str, cflags: tuple[str, ...], cxx: bool) -> bool:
    """Whether clang's pipeline reads a profile; where not, the front end does, or there is none.

    Raises UsageError for a profile of the context-sensitive kind, which is read twice.
    """
    profile = profile_file(cflags)
    return profile is not None and _reads(printed_pipeline(toolchain, level, cflags, cxx), profile)


def reading_profile(command: Sequence[str], profile: Path, directory: Path | None = None) -> tuple[str, ...]:
    """Words that end clang's passes with the one that reads the profile; none where the front end has read it.

    command: clang's, which makes bitcode, without its output. directory: where it is run. Raises UsageError as
    ``profile_is_read_by_a_pass``.
    """
    done = process.run([*command, *_PRINT, "-o", os.devnull], cwd=directory)
    if done.status or not _reads(done.stdout.decode("utf-8", "replace").strip(), profile):
        return ()
    return passes_up_to(number_of_reader(command, directory))


def passes_up_to(number: int) -> tuple[str, str]:
    """Words with which clang runs so many of its passes (-1: all), and says which."""
    return ("-mllvm", f"-opt-bisect-limit={number}")


def _reads(pipeline: str, profile: Path) -> bool:
    count = sum(item.name in _READERS for item in parse_pipeline(pipeline))
    if count > 1:
        raise UsageError(
            f"{profile}: holds context-sensitive counts, which are read in the middle of the passes; "
            "use a profile of -fprofile-generate or -fprofile-instr-generate"
        )
    return count == 1


def number_of_reader(command: Sequence[str], directory: Path | None = None) -> int:
    """Which of clang's passes reads the profile, as its bisection counts them; 0 where none does, or clang fails.

    command: without its output. directory: where it is run. clang is ended there: what comes after takes longest.
    """
    words = [*command, *passes_up_to(-1), "-o", os.devnull]
    with subprocess.Popen(words, cwd=directory, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        for line in child.stderr or ():
            if match := _RAN.search(line.decode("utf-8", "replace")):
                child.kill()
                return int(match[1])
    return 0
