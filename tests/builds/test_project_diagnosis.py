"""A miscompile of a project's file is looked into with that file instrumented, once in a project."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from project_helpers import options, toolchain, tune_here, write

import colt_llvm
from colt_llvm.builds.project import search as project_search
from colt_llvm.run import tuner
from colt_llvm.run.asking import Hooks

pytestmark = pytest.mark.needs("make")

FILES = {
    "ask.c": """unsigned ask(int x) {
    unsigned sum = 0;
    for (unsigned i = 0; i < 1000; i++) sum += i;
    if (x + 1 < x) sum++;
    return __builtin_constant_p(sum) ? sum + 1 : 0u;
}
""",
    "main.c": """
#include <limits.h>
#include <stdio.h>
unsigned ask(int);
int main(int argc, char **argv) { (void)argv; printf("%u\\n", ask(INT_MAX - argc + 1)); return 0; }
""",
    "Makefile": """
prog: main.o ask.o
\t$(CC) -O2 -o $@ main.o ask.o
main.o: main.c
\t$(CC) -O2 -c main.c
ask.o: ask.c
\t$(CC) -O2 -c ask.c
""",
}  # fmt: skip


class WithoutIndvars(colt_llvm.SequenceSearch):
    def __init__(self, task: Any) -> None:
        super().__init__("fixed", colt_llvm.ActionSet(task.passes, task.edits), task.seed)

    def _choose(self, request_id: int, random: Random) -> tuple[str, ...]:
        return ("without<indvars>",)


def test_the_file_is_instrumented_and_the_project_says_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuner, "DIAGNOSIS_SECONDS", 200.0)
    monkeypatch.setattr(project_search, "Hooks", partial(Hooks, strategy=WithoutIndvars))
    folder = write(tmp_path / "project", FILES)
    result = tune_here(folder, options(folder, "./prog", tune={"trials": 1, "seed": 1, "workers": 1, "risky": True}))
    (note,) = [note for note in result.notes if "miscompile of trial" in note]
    assert note.startswith("ask.c: ")
    (saved,) = (folder / "colt-runs" / "run" / "units").glob("ask-*/result.json")
    found = json.loads(saved.read_text())["diagnosis"]
    assert found["line"] in note
    if found["left_out"]:  # no runtime: the trap tells that there is something
        assert f"libclang-rt-{toolchain().major}-dev" in found["left_out"][-1]
        assert found["fault"] == "undefined behaviour"
    else:
        assert found["undefined"]["place"].startswith("ask.c:4:")
        assert "signed integer overflow" in found["reason"]
    assert found["deciding"]["name"] == "indvars"
    script = Path(found["folder"]).read_text()
    assert "in the place of this file's object" in script
