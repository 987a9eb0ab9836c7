"""Several runs that begin at once in one folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["size", pytest.param("runtime", marks=pytest.mark.exhaustive)])
def test_three_at_once_in_one_folder_end_well_each_in_its_own(tmp_path: Path, objective: str) -> None:
    rounds = "20000000" if objective == "runtime" else "2000"  # what is timed has to take a while
    (tmp_path / "prog.c").write_text(
        """
#include <stdio.h>
int main(void) {
    unsigned s = 1;
    for (volatile unsigned i = 0; i < ROUNDS; i++) s = s * 1664525u + 1013904223u + i;
    printf("%u\\n", s);
}
""".replace("ROUNDS", rounds)
    )
    command = [sys.executable, "-m", "colt_llvm.cli.main", "tune", "prog.c", "--objective", objective, "--trials", "2",
               "--workers", "1", "--json"]  # fmt: skip
    runs = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, env=_environment()) for _ in range(3)]
    said = [json.loads(run.communicate(timeout=280)[0]) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert sorted(Path(one["run_directory"]).name for one in said) == ["prog-1", "prog-2", "prog-3"]
    for folder in (tmp_path / "colt-runs").iterdir():
        assert len((folder / "trials.jsonl").read_text().splitlines()) == 2
        assert json.loads((folder / "result.json").read_text())["trials"] == 2


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
