"""The ladder: what plain clang can be asked for, and what each of it costs whoever ships the result."""

from __future__ import annotations

from dataclasses import dataclass

from colt_llvm.program.compilation import Level


@dataclass(frozen=True)
class Rung:
    """One build of a program."""

    name: str  #: flags as a user would type them; a profile, frame pointers and the like in words
    level: Level  #: of clang
    flags: tuple[str, ...] = ()  #: of each compile, besides the program's own
    ldflags: tuple[str, ...] = ()  #: of the link, besides the program's own
    profile: bool = False  #: compiled with counts of the program's own workloads
    lto: bool = False  #: optimised as a whole when it is linked


_NATIVE = ("-march=native",)
_THRESHOLD = ("-mllvm", "-inline-threshold=50")
_FRAMES = ("-fno-omit-frame-pointer", "-momit-leaf-frame-pointer")
_SECTIONS = ("-ffunction-sections", "-fdata-sections")
_UNUSED = ("-Wl,--gc-sections",)

_FAST = (
    Rung("-O3", "O3"),
    Rung("-O2", "O2"),
    Rung("-O3 -march=native", "O3", _NATIVE),
    Rung("-O3, profile", "O3", profile=True),
    Rung("-O3 -flto", "O3", lto=True),
    Rung("-O3 -march=native, profile", "O3", _NATIVE, profile=True),
    Rung("-O3 -march=native -flto, profile", "O3", _NATIVE, profile=True, lto=True),
)
_SMALL = (
    Rung("-Oz", "Oz"),
    Rung("-Os", "Os"),
    Rung("-O2", "O2"),
    Rung("-Oz -mllvm -inline-threshold=50", "Oz", _THRESHOLD),
    Rung("-Oz, frame pointers", "Oz", _FRAMES),
    Rung("-Oz, unused sections dropped", "Oz", _SECTIONS, _UNUSED),
    Rung("-Oz -flto", "Oz", lto=True),
    Rung("-Oz -flto, both", "Oz", (*_FRAMES, *_SECTIONS), _UNUSED, lto=True),
)

#: Objective -> its builds. The first is the baseline.
LADDERS = {"runtime": _FAST, "size": _SMALL}

_OF_LTO = "-flto: slower links, and every file is compiled by this clang"
#: Objective -> what its builds ask of whoever ships them.
COSTS = {
    "runtime": (
        "-march=native: runs only on processors that have these instructions",
        "profile: two builds and a training run, anew when the code changes",
        _OF_LTO,
    ),
    "size": (
        f"frame pointers ({' '.join(_FRAMES)}): longer code, shorter unwind tables",
        f"unused sections dropped ({' '.join((*_SECTIONS, *_UNUSED))}): nothing",
        _OF_LTO,
    ),
}
