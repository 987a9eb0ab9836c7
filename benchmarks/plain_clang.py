"""The independent verifier: what a program does when plain clang builds it. Of colt_llvm nothing is used but where
LLVM is.

A behaviour is all that a run leaves: standard output, standard error, exit status, and every file in its working
folder. Two are the same only where every byte is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import colt_llvm

_FIRST_WITHOUT_OPT_OZ = 23
RUN_SECONDS = 5.0
_COMPILE_SECONDS = 60.0
#: A behaviour is made out by so many runs.
RUNS = 3


@dataclass(frozen=True)
class Behaviour:
    """What a run left. status: exit status, minus a signal's number, or "never ends"; files: path -> content."""

    status: int | str
    stdout: bytes = b""
    stderr: bytes = b""
    files: tuple[tuple[str, bytes], ...] = ()

    def differs_in(self, other: Behaviour) -> str:
        """The parts that are not the same, with commas; "" for equal ones."""
        parts = ("status", "stdout", "stderr", "files")
        return ", ".join(part for part in parts if getattr(self, part) != getattr(other, part))


@dataclass(frozen=True)
class Clang:
    """The tools of one LLVM. folder: where clang and opt are."""

    folder: Path

    @staticmethod
    def found(prefix: Path | None = None) -> Clang:
        """Of the LLVM at ``prefix``; None: the one that colt-llvm takes."""
        if prefix is not None:
            return Clang(prefix / "bin")
        return Clang(colt_llvm.find_toolchain().clang.parent)

    def tool(self, name: str) -> str:
        place = shutil.which(name, path=str(self.folder))
        if place is None:
            raise SystemExit(f"{self.folder}: holds no {name}; install LLVM's tools of that version")
        return place

    @cached_property
    def major(self) -> int:
        said = subprocess.run([self.tool("clang"), "-dumpversion"], capture_output=True, text=True, check=True).stdout
        return int(said.split(".")[0])

    def build(self, source: Path, flags: Sequence[str], level: str, executable: Path) -> Path:
        """``clang -LEVEL``, as a user types it."""
        _call([self.tool("clang"), f"-{level}", *flags, str(source), "-o", str(executable)])
        return executable

    def build_by_opt(self, source: Path, flags: Sequence[str], executable: Path) -> Path:
        """What ``instructions`` is held against: bitcode of -O3 without its passes, ``opt -passes='default<Oz>'``."""
        bitcode, optimised = executable.with_suffix(".bc"), executable.with_suffix(".opt.bc")
        off = ["-O3", "-Xclang", "-disable-llvm-passes"]
        _call([self.tool("clang"), *off, *flags, "-emit-llvm", "-c", str(source), "-o", str(bitcode)])
        _call([self.tool("opt"), "-passes=default<Oz>", str(bitcode), "-o", str(optimised)])
        _call([self.tool("clang"), *off, "-w", "-x", "ir", str(optimised), "-o", str(executable)])
        bitcode.unlink()
        optimised.unlink()
        return executable

    def baseline(self, objective: str, source: Path, flags: Sequence[str], executable: Path) -> Path:
        """What the objective is held against; for `instructions` clang -Oz from LLVM 23 on, where opt has none."""
        if objective == "instructions" and self.major < _FIRST_WITHOUT_OPT_OZ:
            return self.build_by_opt(source, flags, executable)
        return self.build(source, flags, "Oz" if objective in ("size", "instructions") else "O3", executable)


def behaviour(executable: Path, args: Sequence[str] = ()) -> Behaviour:
    """Of one run in a new, empty folder, under a name that is always the same."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
        folder, copy = Path(place, "run"), Path(place, "program")
        folder.mkdir()
        shutil.copy(executable, copy)
        try:
            done = subprocess.run(
                [copy, *args], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=RUN_SECONDS
            )
        except subprocess.TimeoutExpired:
            return Behaviour("never ends")
        return Behaviour(done.returncode, done.stdout, done.stderr, tuple(_files(folder)))


def behaviours(executable: Path, args: Sequence[str] = (), runs: int = RUNS) -> set[Behaviour]:
    """Of several runs; more than one where they differ."""
    found: set[Behaviour] = set()
    for _ in range(runs):
        found.add(behaviour(executable, args))
        if any(b.status == "never ends" for b in found):
            break
    return found


def _files(folder: Path) -> list[tuple[str, bytes]]:
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            found.append((os.path.relpath(path, folder), path.read_bytes()))
    return found


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_SECONDS, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[:400]}")
