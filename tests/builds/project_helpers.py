"""Small projects as users have them, their build, and tuning them in this process."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from colt_llvm.builds.project.options import ProjectOptions, ProjectRun
from colt_llvm.builds.project.result import ProjectResult
from colt_llvm.builds.project.search import Searcher
from colt_llvm.builds.project.tune_project import tune_project
from colt_llvm.builds.project.units import Measured, build_unit
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain
from colt_llvm.program.program import Workload
from colt_llvm.run.progress import TuneResult

ROOT = Path(__file__).resolve().parents[2]

#: Each of the two files holds a loop that is unrolled because it says so, at -Oz too: without that it is smaller.
FILES = {
    "parts.h": """
#include <stdio.h>
#include <stdlib.h>
unsigned fold(const unsigned *values, unsigned start);
""",
    "fold.c": """
#include "parts.h"
unsigned fold(const unsigned *values, unsigned start) {
    unsigned sum = start;
#pragma clang loop unroll(full)
    for (int i = 0; i < 24; i++) sum = (sum ^ values[i]) * 16777619u + (sum >> 7);
    return sum;
}
""",
    "main.c": """
#include "parts.h"
static unsigned values[24];
static void fill(unsigned seed) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 24; i++) { seed = seed * 1103515245u + 12345u; values[i] = seed >> 16; }
}
int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 20;
    unsigned sum = 1;
    for (int i = 0; i < rounds; i++) { fill(sum); sum = fold(values, sum); }
    printf("sum %u\\n", sum);
    return 0;
}
""",
    "Makefile": """
CFLAGS = -Oz
prog: main.o fold.o
\t$(CC) $(CFLAGS) -o $@ main.o fold.o
main.o: main.c parts.h
\t$(CC) $(CFLAGS) -c main.c
fold.o: fold.c parts.h
\t$(CC) $(CFLAGS) -c fold.c
clean:
\trm -f *.o prog
""",
}  # fmt: skip


#: Smaller code than clang -Oz makes of each of them: nothing is unrolled.
SMALLER = "function(sroa,simplifycfg,early-cse)"


@cache
def toolchain() -> Toolchain:
    return find_toolchain()


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def clang(folder: Path, *words: str | Path) -> None:
    subprocess.run([toolchain().clang, *map(str, words)], cwd=folder, check=True)


def console_script(name: str) -> str:
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name) or name


def make(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """As a user would, with the tuned compilers."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("COLT_", "MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", f"CC={console_script('colt-cc')}", f"CXX={console_script('colt-c++')}", *words], cwd=folder,
        env={**inherited, "COLT_LLVM_PREFIX": str(toolchain().prefix)}, capture_output=True, text=True,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stderr
    return done


def digests(folder: Path, besides: tuple[str, ...] = ("colt-runs",)) -> dict[str, str]:
    """Every file of a tree with its content and its time."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and name.split("/")[0] not in besides:
            found[name] = f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_mtime_ns}"
    return found


@contextlib.contextmanager
def no_view(title: str) -> Iterator[None]:
    yield None


def options(folder: Path, run: str = "./prog 300", **changes: Any) -> ProjectOptions:
    """A short search that repeats."""
    fields: dict[str, Any] = {
        "builds": (("make", "prog"),),
        "workloads": (Workload("run-1", tuple(run.split()), None, (), folder),),
        "objective": "size",
        "seconds": 60.0,
        "tune": {"trials": 30, "seed": 1, "workers": 1},
        **changes,
    }
    return ProjectOptions(**fields)


def quiet_run(folder: Path, report: Callable[[str], None] = lambda line: None) -> ProjectRun:
    return ProjectRun(folder, None, no_view, report, threading.Event())


def tune_here(
    folder: Path, given: ProjectOptions | None = None, *, stop: threading.Event | None = None,
    view: Callable[[str], Any] = no_view, report: Callable[[str], None] = lambda line: None,
    run_directory: Path | None = None,
) -> ProjectResult:  # fmt: skip
    run = ProjectRun(run_directory or folder / "colt-runs" / "run", None, view, report, stop or threading.Event())
    return tune_project(folder, toolchain(), given or options(folder), run)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path / "project", FILES)


def found(pipeline: str, ratio: float = 1.5, *, interrupted: bool = False) -> TuneResult:
    """What a search ends with: this pipeline, or with an empty one nothing."""
    return TuneResult(
        verdict="improved" if pipeline else "no improvement found", program="", objective="size", baseline="clang -Oz",
        ratio=ratio if pipeline else 1.0, interval=None, sequence=("found",) if pipeline else (), pipeline=pipeline,
        figures={}, found_at_trial=None, found_at_seconds=None, trials=1, distinct=1, elapsed_seconds=0.1, failures={},
        run_directory=Path(), recipe=Path() if pipeline else None, output=None, interrupted=interrupted,
    )  # fmt: skip


def searches_find(monkeypatch: pytest.MonkeyPatch, finds: Mapping[str, str | TuneResult]) -> list[str]:
    """Searches are not made: they find the pipeline that is named for the object, else nothing. Objects searched."""
    searched: list[str] = []

    def search(self: Searcher, unit: Measured, seconds: float) -> TuneResult:
        searched.append(unit.unit.output.name)
        what = finds.get(unit.unit.output.name, "")
        return found(what) if isinstance(what, str) else what

    def build(self: Searcher, unit: Measured, made: TuneResult) -> bytes | None:
        if not made.improved:
            return None
        options = self.project.options
        with TemporaryDirectory() as folder:
            return build_unit(self.project.toolchain, unit.unit, options.level, made.pipeline, Path(folder))

    monkeypatch.setattr(Searcher, "_tune", search)
    monkeypatch.setattr(Searcher, "_object", build)
    return searched


#: Both files get a recipe.
BOTH = {"main.o": SMALLER, "fold.o": SMALLER}
