"""Small programs to tune, and runs of the command: as a process of its own, or in this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from colt_llvm.cli.main import run

ROOT = Path(__file__).resolve().parents[2]

SOURCE = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef struct { char name[16]; int weight; int kind; } Part;
static int weight(int x) { int s = 0; for (int i = 0; i < x; i++) s += i * x ^ (s >> 3); return s; }
static void show(const char *name, int value) { printf("%s %d\\n", name, value); }
static int compare(const void *a, const void *b) {
    const Part *p = a, *q = b;
    return p->weight < q->weight ? -1 : p->weight > q->weight;
}
static unsigned mix(unsigned h, const unsigned char *s, int n) {
    for (int i = 0; i < n; i++) { h ^= s[i]; h *= 16777619u; }
    return h;
}
int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 20;
    Part parts[64];
    for (int i = 0; i < 64; i++) {
        snprintf(parts[i].name, sizeof parts[i].name, "p%d", i * 7 % 64);
        parts[i].weight = weight(i + n);
        parts[i].kind = parts[i].weight % 5;
    }
    qsort(parts, 64, sizeof parts[0], compare);
    unsigned sum = 2166136261u;
    for (int i = 0; i < 64; i++) switch (parts[i].kind) {
        case 0: sum += 3; break;
        case 1: sum ^= 77; break;
        case 2: sum *= 5; break;
        case 3: sum -= (unsigned)i; break;
        default: sum = mix(sum, (const unsigned char *)parts[i].name, (int)strlen(parts[i].name));
    }
    show("sum", (int)sum);
    show(parts[0].name, parts[0].weight);
    show(parts[63].name, parts[63].weight);
    return 0;
}
"""

#: A run that repeats.
EXACT = ("--objective", "size", "--seed", "1", "--workers", "1")


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "colt_llvm.cli.main", *map(str, arguments)]


def spawn(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


def tune_here(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    """Run ``tune`` in this process and return its result."""
    status = run(["tune", "--json", *map(str, arguments)])
    out, err = capfd.readouterr()
    assert status == 0, err
    result: dict[str, Any] = json.loads(out)
    assert json.loads((Path(result["run_directory"]) / "result.json").read_text()).items() >= result.items()
    return result


def trials_of(directory: Path) -> list[dict[str, Any]]:
    """What the journal holds, but for times."""
    trials = [json.loads(line) for line in (directory / "trials.jsonl").read_text().splitlines()]
    for trial in trials:
        del trial["seconds"]
        assert "runtime" not in trial["outcome"]["figures"]
    return trials
