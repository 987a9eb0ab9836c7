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
from typing import Any

import pytest

from colt_llvm.build.project import tune_project
from colt_llvm.build.project_options import ProjectOptions
from colt_llvm.build.project_result import ProjectResult
from colt_llvm.program import Workload
from colt_llvm.toolchain import Toolchain, find_toolchain

ROOT = Path(__file__).resolve().parents[2]

#: Two files of which each can be made smaller than clang -Oz makes it.
FILES = {
    "parts.h": """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef struct { char name[16]; int weight; int kind; } Part;
unsigned mix(unsigned h, const unsigned char *s, int n);
int weight(int x);
unsigned fold(const Part *p, int n);
""",
    "fold.c": """
#include "parts.h"
unsigned mix(unsigned h, const unsigned char *s, int n) {
    for (int i = 0; i < n; i++) { h ^= s[i]; h *= 16777619u; }
    return h;
}
int weight(int x) { unsigned s = 0; for (int i = 0; i < x; i++) s += (unsigned)(i * x) ^ (s >> 3); return (int)s; }
unsigned fold(const Part *p, int n) {
    unsigned sum = 2166136261u;
    for (int i = 0; i < n; i++) switch (p[i].kind) {
        case 0: sum += 3; break;
        case 1: sum ^= 77; break;
        case 2: sum *= 5; break;
        case 3: sum -= (unsigned)i; break;
        default: sum = mix(sum, (const unsigned char *)p[i].name, (int)strlen(p[i].name));
    }
    return sum;
}
""",
    "main.c": """
#include "parts.h"
static int compare(const void *a, const void *b) {
    const Part *p = a, *q = b;
    return p->weight < q->weight ? -1 : p->weight > q->weight;
}
int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 20;
    Part parts[64];
    for (int i = 0; i < 64; i++) {
        snprintf(parts[i].name, sizeof parts[i].name, "p%d", i * 7 % 64);
        parts[i].weight = weight(i + n);
        parts[i].kind = (int)((unsigned)parts[i].weight % 5);
    }
    qsort(parts, 64, sizeof parts[0], compare);
    printf("sum %u\\n", fold(parts, 64));
    printf("%s %d\\n", parts[0].name, parts[0].weight);
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


def tune_here(
    folder: Path, given: ProjectOptions | None = None, *, stop: threading.Event | None = None,
    view: Callable[[str], Any] = no_view, report: Callable[[str], None] = lambda line: None,
    run_directory: Path | None = None,
) -> ProjectResult:  # fmt: skip
    return tune_project(
        folder, toolchain(), given or options(folder), models=None,
        run_directory=run_directory or folder / "colt-runs" / "run", view=view, report=report,
        stop=stop or threading.Event(),
    )  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path / "project", FILES)
