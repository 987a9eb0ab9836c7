"""Small experiments for tests, and cells that nothing had to be run for."""

from __future__ import annotations

import os
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from colt_llvm.experiments.cells import Cell, Group, failed_record, record_of
from colt_llvm.experiments.experiment import Budget, Experiment, StrategySpec, SuiteSpec
from colt_llvm.experiments.suites import BenchProgram
from colt_llvm.program.program import Program

LLVM = "22.1.0"

SOURCE = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef struct { char name[12]; int weight; } Item;
static int weight(int x) { int s = 0; for (int i = 0; i < x; i++) s += i * x ^ (s >> 3); return s; }
static int compare(const void *a, const void *b) { return ((const Item *)a)->weight - ((const Item *)b)->weight; }
static unsigned mix(unsigned h, const char *s) { while (*s) { h ^= (unsigned char)*s++; h *= 16777619u; } return h; }
static void show(const char *name, int value) { printf("%s %d\\n", name, value); }
int main(void) {
    Item items[32];
    unsigned sum = 7;
    for (int i = 0; i < 32; i++) {
        snprintf(items[i].name, sizeof items[i].name, "p%d", i * 7 % 32);
        items[i].weight = weight(i + 9);
    }
    qsort(items, 32, sizeof items[0], compare);
    for (int i = 0; i < 32; i++) switch (items[i].weight % 4) {
        case 0: sum += 3; break;
        case 1: sum ^= 77; break;
        case 2: sum *= 5; break;
        default: sum = mix(sum, items[i].name);
    }
    show(items[0].name, items[0].weight);
    show(items[31].name, (int)(sum & 1023));
    return 3;
}
"""
OUTPUT = "p0 306\np25 993\n"


def strategy(label: str, name: str = "random", **settings: Any) -> StrategySpec:
    return StrategySpec(label, name, **settings)


def program(name: str = "alpha", digest: str = "d1") -> BenchProgram:
    return BenchProgram("folder", Program(name, (Path(f"/nowhere/{name}.c"),)), digest=digest)


def experiment(**changes: Any) -> Experiment:
    given: dict[str, Any] = {
        "suites": (SuiteSpec("included"),),
        "strategies": (strategy("one"), strategy("two")),
        "budgets": (Budget(trials=5),),
        "seeds": (1, 2),
        **changes,
    }
    return Experiment(**given)


def cell(label: str = "one", seed: int = 1, name: str = "alpha", objective: str = "size", **budget: Any) -> Cell:
    return Cell(name, objective, strategy(label), Budget(**(budget or {"trials": 5})), seed)


def record(made: Cell, **outcome: Any) -> dict[str, Any]:
    return record_of(program(made.program), made, LLVM, **outcome)


def failure(made: Cell, why: str = "does not compile") -> dict[str, Any]:
    return failed_record(program(made.program), made, LLVM, why)


def stand_in(connection: Connection, group: Group, toolchain: Any, runs: Path) -> None:
    """In place of a worker: one cell after another; the label says how it goes."""
    for made in group.cells:
        if connection.poll() and made.strategy.label != "waits":  # that one is under way whoever is quicker
            return
        connection.send(("begin", made.id))
        if made.strategy.label == "dies":
            os._exit(7)
        if made.strategy.label == "waits":
            while not connection.poll(0.01):
                time.sleep(0.01)
        connection.send(("cell", record(made, gain=0.1, took_seconds=2.0)))
