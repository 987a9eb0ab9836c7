"""A check of the caller's own, beside the comparison or in its place."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from colt_llvm.core.errors import ProgramError, UsageError
from colt_llvm.measure.check import BaselineRuns, CheckError, OwnCheck, ProgramRun, verify_baseline
from colt_llvm.measure.runner import Observation
from colt_llvm.program.program import Workload

from .comparing import difference


def seen(stdout: bytes = b"1\n", status: int = 0, **more: Any) -> Observation:
    return Observation(status, stdout, more.pop("outputs", {}), 0.0, 0.0, 0.0, 0, **more)


def small(run: ProgramRun) -> str | None:
    return None if float(run.stdout) < 10 else f"{run.stdout.decode()} is 10 or more"


def test_beside_the_comparison_both_have_to_agree() -> None:
    own = OwnCheck(small)
    assert difference(seen(), seen(), own=own) is None
    assert difference(seen(), seen(b"2\n"), own=own) == 'output line 1: "2" instead of "1"'
    assert difference(seen(b"12"), seen(b"12"), own=own) == "check small: 12 is 10 or more"


def test_in_its_place_the_function_and_the_exit_status_decide() -> None:
    own = OwnCheck(small, replaces=True)
    assert difference(seen(), seen(b"2\n"), own=own) is None
    assert difference(seen(), seen(b"12"), own=own) == "check small: 12 is 10 or more"
    assert difference(seen(), seen(b"2\n", -11), own=own) == "ended with SIGSEGV instead of exit status 0"


def test_it_is_given_all_of_a_run_and_the_baseline_beside_it() -> None:
    runs: list[ProgramRun] = []
    difference(seen(b"a"), seen(b"a", outputs={"f": b"x"}, stderr=b"e"), own=OwnCheck(runs.append, replaces=True))
    (run,) = runs
    assert (run.workload, run.status, run.stdout, run.stderr, run.files) == ("w", 0, b"a", b"e", {"f": b"x"})
    assert run.reference is not None
    assert (run.reference.stdout, run.reference.reference) == (b"a", None)


@pytest.mark.parametrize(("answer", "said"), [(True, "gave True"), (3, "gave 3"), (b"no", "gave b'no'")])
def test_only_none_and_text_are_answers(answer: Any, said: str) -> None:
    with pytest.raises(CheckError, match=f"{said}; return None, or the reason as text"):
        difference(seen(), seen(), own=OwnCheck(lambda run: answer))


def test_a_reason_is_one_printable_line() -> None:
    said = OwnCheck(lambda run: "a\x1b[31m\nb" + "c" * 500).refusal("w", seen(), seen())
    assert said is not None
    assert said.isprintable()
    assert len(said) < 230
    assert OwnCheck(lambda run: "").refusal("w", seen(), seen()) == "check <lambda>: refused, without a reason"


def test_refuses_what_is_no_function() -> None:
    with pytest.raises(UsageError, match="takes a ProgramRun"):
        OwnCheck("diff")  # type: ignore[arg-type]


def test_a_baseline_may_differ_from_run_to_run_where_the_function_decides(tmp_path: Path) -> None:
    counter = tmp_path / "count"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho x >> {counter}\nwc -l < {counter}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def verified(own: OwnCheck | None) -> list[Observation]:
        return verify_baseline(program, [Workload("w")], own=own, runs=BaselineRuns(next_second=False))

    with pytest.raises(ProgramError, match="differs from run to run"):
        verified(OwnCheck(small))
    assert verified(OwnCheck(small, replaces=True))[0].stdout.strip() == b"3"
    for _ in range(2):
        verified(OwnCheck(small, replaces=True))
    with pytest.raises(ProgramError, match=r"differs from run to run, check small: 10 is 10 or more|refused by check"):
        verified(OwnCheck(small, replaces=True))
