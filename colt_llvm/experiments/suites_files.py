"""Folders of files that are a program each: sources with LLVM's ``.reference_output`` beside them, or bitcode."""

from __future__ import annotations

import re
from pathlib import Path

from colt_llvm.core.errors import UsageError
from colt_llvm.experiments.experiment import SuiteSpec
from colt_llvm.experiments.suites import BenchProgram
from colt_llvm.program.program import C_SUFFIXES, CXX_SUFFIXES, IR_SUFFIXES, Program, Workload

_EXIT = re.compile(rb"(?:\A|\n)exit (\d+)\n?\Z")


def folder_programs(suite: SuiteSpec, place: Path) -> list[BenchProgram]:
    """Every C and C++ file below the folder. ``x.reference_output`` holds what ``x.c`` prints, then ``exit N``."""
    found = []
    for source in _files(suite, C_SUFFIXES + CXX_SUFFIXES):
        name = _name(source, suite)
        reference = source.with_suffix(".reference_output")
        expected, status = _reference(reference, place / f"{name}.stdout") if reference.is_file() else (None, 0)
        program = Program(
            name, (source,), suite.cflags, suite.ldflags, (Workload("default", expected_stdout=expected),)
        )
        found.append(BenchProgram(suite.label, program, status))
    return found


def bitcode_programs(suite: SuiteSpec, place: Path) -> list[BenchProgram]:
    """Every .bc and .ll file below the folder. One without ``main`` is measured and not run."""
    return [
        BenchProgram(suite.label, Program(_name(file, suite), (file,), suite.cflags, suite.ldflags))
        for file in _files(suite, IR_SUFFIXES)
    ]


def _files(suite: SuiteSpec, suffixes: tuple[str, ...]) -> list[Path]:
    assert suite.path is not None
    root = suite.path.resolve()
    found = sorted(path for path in root.rglob("*") if path.suffix in suffixes and path.is_file())
    if not found:
        raise UsageError(f"suite {suite.label}: {suite.path} holds no {', '.join(suffixes)} file; mend path")
    return found


def _name(file: Path, suite: SuiteSpec) -> str:
    """The file's own name; with its folders in front where that is there twice."""
    assert suite.path is not None
    root = suite.path.resolve()
    relative = file.relative_to(root).with_suffix("")
    twins = [other for other in root.rglob(f"{file.stem}.*") if other != file and other.suffix == file.suffix]
    return "-".join(relative.parts) if twins else file.stem


def _reference(file: Path, place: Path) -> tuple[Path, int]:
    """The expected output in a file of its own, and the exit status. Without a last line ``exit N`` it is 0."""
    text = file.read_bytes()
    match = _EXIT.search(text)
    status = int(match[1]) if match else 0
    if match:
        # The newline before "exit" may be the program's own or, where its output ends without one, the suite's.
        text = text[: match.start() + (text[match.start() : match.start() + 1] == b"\n")]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(text)
    return place, status
