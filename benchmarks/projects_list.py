"""The projects, as data: how each is configured, built, tested and run, in the words of its own instructions.

In all commands {cc} and {cxx} stand for the compilers and {flags} for an optimisation level; a word with {flags} is
left out where the project's own flags are to be used. Commands run in ``folder`` of the unpacked source, without a
shell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.projects_inputs import compressor_files, interpreter_files, parser_files

Command = tuple[str, ...]

#: Where the workload's files are put, beside the project's own.
INPUTS = "workload"


@dataclass(frozen=True)
class Project:
    """A project of other people, in the source package of that name.

    build makes everything that ``test`` needs; build_program makes ``program`` alone. run is the workload, with
    ``program`` as its first word, and outputs are the files it writes, relative to ``folder``.
    """

    name: str
    kind: str
    build_system: str
    package: str
    folder: str
    configure: tuple[Command, ...]
    build: Command
    build_program: Command
    test: Command
    clean: Command
    program: str
    run: Command
    files: Callable[[], Mapping[str, str]]
    outputs: tuple[str, ...] = ()


def fill(command: Command, cc: str, cxx: str, flags: str | None) -> Command:
    """The command with compilers and flags in place."""
    chosen = (word for word in command if flags is not None or "{flags}" not in word)
    return tuple(
        word.replace("{cc}", cc).replace("{cxx}", cxx).replace("{flags}", flags if flags is not None else "")
        for word in chosen
    )


_BZIP2 = ("make", "CC={cc}", "CFLAGS=-Wall -Winline {flags} -D_FILE_OFFSET_BITS=64")
_BUILD = "build"

PROJECTS = (
    Project(
        name="bzip2", kind="compressor", build_system="make", package="bzip2", folder=".",
        configure=(),
        build=(*_BZIP2, "bzip2", "bzip2recover"), build_program=(*_BZIP2, "bzip2"),
        test=(*_BZIP2, "test"), clean=("make", "clean"),
        program="./bzip2", run=("./bzip2", "-9", "-c", f"{INPUTS}/input.txt"), files=compressor_files,
    ),
    Project(
        name="mawk", kind="interpreter", build_system="configure and make", package="mawk", folder=".",
        configure=(("./configure", "CC={cc}", "CFLAGS={flags}"),),
        build=("make",), build_program=("make", "mawk"), test=("make", "check"), clean=("make", "clean"),
        program="./mawk", run=("./mawk", "-f", f"{INPUTS}/script.awk", f"{INPUTS}/input.txt"), files=interpreter_files,
    ),
    Project(
        # Its own default is no optimisation at all; a build type is what its instructions leave to the user.
        name="expat", kind="parser", build_system="CMake", package="expat", folder="expat",
        configure=(
            (
                "cmake", "-S", ".", "-B", _BUILD, "-G", "Unix Makefiles", "-DCMAKE_C_COMPILER={cc}",
                "-DCMAKE_CXX_COMPILER={cxx}", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                "-DCMAKE_C_FLAGS_RELWITHDEBINFO={flags}", "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO={flags}",
                "-DEXPAT_SHARED_LIBS=OFF", "-DEXPAT_BUILD_DOCS=OFF", "-DEXPAT_BUILD_EXAMPLES=OFF",
            ),
        ),
        build=("cmake", "--build", _BUILD), build_program=("cmake", "--build", _BUILD, "--target", "xmlwf"),
        test=("cmake", "-E", "chdir", _BUILD, "ctest", "--output-on-failure"),
        clean=("cmake", "--build", _BUILD, "--target", "clean"),
        program=f"./{_BUILD}/xmlwf/xmlwf", outputs=("out/input.xml",),
        run=(f"./{_BUILD}/xmlwf/xmlwf", "-n", "-d", "out", f"{INPUTS}/input.xml"), files=parser_files,
    ),
)  # fmt: skip
