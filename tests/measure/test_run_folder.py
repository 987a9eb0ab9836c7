"""Each run has a folder of its own, and a program that shows it still does the same in each run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from colt_llvm.core.errors import ProgramError
from colt_llvm.core.process import Limits
from colt_llvm.measure.check import BaselineRuns, verify_baseline
from colt_llvm.measure.runner import Observation, run_side_by_side, run_workload
from colt_llvm.program.program import Workload

Script = Callable[[str], Path]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    def write(text: str) -> Path:
        file = tmp_path / "script"
        file.write_text(text)
        file.chmod(0o755)
        return file

    return write


SHOWS = {
    "where it is": "pwd",
    "what it is called": 'echo "$0"',
    "on standard error": "pwd >&2",
    "in a file": "pwd > out",
    "all of it": 'pwd; ls -d "$PWD/../program"; echo "in $(pwd):" >&2; pwd > out',
}


@pytest.mark.parametrize("text", SHOWS.values(), ids=SHOWS)
@pytest.mark.parametrize("here", [False, True], ids=["in a folder of its own", "in the user's"])
def test_the_name_of_the_folder_is_the_same_in_turn_and_at_once(
    script: Script, tmp_path: Path, text: str, here: bool
) -> None:
    executable = script(f"#!/bin/sh\n: > out\n{text}\n")
    workload = Workload("w", outputs=("out",), cwd=tmp_path if here else None)
    alone = [run_workload(executable, workload) for _ in range(2)]
    count = 1 if here else 4  # in one folder runs are made in turn
    together = run_side_by_side([executable] * count, workload)
    seen = [*alone, *(one for one in together if isinstance(one, Observation))]
    assert len(seen) == 2 + count
    assert len({(one.stdout, one.stderr, one.outputs["out"]) for one in seen}) == 1
    assert len({one.stdout + one.stderr + (one.outputs["out"] or b"") for one in seen} - {b""}) == 1
    assert verify_baseline(executable, [workload], runs=BaselineRuns(next_second=False))[0].stdout == alone[0].stdout


def test_that_it_is_shown_is_known(script: Script) -> None:
    (seen,) = verify_baseline(script("#!/bin/sh\npwd\n"), [Workload("w")], runs=BaselineRuns(next_second=False))
    assert seen.shows_folder
    (seen,) = verify_baseline(
        script("#!/bin/sh\necho run-000\n"), [Workload("w")], runs=BaselineRuns(next_second=False)
    )
    assert not seen.shows_folder


@pytest.mark.parametrize("text", ["pwd | cksum", "pwd | tr a-z A-Z", "pwd | rev"])
def test_what_is_made_of_the_name_is_told_as_such(script: Script, text: str) -> None:
    with pytest.raises(ProgramError, match="does something else in a folder of another name, output line 1"):
        verify_baseline(script(f"#!/bin/sh\n{text}\n"), [Workload("w")], runs=BaselineRuns(next_second=False))


@pytest.mark.parametrize("text", ["od -An -N8 /dev/urandom", "echo $$"])
def test_what_differs_anyway_is_not_put_down_to_the_folder(script: Script, text: str) -> None:
    with pytest.raises(ProgramError, match="differs from run to run"):
        verify_baseline(script(f"#!/bin/sh\n{text}\n"), [Workload("w")], runs=BaselineRuns(next_second=False))


def test_a_folder_that_the_program_locks_goes_all_the_same(script: Script, tmp_path: Path) -> None:
    executable = script("#!/bin/sh\nmkdir -p a/b; touch a/b/c; ln -s / root; chmod 0 a/b; chmod 0 a\n")
    (tmp_path / "scratch").mkdir()
    run_workload(executable, Workload("w"), scratch=tmp_path / "scratch")
    assert not list((tmp_path / "scratch").iterdir())


NEEDS = {
    "an error of its own": "bytearray(600 << 20)",
    "a status of its own": "try: bytearray(600 << 20)\nexcept MemoryError: raise SystemExit(5)",
    "a signal": "import os\ntry: bytearray(600 << 20)\nexcept MemoryError: os.abort()",
}


@pytest.mark.parametrize("code", NEEDS.values(), ids=NEEDS)
@pytest.mark.parametrize("allow_nonzero", [False, True])
def test_a_limit_of_memory_that_is_too_low_is_named(script: Script, code: str, allow_nonzero: bool) -> None:
    with pytest.raises(ProgramError, match=r"under --memory 400 and with exit status 0 without it; raise --memory"):
        verify_baseline(
            script(f"#!{sys.executable}\n{code}\n"), [Workload("w")],
            runs=BaselineRuns(Limits(memory_bytes=400 << 20), allow_nonzero=allow_nonzero, next_second=False),
        )  # fmt: skip


def test_a_limit_that_is_not_to_blame_is_not_named(script: Script) -> None:
    with pytest.raises(ProgramError, match="ends with exit status 3") as caught:
        verify_baseline(script("#!/bin/sh\nexit 3\n"), [Workload("w")], runs=BaselineRuns(Limits(memory_bytes=1 << 30)))
    assert "--memory" not in str(caught.value)
