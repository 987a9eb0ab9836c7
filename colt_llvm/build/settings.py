"""What the environment says to the compilers of a build, and which clang they stand for.

A compiler's arguments belong to clang, so colt-cc has no options of its own but variables:

    COLT_LLVM_PREFIX  the LLVM to use, as everywhere
    COLT_STRICT=1     a recipe that does not fit is an error
    COLT_DISABLE=1    use no recipes
    COLT_LEVEL=O3     build every file that is optimised at all at this level, without recipes
    COLT_LOG=FILE     append a line of JSON for each command

Imports ``os`` alone: this runs for every file of a build.
"""

from __future__ import annotations

import os

PREFIX, STRICT, DISABLE, LEVEL, LOG = "COLT_LLVM_PREFIX", "COLT_STRICT", "COLT_DISABLE", "COLT_LEVEL", "COLT_LOG"

#: As in toolchain.SUPPORTED_MAJORS and in the same order (a test holds it); importing that one would take too long.
MAJORS = range(22, 15, -1)
_FOLDERS = (
    "/usr/lib/llvm-{}", "/usr/lib64/llvm{}", "/opt/llvm-{}", "/usr/local/llvm-{}",
    "/opt/homebrew/opt/llvm@{}", "/usr/local/opt/llvm@{}",
)  # fmt: skip


class Settings:
    """The variables, read once."""

    __slots__ = ("disabled", "level", "log", "prefix", "strict")

    def __init__(self, environment: os._Environ[str] | dict[str, str] = os.environ) -> None:
        self.prefix = environment.get(PREFIX, "")
        self.strict = environment.get(STRICT, "") not in ("", "0")
        self.disabled = environment.get(DISABLE, "") not in ("", "0")
        self.level = environment.get(LEVEL, "").removeprefix("-")
        self.log = environment.get(LOG, "")

    def compiler(self, cxx: bool) -> str | None:
        """clang or clang++, at the place that find_toolchain would look first; None where there is none."""
        clang = self._clang()
        if clang is None or not cxx:
            return clang
        folder, name = os.path.split(clang)
        for candidate in (name.replace("clang", "clang++", 1), "clang++"):
            path = os.path.join(folder, candidate)
            if os.access(path, os.X_OK):
                return path
        return None

    def _clang(self) -> str | None:
        names = ["clang", *(f"clang-{major}" for major in MAJORS)]
        if self.prefix:
            places = [os.path.join(self.prefix, part, name) for name in names for part in ("bin", "")]
        else:
            path = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
            places = [os.path.join(folder, name) for name in names for folder in path]
            places += [f"{folder.format(major)}/bin/clang" for major in MAJORS for folder in _FOLDERS]
        for place in places:
            if os.access(place, os.X_OK) and os.path.isfile(place):
                real = os.path.realpath(place)
                # A folder of stand-ins may come first on PATH: clang must not become ourselves.
                if "colt-c" not in os.path.basename(real):
                    return real
        return None
