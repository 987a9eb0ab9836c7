"""What training looks at beside the train programs: their functions, other flags, and random programs of csmith.

A variant is called ORIGIN~KIND, so that whatever leaves a program out leaves its variants out too. Never anything of
a held-out program.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from colt_llvm.core.errors import ColtError
from colt_llvm.experiments.experiment import SuiteSpec
from colt_llvm.experiments.suites import SuiteLeftOut, csmith_programs
from colt_llvm.llvm.flow import functions_of
from colt_llvm.llvm.library import Library
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.baseline import prepare_baseline
from colt_llvm.program.program import Program, included_programs

#: Flags that change the code a lot and leave the program's meaning alone.
_FLAGS = {
    "native": ("-march=native",),
    "checked": ("-ftrapv", "-fno-strict-aliasing"),
    "plain": ("-fno-builtin", "-fno-vectorize"),
}
_LEAST_INSTRUCTIONS = 60  # of a function, before any pass: below that little can be told apart
_MOST_FUNCTIONS = 2  # of one program, the largest


def origin(name: str) -> str:
    """The program that a variant is of; itself for any other."""
    return name.partition("~")[0]


#: Train programs that came after the shipped numbers were fitted, which are to be fitted again alike.
_LATER = frozenset(("bank_cpp", "lru_cpp", "orders_cpp", "polynomial_cpp", "table_cpp", "wordcount_cpp"))


def train_programs() -> list[Program]:
    """The included ones that the shipped numbers are from."""
    return [program for program in included_programs("train") if program.name not in _LATER]


def variants(toolchain: Toolchain, objective: str, folder: Path, csmith: int, seed: int) -> list[Program]:
    """Functions and other flags of every train program, then ``csmith`` random ones. Files go into ``folder``."""
    found = []
    for number, program in enumerate(train_programs()):
        kind = list(_FLAGS)[number % len(_FLAGS)]  # one each: all of them would drown the others
        found.append(replace(program, name=f"{program.name}~{kind}", cflags=program.cflags + _FLAGS[kind]))
        found += functions(toolchain, program, objective, folder / "functions" / objective)
    return found + random_programs(folder / "csmith", range(seed, seed + csmith))


def functions(toolchain: Toolchain, program: Program, objective: str, folder: Path) -> list[Program]:
    """The largest functions of a program, each as a bitcode file with what it calls only declared."""
    try:
        bitcodes = prepare_baseline(toolchain, program, objective).bitcodes
    except ColtError as error:
        print(f"{program.name}: functions left out: {error}")
        return []
    sized = []
    for place, bitcode in enumerate(bitcodes):
        with Module.parse(Library.load(toolchain.library), bitcode) as module:
            sized += [(function.instructions, function.name, place) for function in functions_of(module)]
    wanted = sorted((item for item in sized if item[0] >= _LEAST_INSTRUCTIONS), key=lambda item: (-item[0], item[1]))
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, (_, name, place) in enumerate(wanted[:_MOST_FUNCTIONS]):
        path = folder / f"{program.name}~function{number}.bc"
        if path.exists() or _extracted(toolchain, bitcodes[place], name, path):
            found.append(Program(path.stem, (path,)))
    return found


def _extracted(toolchain: Toolchain, bitcode: bytes, function: str, path: Path) -> bool:
    command = [toolchain.prefix / "bin" / "llvm-extract", f"--func={function}", "-", "-o", path]
    done = subprocess.run(command, input=bitcode, capture_output=True, check=False)
    if done.returncode:
        path.unlink(missing_ok=True)
        print(f"{path.stem}: left out: {done.stderr.decode(errors='replace').strip()[-200:]}")
    return done.returncode == 0


def random_programs(folder: Path, seeds: Sequence[int]) -> list[Program]:
    """By csmith; none, with a line that says so, where there is no csmith."""
    try:
        return [item.program for item in csmith_programs(SuiteSpec("csmith", seeds=tuple(seeds)), folder)]
    except SuiteLeftOut as error:
        print(error)
        return []


def foreign(names: Collection[str]) -> list[str]:
    """Names that are neither train programs nor made from them or by csmith."""
    allowed = {program.name for program in train_programs()}
    return sorted(name for name in names if origin(name) not in allowed and not name.startswith("csmith-"))
