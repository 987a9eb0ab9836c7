"""Find clang and libLLVM of one version.

Order: the prefix that the user names (``--llvm-prefix`` or COLT_LLVM_PREFIX), then the virtual environment that
this runs in (``pip install "colt-llvm[toolchain]"`` puts clang there), then PATH, then the folders where
distributions put LLVM. Within a place the newest supported version wins, and only a clang whose own libLLVM is
there counts. A version newer than all that are known is used with ``--llvm-any`` (COLT_LLVM_ANY=1) only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from colt_llvm.core import process
from colt_llvm.core.errors import ColtError, ToolchainError
from colt_llvm.llvm.library import Library

SUPPORTED_MAJORS = range(23, 15, -1)
#: As messages say it.
SUPPORTED = f"{SUPPORTED_MAJORS[-1]} to {SUPPORTED_MAJORS[0]}"
PREFIX_VARIABLE, ANY_VARIABLE = "COLT_LLVM_PREFIX", "COLT_LLVM_ANY"

_USUAL_FOLDERS = (
    "/usr/lib/llvm-{major}", "/usr/lib64/llvm{major}", "/opt/llvm-{major}", "/usr/local/llvm-{major}",
    "/opt/homebrew/opt/llvm@{major}", "/usr/local/opt/llvm@{major}",
)  # fmt: skip
_LIBRARY_NAMES = ("libLLVM.so.{major}.*", "libLLVM-{major}.so*", "libLLVM.so.{major}", "libLLVM.so")


@dataclass(frozen=True)
class Toolchain:
    """A clang and the libLLVM it was built with."""

    prefix: Path  #: the folder whose ``bin`` holds clang
    clang: Path  #: the C compiler
    clangxx: Path  #: the C++ compiler
    library: Path  #: libLLVM
    version: str  #: ``22.1.0``
    triple: str  #: that clang compiles for
    opt: Path | None = None  #: None when not installed; only replaying a recipe by hand needs it

    @property
    def major(self) -> int:
        """22 of ``22.1.0``."""
        return int(self.version.split(".")[0])

    def compiler(self, cxx: bool) -> Path:
        """clang, or clang++ for C++."""
        return self.clangxx if cxx else self.clang

    def profdata(self) -> Path:
        """llvm-profdata of the same version. Raises ToolchainError."""
        name = f"llvm-profdata-{self.major}"
        found = _sibling(self.clang.parent, "llvm-profdata", self.major) or shutil.which(name)
        if found is None:
            raise ToolchainError(f"{name} is not installed; install it (Debian, Ubuntu: llvm-{self.major})")
        return Path(found)

    def load(self) -> Library:
        """Open libLLVM in this process."""
        return Library.load(self.library)


def find_toolchain(prefix: Path | str | None = None) -> Toolchain:
    """The toolchain to use. Raises ToolchainError that says what to install."""
    named = prefix or os.environ.get(PREFIX_VARIABLE)
    if named:
        return _from_prefix(Path(named))
    rejected: list[str] = []
    for clang in _candidates():
        try:
            return _from_clang(clang)
        except ColtError as error:
            rejected.append(str(error))
    detail = f" ({rejected[0]})" if rejected else ""
    raise ToolchainError(
        f"no clang with its libLLVM of version {SUPPORTED} was found{detail}; install one "
        '(Debian, Ubuntu: apt-get install clang llvm; anywhere: pip install "colt-llvm[toolchain]") '
        "or name its folder with --llvm-prefix"
    )


def installed_toolchains() -> list[Toolchain]:
    """Every usable toolchain, one for each major version, newest first; of one version, the one found first."""
    found: dict[int, Toolchain] = {}
    for clang in _candidates():
        try:
            toolchain = _from_clang(clang)
        except ColtError:
            continue
        found.setdefault(toolchain.major, toolchain)
    return sorted(found.values(), key=lambda toolchain: -toolchain.major)


def toolchain_of(clang: Path) -> Toolchain:
    """The toolchain of this very clang (or clang++). Raises ToolchainError."""
    folder = clang.parent
    name = clang.name.replace("clang++", "clang", 1)
    return _from_clang((folder / name).resolve())


def own_environment() -> Path | None:
    """The virtual environment that this Python runs in; None outside of one."""
    return Path(sys.prefix) if sys.prefix != sys.base_prefix else None


def takes_any_version() -> bool:
    """Whether the user asked for versions newer than the known ones (``--llvm-any``)."""
    return os.environ.get(ANY_VARIABLE, "") not in ("", "0")


def _candidates() -> Iterator[Path]:
    """Real paths, each once. One that the variable names comes first, so that ``installed_toolchains`` has it."""
    names = ["clang", *(f"clang-{major}" for major in SUPPORTED_MAJORS)]
    seen = set()
    named, environment = os.environ.get(PREFIX_VARIABLE), own_environment()
    first = [Path(named) / "bin" if named else None, environment and environment / "bin"]
    places = [shutil.which(name, path=str(folder)) for folder in first if folder for name in names]
    places += [shutil.which(name) for name in names]
    places += [shutil.which("clang", path=folder.format(major=major) + "/bin")
               for major in SUPPORTED_MAJORS for folder in _USUAL_FOLDERS]  # fmt: skip
    for place in places:
        if place and (real := Path(place).resolve()) not in seen:
            seen.add(real)
            yield real


def _from_prefix(prefix: Path) -> Toolchain:
    rejected: ColtError | None = None
    for name in ("clang", *(f"clang-{major}" for major in SUPPORTED_MAJORS)):
        for folder in (prefix / "bin", prefix):
            if (folder / name).is_file():
                try:
                    return _from_clang((folder / name).resolve())
                except ColtError as error:  # another one may lie beside it
                    rejected = rejected or error
    if rejected is not None:
        raise rejected
    raise ToolchainError(f"{prefix}: holds no bin/clang; --llvm-prefix takes a folder such as /usr/lib/llvm-22")


@cache
def _from_clang(clang: Path) -> Toolchain:
    environment, prefix = own_environment(), clang.parent.parent
    if environment is not None and prefix == environment.resolve():
        _complete(environment)
    version, triple = _ask_version(clang)
    major = int(version.split(".")[0])
    if major < SUPPORTED_MAJORS[-1]:
        raise ToolchainError(f"{clang} is version {version}; use LLVM {SUPPORTED}")
    if major > SUPPORTED_MAJORS[0] and not takes_any_version():
        raise ToolchainError(
            f"{clang} is version {version}, which is newer than all that were tried; use LLVM {SUPPORTED}, "
            "or try it with --llvm-any"
        )
    library = _find_library(prefix, version)
    return Toolchain(
        prefix=prefix,
        clang=clang,
        clangxx=_sibling(clang.parent, "clang++", major) or clang.parent / "clang++",
        library=library,
        version=version,
        triple=triple,
        opt=_sibling(clang.parent, "opt", major),
    )


def _complete(environment: Path) -> None:
    """What a clang from PyPI lacks, in our own environment: C++ programs are linked to the libc++ beside it, where no
    loader looks. clang's own configuration file tells each link where that is, by clang++ and by colt-c++ alike.

    That libc++ names libatomic too, of which it uses nothing, and a bare system has none: another library stands in.
    """
    for runtime in environment.glob("lib/*-linux-gnu"):
        file, stand_in = environment / "bin" / f"{runtime.name}.cfg", runtime / "libatomic.so.1"
        if file.exists() or not (runtime / "libc++.so.1").exists():
            continue
        with contextlib.suppress(OSError):  # not ours to write: doctor says what is wrong
            if not stand_in.exists() and not _loads("libatomic.so.1"):
                stand_in.symlink_to("libunwind.so.1")
            file.write_text(f"$-Wl,-rpath,<CFGDIR>/../lib/{runtime.name}\n", encoding="utf-8")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _ask_version(clang: Path) -> tuple[str, str]:
    text = process.run([clang, "--version"], limits=process.Limits(wall_seconds=20)).stdout.decode("utf-8", "replace")
    version = re.search(r"clang version (\d+\.\d+\.\d+)", text)
    triple = re.search(r"^Target: (\S+)", text, re.MULTILINE)
    if not version or not triple:
        raise ToolchainError(f"{clang}: does not say its version as clang does; use another --llvm-prefix")
    return version[1], triple[1]


def _sibling(folder: Path, name: str, major: int) -> Path | None:
    for candidate in (folder / name, folder / f"{name}-{major}"):
        if candidate.exists():
            return candidate
    return None


def _find_library(prefix: Path, version: str) -> Path:
    """libLLVM of exactly this version: beside clang, else where the system keeps shared libraries."""
    machine = platform.machine()
    folders = [prefix / "lib", prefix / "lib64", Path(f"/usr/lib/{machine}-linux-gnu"), Path("/usr/lib64"),
               Path("/usr/lib"), Path(f"/usr/lib/llvm{version.split('.')[0]}/lib")]  # fmt: skip
    others = []
    for folder in folders:
        for pattern in _LIBRARY_NAMES:
            for path in sorted(folder.glob(pattern.format(major=version.split(".")[0]))):
                try:
                    found = ".".join(map(str, Library.load(path).version))
                except ToolchainError as error:
                    others.append(str(error))
                    continue
                if found == version:
                    return path.resolve()
                others.append(f"{path} is {found}")
    detail = f" ({others[0]})" if others else ""
    raise ToolchainError(
        f"{prefix}: clang is {version}, and its libLLVM was not found{detail}; "
        f"install it (Debian, Ubuntu: apt-get install libllvm{version.split('.')[0]})"
    )
