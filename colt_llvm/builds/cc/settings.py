"""What the environment says to the compilers of a build, which clang they stand for, and their standard error.

A compiler's arguments belong to clang, so colt-cc has variables, and one option of its own, ``--recipe FILE``:

    COLT_LLVM_PREFIX  the LLVM to use, as everywhere
    COLT_LLVM_ANY=1   an LLVM newer than all that are known too, as everywhere
    COLT_STRICT=1     a recipe that does not fit is an error
    COLT_DISABLE=1    use no recipes
    COLT_RECIPE=FILE  use this recipe for every file, as --recipe FILE does, and look for no other
    COLT_LEVEL=O3     build every file that is optimised at all at this level, without recipes
    COLT_LOG=FILE     append a line of JSON for each command

Imports ``os`` and ``sys`` alone: this runs for every file of a build.
"""

from __future__ import annotations

import os
import sys

ANY = "COLT_LLVM_ANY"
PREFIX, STRICT, DISABLE, LEVEL, LOG = "COLT_LLVM_PREFIX", "COLT_STRICT", "COLT_DISABLE", "COLT_LEVEL", "COLT_LOG"
RECIPE, RECIPE_OPTION = "COLT_RECIPE", "--recipe"
#: Set for our children: which clang we started. Whoever finds it set was started by that "clang", which is a script
#: that calls us then.
STARTED = "COLT_CC_STARTED"

#: The folder of recipes beside the sources, and in it that of recipes of whole programs: no source is called so.
FOLDER, PROGRAMS = ".colt", "whole-program"
#: Exit statuses: a recipe was not used with COLT_STRICT, a wrong use of ours, no clang (as of ToolchainError).
EXIT_STRICT, EXIT_USAGE, EXIT_NO_CLANG = 1, 2, 3

LEVELS = ("O0", "O1", "O2", "O3", "Os", "Oz")
#: As in toolchain.SUPPORTED_MAJORS and in the same order (a test holds it); importing that one would take too long.
MAJORS = range(23, 15, -1)
_FOLDERS = (
    "/usr/lib/llvm-{}", "/usr/lib64/llvm{}", "/opt/llvm-{}", "/usr/local/llvm-{}",
    "/opt/homebrew/opt/llvm@{}", "/usr/local/opt/llvm@{}",
)  # fmt: skip
#: With one of these clang writes more than a plain command says, and would at each step of a recipe.
_MORE_OUTPUT = (
    "DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES", "CC_PRINT_OPTIONS", "CC_PRINT_HEADERS", "CC_LOG_DIAGNOSTICS",
    "CC_PRINT_PROC_STAT", "CCC_OVERRIDE_OPTIONS",
)  # fmt: skip


#: Why no recipe is used where ``Settings.plain`` is set.
PLAIN = "is set, and clang would print or write more at each step of a recipe"


class Settings:
    """The variables of ``environment``, read once."""

    __slots__ = (
        "_any",
        "_found",
        "_path",
        "cache",  # the user's folder for caches, or empty
        "disabled",  # use no recipes
        "level",  # to build every file at, without its dash, or empty
        "log",  # file to append commands to, or empty
        "plain",  # a variable that is set and that a recipe's steps cannot follow, or empty
        "prefix",  # folder of the LLVM to use, or empty
        "python_path",  # folders of PYTHONPATH, which is meant for the build's own programs
        "recipe",  # file of the recipe for every source, or empty
        "started",  # every clang that we were started by
        "strict",  # a recipe that does not fit is an error
        "temporary",  # folder for temporary files
    )

    def __init__(self, environment: os._Environ[str] | dict[str, str] = os.environ) -> None:
        self.prefix = environment.get(PREFIX, "")
        self._any = environment.get(ANY, "") not in ("", "0")
        self.strict = environment.get(STRICT, "") not in ("", "0")
        self.disabled = environment.get(DISABLE, "") not in ("", "0")
        self.level = environment.get(LEVEL, "").removeprefix("-")
        self.log = environment.get(LOG, "")
        self.recipe = environment.get(RECIPE, "")
        self.plain = next((name for name in _MORE_OUTPUT if name in environment), "")
        self.started = [place for place in environment.get(STARTED, "").split(os.pathsep) if place]
        self.python_path = [folder for folder in environment.get("PYTHONPATH", "").split(os.pathsep) if folder]
        named = environment.get("TMPDIR", "")
        self.temporary = named if named and os.path.isdir(named) and os.access(named, os.W_OK | os.X_OK) else "/tmp"
        home = environment.get("HOME", "")
        self.cache = environment.get("XDG_CACHE_HOME", "") or (home and os.path.join(home, ".cache"))
        self._found = ""
        self._path = environment.get("PATH", os.defpath)

    def take_recipe(self, words: list[str]) -> list[str]:
        """The words without ``--recipe FILE``, which may stand anywhere among them; the last one counts."""
        rest: list[str] = []
        named = False
        for word in words:
            if named:
                self.recipe, named = word, False
            elif word.startswith(f"{RECIPE_OPTION}="):
                self.recipe = word.partition("=")[2]
            elif word == RECIPE_OPTION:
                self.recipe, named = "", True
            else:
                rest.append(word)
        return rest

    def compiler(self, cxx: bool) -> str | None:
        """clang or clang++, at the place that find_toolchain would look first; None where there is none."""
        clang = self._clang()
        if clang is None or not cxx:
            return clang
        real = os.path.realpath(clang)
        for folder, name in (os.path.split(clang), os.path.split(real)):
            for candidate in (name.replace("clang", "clang++", 1), "clang++"):
                path = os.path.join(folder, candidate)
                # One folder on PATH may hold a clang and a clang++ of different versions.
                if os.access(path, os.X_OK) and os.path.dirname(os.path.realpath(path)) == os.path.dirname(real):
                    return path
        return None

    def tell_children(self) -> None:
        """Set ``STARTED`` to the clang that was found; for clang++ it is the clang that it was found by."""
        os.environ[STARTED] = os.pathsep.join([*self.started, self._found])

    def log_command(self, words: list[str], cxx: bool, *, recipe: str = "", note: str = "") -> None:
        """Append this command to COLT_LOG, where there is one; see ``log.LoggedCommand``."""
        if self.log:
            from colt_llvm.builds.cc.log import write_line

            write_line(self.log, words, cxx, recipe, note)

    def _clang(self) -> str | None:
        names = ["clang", *(f"clang-{major}" for major in MAJORS)]
        if self.prefix:
            places = [os.path.join(self.prefix, part, name) for name in names for part in ("bin", "")]
        else:
            path = [folder for folder in self._path.split(os.pathsep) if folder]
            # A virtual environment may hold a clang of its own.
            own = os.path.join(sys.prefix, "bin") if sys.prefix != sys.base_prefix else ""
            places = [os.path.join(own, name) for name in names if own]
            places += [os.path.join(folder, name) for name in names for folder in path]
            places += [f"{folder.format(major)}/bin/clang" for major in MAJORS for folder in _FOLDERS]
        for place in places:
            if os.access(place, os.X_OK) and place not in self.started and self._is_clang(place):
                self._found = place
                return place
        return None

    def _is_clang(self, place: str) -> bool:
        """A name that comes first on PATH may be ourselves, or ccache, or a version that has no recipes."""
        real = os.path.realpath(place)
        name = os.path.basename(real)
        if "clang" not in name or not os.path.isfile(real):
            return False
        major = _major_in_name(real)
        return major is None or major in MAJORS or (self._any and major > MAJORS[0])


def _major_in_name(real: str) -> int | None:
    """The version that a distribution writes into a path: ``/usr/lib/llvm-14/bin/clang``, ``clang-14``."""
    for part in reversed(real.split("/")):
        for word in ("clang-", "clang++-", "llvm-", "llvm@", "llvm"):
            digits = part.removeprefix(word).split(".")[0]
            if part.startswith(word) and digits.isdecimal():
                return int(digits)
    return None


def say(text: str) -> None:
    """Print one line to standard error. Where that cannot be written, it is left out."""
    write(f"colt-cc: {' '.join(text.split())}\n".encode("utf-8", "backslashreplace"))


def write(data: bytes) -> None:
    """Print bytes to standard error.

    To the descriptor: where it was closed, ``sys.stderr`` is None, and print would write to standard output.
    """
    try:
        while data:
            data = data[os.write(2, data) :]
    except OSError:
        pass


def is_terminal() -> bool:
    """Whether standard error is a terminal, where clang prints colours."""
    return os.isatty(2)


def keep_streams_open() -> None:
    """Open /dev/null in place of closed standard streams, so that no file of ours becomes 0, 1 or 2.

    Children do not inherit these.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
