"""CompilerGym's random search and clang's profile-guided build, on small programs."""

from __future__ import annotations

import importlib.util
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from colt_llvm.compare import plain_build
from colt_llvm.compare.plain_build import PlainBuilder, Rung
from colt_llvm.core.errors import ColtError, CompileError, ToolchainError, UsageError
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Target, prepare_target
from colt_llvm.evaluate.verifier import Verifier
from colt_llvm.experiments.timed import run_clang_pgo
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain, installed_toolchains
from colt_llvm.measure.intervals import Verdict
from colt_llvm.program import baseline as baselines
from colt_llvm.program.program import Program, Workload, program_from_files

if importlib.util.find_spec("compiler_gym") is None:
    pytest.skip("compiler-gym is not installed", allow_module_level=True)

from colt_llvm.env import ColtEnv
from colt_llvm.experiments.gym_random import run_gym_random

SOURCE = """
#include <stdio.h>
#include <stdlib.h>
static int square(int x) { return x * x; }
int sum(const int *values, int count) {
    int total = 0;
    for (int i = 0; i < count; i++) total += i % 7 == 3 ? square(values[i]) : values[i] >> 1;
    return total;
}
int main(int argc, char **argv) {
    int values[10], rounds = argc > 1 ? atoi(argv[1]) : 1;
    unsigned total = 0;
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < 10; i++) values[i] = i * round + 1;
        total += (unsigned)sum(values, 10);
    }
    printf("%u\\n", total);
    return 0;
}
"""


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    try:
        return find_toolchain()
    except ToolchainError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    path = tmp_path_factory.mktemp("source") / "sum.c"
    path.write_text(SOURCE)
    timed = Workload("rounds", ("{exe}", "200000"))
    return program_from_files([path], workloads=[timed, Workload("once", timed=False)])


# --- CompilerGym's random search


def target_of(toolchain: Toolchain, program: Program, objective: str) -> Target:
    return prepare_target(toolchain, program, TuneOptions(objective=objective))


def test_each_step_is_a_trial_and_the_same_seed_walks_the_same_way(
    toolchain: Toolchain, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walks: list[list[int]] = []
    step = ColtEnv.step

    def watched(self: ColtEnv, action: int, **options: Any) -> Any:
        walks[-1].append(int(action))
        return step(self, action, **options)

    monkeypatch.setattr(ColtEnv, "step", watched)
    results = []
    for seed in (2, 2, 3):
        walks.append([])
        results.append(
            run_gym_random(
                target_of(toolchain, program, "instructions"), None, tmp_path, seed=seed, trials=8, seconds=None
            )
        )
        assert results[-1].trials == len(walks[-1]) == results[-1].curve[-1][0] == 8
        gains = [gain for _, _, gain in results[-1].curve]
        assert gains == sorted(gains)
    assert walks[0] == walks[1] != walks[2]
    assert (results[0].sequence, results[0].gain) == (results[1].sequence, results[1].gain)


def test_what_is_proved_is_the_object_of_one_pipeline_checked_and_held_against_clang(
    toolchain: Toolchain, program: Program, tmp_path: Path
) -> None:
    target = target_of(toolchain, program, "size")
    verifier = Verifier.of_target(target)
    try:
        result = run_gym_random(target, verifier, tmp_path / "new", seed=1, trials=150, seconds=60)
    finally:
        verifier.close()
    baseline = baselines.prepare_baseline(toolchain, program, "size")
    plain = sum(section_sizes(data).loaded_bytes for data in baseline.objects)
    if result.sequence:
        objects = baselines.build(toolchain, program, baseline.level, baseline.bitcodes, result.pipeline)
        rebuilt = sum(section_sizes(data).loaded_bytes for data in objects)
        assert result.figures == {"size": (plain, rebuilt)}
        assert result.gain == pytest.approx(math.log(plain / rebuilt))
        assert result.checked is True
    else:
        assert result.gain == 0.0
    written = json.loads((tmp_path / "new" / "gym-random.json").read_text())
    assert written["gain"] == result.gain
    assert written["trials"] == result.trials


def test_a_search_ends_after_its_seconds(toolchain: Toolchain, program: Program, tmp_path: Path) -> None:
    target = target_of(toolchain, program, "instructions")
    result = run_gym_random(target, None, tmp_path, seed=1, trials=None, seconds=0.3)
    assert result.trials >= 1
    assert result.seconds >= 0.3


@pytest.mark.parametrize(("objective", "trials"), [("runtime", 5), ("size", None)])
def test_refuses_another_objective_and_a_search_without_end(
    toolchain: Toolchain, program: Program, tmp_path: Path, objective: str, trials: int | None
) -> None:
    with pytest.raises(UsageError, match=r"use one|give a budget"):
        run_gym_random(target_of(toolchain, program, objective), None, tmp_path, seed=1, trials=trials, seconds=None)


# --- clang's profile-guided build


@pytest.fixture(scope="module")
def profiling(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Toolchain:
    """A toolchain with the runtime for profiles."""
    for toolchain in installed_toolchains():
        runtime = list(toolchain.prefix.glob("lib/clang/*/lib/*/libclang_rt.profile*"))
        if runtime:
            return toolchain
    pytest.skip("no clang here has its runtime for profiles (libclang-rt-MAJOR-dev)")


def test_the_profile_of_all_workloads_is_used_checked_and_timed(
    profiling: Toolchain, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    compile_ = PlainBuilder.compile

    def watched(builder: PlainBuilder, rung: Rung, source: Path, flags: list[str]) -> bytes:
        if flags:  # the baseline has none
            commands.append(list(flags))
        return compile_(builder, rung, source, flags)

    monkeypatch.setattr(PlainBuilder, "compile", watched)
    result = run_clang_pgo(program, profiling, 1, 1.0, tmp_path)
    assert result.checked
    assert result.interval is not None
    assert result.interval.low <= result.ratio <= result.interval.high
    assert set(result.figures) == {"runtime", "size"}
    assert result.gain == (math.log(result.ratio) if result.verdict is Verdict.IMPROVED else 0.0)
    assert len(result.evidence["baseline_seconds"]) == result.interval.rounds
    profile = tmp_path / "clang-pgo.profdata"
    assert profile.is_file()
    assert [flags[0].partition("=")[0] for flags in commands] == ["-fprofile-instr-generate", "-fprofile-instr-use"]
    assert str(profile) in commands[1][0]
    assert json.loads((tmp_path / "clang-pgo.json").read_text())["verdict"] == result.verdict.value


def test_a_program_that_comes_out_wrong_where_it_is_not_timed_is_refused(
    profiling: Toolchain, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_ = PlainBuilder.compile

    def wrong(builder: PlainBuilder, rung: Rung, source: Path, flags: list[str]) -> bytes:
        if flags and flags[0].startswith("-fprofile-instr-use"):
            source = tmp_path / "other.c"
            source.write_text(
                SOURCE.replace("rounds = argc > 1 ? atoi(argv[1]) : 1", "rounds = argc > 1 ? atoi(argv[1]) : 2")
            )
        return compile_(builder, rung, source, flags)

    monkeypatch.setattr(PlainBuilder, "compile", wrong)
    result = run_clang_pgo(program, profiling, 1, 1.0, tmp_path)
    assert not result.checked
    assert (result.ratio, result.interval, result.gain) == (1.0, None, 0.0)
    assert "output line 1" in result.detail


def test_refuses_llvm_ir_and_a_toolchain_without_profdata(
    toolchain: Toolchain, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ir = replace(program, sources=(tmp_path / "x.ll",))
    with pytest.raises(UsageError, match="C or C\\+\\+"):
        run_clang_pgo(ir, toolchain, 1, 1.0, tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: None)
    bare = replace(toolchain, clang=tmp_path / "clang")
    with pytest.raises(ToolchainError, match="is not installed; install it"):
        bare.profdata()


def test_a_clang_without_its_runtime_says_what_to_install(
    toolchain: Toolchain, program: Program, tmp_path: Path
) -> None:
    """By a linker that cannot find it."""
    missing = plain_build._missing_runtime(
        toolchain, CompileError("does not link", "cannot find libclang_rt.profile.a: No such file")
    )
    assert isinstance(missing, ToolchainError)
    assert f"libclang-rt-{toolchain.major}-dev" in str(missing)
    other: ColtError = CompileError("does not link", "undefined reference to `f'")
    assert plain_build._missing_runtime(toolchain, other) is other  # type: ignore[arg-type]
