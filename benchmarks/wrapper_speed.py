"""What colt-cc costs a build, for each file: clang, and colt-cc without and with recipes, in turn.

Differences within one run say something; the times alone say how busy the machine was.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from colt_llvm.core.errors import ToolchainError
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain

CLANG, PYTHON = "clang", "python"
NO_STORE, NO_RECIPE, RECIPE = "colt-cc, no .colt", "colt-cc, no recipe for the file", "colt-cc, recipe"

_SOURCE = """#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int sum(const int *a, int n) { int s = 0; for (int i = 0; i < n; i++) s += a[i] * a[i]; return s; }
int main(int argc, char **argv) { int a[4] = {1, 2, 3, argc}; printf("%d\\n", sum(a, 4)); return 0; }
"""
_NAME, _FLAGS = "unit.c", ("-O2", "-c", "unit.c", "-o", "unit.o")


def measure_wrapper(rounds: int, toolchain: Toolchain | None = None) -> dict[str, float]:
    """Median milliseconds of one compilation, by way; of starting Python; and how many rounds.

    Raises ToolchainError.
    """
    toolchain = toolchain or find_toolchain()
    wrapper = _installed()
    with TemporaryDirectory(prefix="colt-") as folder:
        root = Path(folder)
        variables = {**os.environ, "COLT_LLVM_PREFIX": str(toolchain.prefix), "XDG_CACHE_HOME": str(root / "cache")}
        for name in ("COLT_STRICT", "COLT_DISABLE", "COLT_LEVEL", "COLT_LOG"):
            variables.pop(name, None)
        places = {way: _project(root, way, toolchain) for way in (CLANG, NO_STORE, NO_RECIPE, RECIPE)}
        ways: dict[str, tuple[Sequence[str], Path]] = {
            CLANG: ([str(toolchain.clang), *_FLAGS], places[CLANG]),
            **{way: ([wrapper, *_FLAGS], places[way]) for way in (NO_STORE, NO_RECIPE, RECIPE)},
            PYTHON: ([sys.executable, "-c", ""], root),
        }
        _check_recipe(ways[RECIPE], variables, root / "log")
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, (argv, place) in ways.items():
                seconds[way].append(_seconds(argv, place, variables))
    return {**{way: statistics.median(taken) * 1e3 for way, taken in seconds.items()}, "rounds": float(rounds)}


def _installed() -> str:
    beside = Path(sys.executable).with_name("colt-cc")
    if not beside.exists():
        raise ToolchainError(f"colt-cc is not installed beside {sys.executable}; install colt-llvm with pip")
    return str(beside)


def _project(root: Path, way: str, toolchain: Toolchain) -> Path:
    place = root / way.replace(" ", "-").replace(",", "")
    (place / ".colt").mkdir(parents=True)
    (place / _NAME).write_text(_SOURCE)
    if way == NO_RECIPE:
        _write_recipe(place / ".colt" / "other.c.json", toolchain)
    elif way == RECIPE:
        _write_recipe(place / ".colt" / f"{_NAME}.json", toolchain)
    else:
        (place / ".colt").rmdir()
    return place


def _write_recipe(file: Path, toolchain: Toolchain) -> None:
    """As builds writes it."""
    digest = hashlib.blake2b(_SOURCE.encode(), digest_size=16).hexdigest()
    recipe = {
        "source": _NAME, "inputs": {_NAME: digest}, "flags": [], "level": "O3", "llvm": toolchain.version,
        "triple": toolchain.triple, "objective": "runtime", "sequence": [], "pipeline": "default<O3>", "object": "",
        "evidence": {},
    }  # fmt: skip
    file.write_text(json.dumps({"kind": "colt-llvm unit recipes", "version": 1, "recipes": [recipe]}))


def _check_recipe(way: tuple[Sequence[str], Path], variables: Mapping[str, str], log: Path) -> None:
    """Nothing is measured under a wrong name. Also fills what the compilers remember."""
    _seconds(*way, {**variables, "COLT_LOG": str(log)})
    logged = json.loads(log.read_text())
    if not logged["recipe"]:
        raise ToolchainError(f"colt-cc does not use the recipe ({logged['note']}); install this very version")


def _seconds(argv: Sequence[str], place: Path, variables: Mapping[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(argv, cwd=place, env=variables, check=True)
    return time.perf_counter() - started
