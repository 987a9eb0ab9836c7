"""Random programs by csmith, one for each seed. They end by printing a checksum of their variables."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from colt_llvm.core import process
from colt_llvm.core.errors import ProcessTimeout
from colt_llvm.core.files import replacing
from colt_llvm.experiments.experiment import SuiteSpec
from colt_llvm.experiments.suites import BenchProgram, SuiteLeftOut
from colt_llvm.program.program import Program

#: Debian has csmith's headers in the first (libcsmith-dev). compiler_gym brings the same ones.
_HEADERS = (Path("/usr/include/csmith"), Path("/usr/local/include/csmith"))
_BROUGHT = "third_party/csmith/csmith/include"
_LIMITS = process.Limits(wall_seconds=60.0, output_bytes=64 << 20)


def csmith_programs(suite: SuiteSpec, place: Path) -> list[BenchProgram]:
    """``csmith-SEED``. Raises SuiteLeftOut where there is no csmith."""
    command = shutil.which("csmith")
    headers = suite.path or next((folder for folder in _headers(command) if (folder / "csmith.h").is_file()), None)
    if command is None or headers is None:
        raise SuiteLeftOut(
            f"suite {suite.label}: left out, as there is no csmith; install it (Debian: csmith, libcsmith-dev)"
        )
    place.mkdir(parents=True, exist_ok=True)
    found = []
    for seed in suite.seeds:
        source = place / f"csmith-{seed}.c"
        if not source.is_file():
            _generate(command, seed, source)
        flags = ("-I", str(headers), "-w", *suite.cflags)
        program = Program(source.stem, (source,), flags, suite.ldflags, family="csmith")
        found.append(BenchProgram(suite.label, program))
    return found


def _generate(command: str, seed: int, source: Path) -> None:
    with replacing(source) as temporary:
        try:
            done = process.run([command, "--seed", str(seed), "--output", temporary], limits=_LIMITS, cwd=source.parent)
            said = f"it ends with {done.describe_status()}" if done.status else ""
        except ProcessTimeout as error:
            said = str(error)
        if said or not temporary.stat().st_size:
            raise SuiteLeftOut(
                f"suite csmith: left out, as csmith makes no program of seed {seed} ({said}); leave it out"
            )


def _headers(command: str | None) -> list[Path]:
    beside = [] if command is None else sorted(Path(command).resolve().parents[1].glob("include/csmith*"))
    package = importlib.util.find_spec("compiler_gym")
    places = list(package.submodule_search_locations or []) if package is not None else []
    brought = [folder for place in places for folder in sorted(Path(place, _BROUGHT).glob("csmith*"))]
    return [*_HEADERS, *beside, *brought]
