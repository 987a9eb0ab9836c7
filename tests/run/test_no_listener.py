"""While ``tune`` runs nothing of it can be reached from outside of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from listeners import family, paths, ports

from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.program.program import load_program, programs_directory
from colt_llvm.run.progress import Progress
from colt_llvm.run.tuner import tune


def test_nothing_listens_on_tcp_during_tune(tmp_path: Path) -> None:
    pytest.importorskip("compiler_gym")
    seen: list[tuple[set[str], set[str]]] = []

    def look(progress: Progress) -> None:
        processes = family()
        seen.append((ports(processes), paths(processes)))

    program = load_program(programs_directory() / "collatz")
    tune(program, find_toolchain(), TuneOptions(objective="size", trials=4), run_directory=tmp_path / "run",
         on_progress=look)  # fmt: skip
    assert len(seen) >= 4
    assert all(not listening for listening, _ in seen)
    names = set().union(*(found for _, found in seen))
    assert names, "the service was looked at"
    assert not [name for name in names if name.startswith("@")]
