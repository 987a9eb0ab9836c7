"""What a build does: it is run once with colt-cc in place of its compilers, and the log of colt-cc is read."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.builds.cc import settings
from colt_llvm.builds.cc.arguments import Command, parse
from colt_llvm.builds.cc.compile import Unit
from colt_llvm.builds.cc.log import LoggedCommand, read_log
from colt_llvm.core.errors import CompileError, ToolchainError, UsageError
from colt_llvm.llvm.toolchain import Toolchain

_C_NAMES = ("cc", "gcc", "clang", "c99", "c89")
_CXX_NAMES = ("c++", "g++", "clang++")
#: So many names are written out where one sentence is about several files.
_NAMES = 3


@dataclass(frozen=True)
class Link:
    """A command that makes an executable or a shared library of objects."""

    command: Command  # of kind "link"
    directory: Path  # in which it is run

    @property
    def output(self) -> Path:
        """What it makes, absolute."""
        return Path(os.path.normpath(self.directory / self.command.output))


@dataclass(frozen=True)
class Build:
    """What one run of the build did."""

    units: tuple[Unit, ...]  # the last one for each object
    links: tuple[Link, ...]  # the last one for each output
    commands: tuple[LoggedCommand, ...]  # the whole log
    logged: Mapping[Path, LoggedCommand]  # object -> the last command for it
    left_out: tuple[LeftOut, ...] = ()  # sources that other commands compiled


def run_build(
    commands: Sequence[Sequence[str]],
    directory: Path,
    toolchain: Toolchain,
    temporary: Path,
) -> Build:
    """Run the build's own command(s) with colt-cc as the compiler, and read what it compiled and linked.

    colt-cc is both CC and CXX, and the usual names of compilers in a folder that comes first on PATH. What the build
    prints goes to standard error. temporary: folder for the log. Raises CompileError, UsageError, ToolchainError.
    """
    log = temporary / "build.jsonl"
    log.unlink(missing_ok=True)
    environment = {**os.environ, **compiler_variables(toolchain, temporary / "bin"), settings.LOG: str(log)}
    for name in (settings.DISABLE, settings.LEVEL, settings.STRICT):
        environment.pop(name, None)
    for command in commands:
        try:
            status = subprocess.call(
                list(command), cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno()
            )
        except OSError as error:
            raise UsageError(f"--build {shlex.join(command)}: {error.strerror}; check the command") from None
        if status:
            raise CompileError(
                f"--build {shlex.join(command)}: failed with status {status}; see what it printed above{set_for_make()}"
            )
    return understand(read_log(log))


def set_for_make() -> str:
    """A hint, for a message, at what the user's shell sets for make: -n, or another CC."""
    shell = [
        f"{name}={os.environ[name]!r}" for name in ("MAKEFLAGS", "GNUMAKEFLAGS", "MAKEFILES") if os.environ.get(name)
    ]
    return f"; this shell sets {', '.join(shell)}: unset that if make should not obey it" if shell else ""


def understand(commands: Sequence[LoggedCommand]) -> Build:
    """The build that a log tells of; of each object the last command counts."""
    units: dict[Path, Unit] = {}
    links: dict[Path, Link] = {}
    how: dict[Path, LoggedCommand] = {}
    left_out: dict[Path, list[LeftOut]] = {}
    for logged in commands:
        command = parse(logged.words, logged.cxx, str(logged.directory))
        if command.kind == "compile":
            unit = Unit(command, logged.directory)
            units[unit.output] = unit
            how[unit.output] = logged
            left_out.pop(unit.output, None)
        elif command.kind == "link":
            link = Link(command, logged.directory)
            links[link.output] = link
        elif command.makes:
            files = list(LeftOut.of(command, logged.directory))
            for output in {file.output for file in files}:
                left_out[output] = [file for file in files if file.output == output]
                units.pop(output, None)
    rest = tuple(file for files in left_out.values() for file in files)
    return Build(tuple(units.values()), tuple(links.values()), tuple(commands), how, rest)


def compiler_variables(toolchain: Toolchain, folder: Path) -> dict[str, str]:
    """Variables with which a build compiles by colt-cc; ``folder`` is filled with links of the usual compilers' names.

    Raises ToolchainError.
    """
    cc, cxx = (_installed(name) for name in ("colt-cc", "colt-c++"))
    folder.mkdir(parents=True, exist_ok=True)
    for name, target in _names(toolchain, cc, cxx):
        place = folder / name
        place.unlink(missing_ok=True)
        place.symlink_to(target)
    return {
        "CC": str(cc),
        "CXX": str(cxx),
        "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        settings.PREFIX: str(toolchain.prefix),
    }


def _names(toolchain: Toolchain, cc: Path, cxx: Path) -> Iterator[tuple[str, Path]]:
    for name in (*_C_NAMES, f"clang-{toolchain.major}"):
        yield name, cc
    for name in (*_CXX_NAMES, f"clang++-{toolchain.major}"):
        yield name, cxx


def _installed(name: str) -> Path:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise ToolchainError(f"{name}: not found beside {sys.executable} or on PATH; install colt-llvm with pip")
    return Path(found).absolute()


@dataclass(frozen=True)
class LeftOut:
    """A file of the build for which no recipe can be made."""

    source: str  # absolute
    output: Path  # what was made of it, absolute
    why: str  # "it is ..."
    option: str = ""  # the option that is the reason, if one is

    @staticmethod
    def of(command: Command, directory: Path) -> Iterator[LeftOut]:
        """One for each file that a command of kind "other" makes."""
        made = command.objects()
        for number, name in enumerate(command.inputs if command.makes == "objects" else command.sources):
            output = Path(os.path.normpath(directory / made[min(number, len(made) - 1)]))
            yield LeftOut(os.path.realpath(directory / name), output, command.why_not, command.option)


def sentences(files: Iterable[LeftOut], root: Path, *, remedy: bool = False) -> list[str]:
    """A sentence for each reason, with the files' names. remedy: and how they could be tuned."""
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
    """A file's name for messages: relative to the root where it lies in it, and always text."""
    name = str(path)
    if name.startswith(f"{root}{os.sep}"):
        name = os.path.relpath(name, root)
    return os.fsencode(name).decode("utf-8", "backslashreplace")
