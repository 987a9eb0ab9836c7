"""The included programs: what they are, and that they print what they must."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from colt_llvm.core.errors import ColtError
from colt_llvm.llvm.toolchain import installed_toolchains
from colt_llvm.measure.check import text_difference
from colt_llvm.measure.runner import run_workload
from colt_llvm.program.compilation import baseline_objects, link
from colt_llvm.program.program import CXX_SUFFIXES, Program, included_programs, programs_directory

PROGRAMS = included_programs()


def test_there_are_enough_of_them() -> None:
    folders = {path.parent.name for path in programs_directory().glob("*/program.toml")}
    assert len(PROGRAMS) >= 30
    assert [program.name for program in PROGRAMS] == sorted(folders), "each is named as its folder"


def test_c_and_cxx_and_several_files_are_among_them() -> None:
    suffixes = {source.suffix for program in PROGRAMS for source in program.sources}
    assert ".c" in suffixes
    assert suffixes & set(CXX_SUFFIXES)
    assert any(len(program.sources) > 1 for program in PROGRAMS)


def test_no_family_is_in_both_splits() -> None:
    families = {split: {p.family for p in included_programs(split)} for split in ("train", "held-out")}
    assert {program.split for program in PROGRAMS} == {"train", "held-out"}
    assert not families["train"] & families["held-out"]
    assert all(families.values())
    assert "" not in families["train"] | families["held-out"]
    assert len(included_programs("train")) + len(included_programs("held-out")) == len(PROGRAMS)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_says_all_that_is_needed(program: Program) -> None:
    assert program.description
    names = [workload.name for workload in program.workloads]
    assert len(names) == len(set(names)) >= 2, "one to time, and a small one to check"
    assert [workload.timed for workload in program.workloads] == [True] + [False] * (len(names) - 1)
    for workload in program.workloads:
        assert workload.expected_stdout is not None
        assert workload.expected_stdout.read_bytes(), f"{workload.name}: something is printed"
        assert workload.cwd is None, "each run has a folder of its own"
    folder = programs_directory() / program.name
    used = {*program.sources, *(workload.stdin for workload in program.workloads if workload.stdin)}
    assert all(Path(file).is_relative_to(folder) for file in used)


def wrong_outputs(program: Program, folder: Path) -> list[str]:
    """Of all workloads but the timed one."""
    toolchain = installed_toolchains()[0]
    wrong = []
    try:
        executable = link(toolchain, program, baseline_objects(toolchain, program, "O3"), folder / program.name)
        for workload in program.workloads[1:]:
            observation = run_workload(executable, replace(workload, cwd=None))
            assert workload.expected_stdout is not None
            wanted = workload.expected_stdout.read_bytes()
            found = text_difference("output", wanted, observation.stdout, program.check.float_tolerance)
            if observation.status or found:
                wrong.append(f"{program.name} {workload.name}: status {observation.status}, {found}")
    except ColtError as error:
        wrong.append(f"{program.name}: {error}")
    return wrong


@pytest.mark.parametrize("one_in", [9, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_small_workloads_print_what_they_must(tmp_path: Path, one_in: int) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong = list(pool.map(lambda program: wrong_outputs(program, tmp_path), PROGRAMS[::one_in]))
    assert not any(wrong), wrong
