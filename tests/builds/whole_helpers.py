"""A small program of several files, built by make, in which linking as one module shows."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from project_helpers import quiet_run
from wrapper_helpers import compiler, environment, toolchain

from colt_llvm.builds.project.options import ProjectOptions
from colt_llvm.builds.project.result import ProjectResult
from colt_llvm.builds.project.setup import Project, set_up
from colt_llvm.builds.project.tune_project import tune_project
from colt_llvm.program.program import Workload

#: for_outside is called by an object that is not of the build; mix is two functions; never.o is in the archive and
#: not asked for; large_and_unused goes where nothing outside can see it.
FILES = {
    "src/lib.h": "unsigned long first_step(long, unsigned long); int outside(int); int for_outside(int);\n"
    "int in_archive(int); extern int began;\n",
    "src/main.c": '#include <stdio.h>\n#include "lib.h"\nint main(void) {\n  unsigned long s = 0;\n'
    "  for (long i = 0; i < 1000; i++) s += first_step(i, s);\n"
    '  printf("%lu %d %d\\n", s, outside(3), began);\n  return 0;\n}\n',
    "src/step.c": '#include "lib.h"\nint began;\n__attribute__((constructor)) static void begin(void) { began = 7; }\n'
    "static unsigned long mix(unsigned long x) { return x ^ (x >> 3); }\n"
    "unsigned long first_step(long i, unsigned long s) { return mix(i) + in_archive(s & 7); }\n"
    "int large_and_unused(int x) { for (int i = 1; i < x; i++) x = x * 77 / (x | i) + x % (i + 3); return x; }\n",
    "src/arch.c": '#include "lib.h"\nstatic unsigned long mix(unsigned long x) { return x * 5; }\n'
    "int in_archive(int x) { return mix(x) + 1; }\nint for_outside(int x) { return x * 3; }\n",
    "src/never.c": '#include <stdio.h>\n__attribute__((constructor)) static void hello(void) { puts("never"); }\n'
    "int never(void) { return 1; }\n",
    "src/other.c": '#include "lib.h"\nint outside(int x) { return for_outside(x) + 1; }\n',
    "Makefile": "CFLAGS = -O2\nLDFLAGS =\nprog: main.o step.o other.o libx.a\n"
    "\t$(CC) $(LDFLAGS) -o prog main.o step.o other.o libx.a\n"
    "libx.a: arch.o never.o\n\trm -f $@; ar rcs $@ arch.o never.o\n"
    "other.o: src/other.c\n\tPLAIN -O1 -c -o $@ $<\n"
    "%.o: src/%.c src/lib.h\n\t$(CC) $(CFLAGS) -c -o $@ $<\n"
    "clean:\n\trm -f *.o *.a prog\n",
}  # fmt: skip
PRINTS = "520446 10 7\n"


def fill(root: Path, changes: Mapping[str, str] | None = None) -> Path:
    for name, text in {**FILES, **(changes or {})}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text.replace("PLAIN", str(toolchain().clang)), encoding="utf-8")
    return root


def options(*build: str, **changes: Any) -> ProjectOptions:
    fields: dict[str, Any] = {
        "builds": (("make", "-s", *build, "prog"),),
        "workloads": (Workload("run", ("./prog",)),),
        "objective": "size",
        "seconds": 60.0,
        "whole_program": True,
        "tune": {"trials": 2, "workers": 1},
        **changes,
    }
    return ProjectOptions(**fields)


def tune(root: Path, run_directory: Path, chosen: ProjectOptions) -> ProjectResult:
    return tune_project(root, toolchain(), chosen, quiet_run(run_directory))


def learn(root: Path, scratch: Path, chosen: ProjectOptions) -> Project:
    scratch.mkdir(exist_ok=True)
    return set_up(root.resolve(), toolchain(), chosen, quiet_run(scratch), scratch)


def make(root: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The project's own build with colt-cc, quietly."""
    return subprocess.run(
        ["make", "-s", f"CC={' '.join(compiler())}", *words], cwd=root, text=True, capture_output=True,
        env=environment(root.parent, **variables), timeout=300,
    )  # fmt: skip


def prints(program: Path) -> str:
    return subprocess.run([str(program)], check=True, capture_output=True, text=True, timeout=60).stdout
