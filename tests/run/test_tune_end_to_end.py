"""``colt-llvm tune`` and ``apply``, from a source to a program that runs."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tune_helpers import EXACT, SOURCE, spawn, trials_of, tune_here

from colt_llvm.cli.main import run
from colt_llvm.evaluate.timer import Timer
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.pipeline import has_size_levels
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain, installed_toolchains
from colt_llvm.program.compilation import front_end
from colt_llvm.program.program import program_from_files
from colt_llvm.program.recipe import load_recipe


@pytest.fixture(scope="module")
def newest() -> Toolchain:
    return find_toolchain()


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "parts.c"
    path.write_text(SOURCE)
    return path


def built_plainly(folder: Path, *arguments: str | Path) -> bytes:
    """What the program prints when plain clang built it."""
    executable = folder / "plain"
    subprocess.run(
        [installed_toolchains()[0].clangxx, "-Oz", "-Wno-deprecated", *arguments, "-o", executable], check=True
    )
    return subprocess.run([executable], capture_output=True, check=True).stdout


def assert_honest(result: dict[str, Any], directory: Path) -> None:
    """A recipe if and only if something is better, and then figures that say so."""
    figure = {"size": "size", "instructions": "instructions"}[result["objective"]]
    baseline, tuned = result["figures"][figure]
    assert (directory / "recipe.json").exists() == (result["verdict"] == "improved")
    if result["verdict"] == "improved":
        assert tuned < baseline
        assert result["ratio"] == pytest.approx(baseline / tuned)
        assert result["sequence"]
        assert result["found_at_trial"] < result["trials"]
    else:
        assert result["verdict"] == "no improvement found"
        assert (tuned, result["ratio"], result["recipe"], result["sequence"]) == (baseline, 1.0, None, [])


def test_tunes_a_source_for_size_and_the_same_seed_does_it_again(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    child = spawn("tune", source, *EXACT, "--trials", "24", "--run-dir", "one", "-o", "tuned", cwd=tmp_path)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    assert "parts: improved" in out
    assert "clang -Oz" in out
    assert "24 trials" in out
    assert "recipe: one/recipe.json" in out
    assert "parts: size:" in err
    result = json.loads((tmp_path / "one" / "result.json").read_text())
    assert result["verdict"] == "improved"
    assert (result["trials"], result["failures"], result["interrupted"]) == (24, {}, False)
    assert_honest(result, tmp_path / "one")
    plain = built_plainly(tmp_path, "-x", "c", source)
    assert subprocess.run([tmp_path / "tuned"], capture_output=True, check=True).stdout == plain

    again = tune_here(capfd, source, *EXACT, "--trials", "24", "--run-dir", tmp_path / "two")
    assert trials_of(tmp_path / "two") == trials_of(tmp_path / "one")
    assert [trial["request"]["id"] for trial in trials_of(tmp_path / "one")] == list(range(24))
    timed = {
        "elapsed_seconds",
        "found_at_seconds",
        "run_directory",
        "recipe",
        "output",
        "evidence",
        "rejected",
        "models",
    }
    assert {k: v for k, v in again.items() if k not in timed} == {k: v for k, v in result.items() if k not in timed}

    # What the recipe makes is what was measured.
    recipe = load_recipe(tmp_path / "one" / "recipe.json")
    assert run(["apply", "one/recipe.json", str(source), "-o", "applied.o", "--strict"]) == 0
    assert (loaded_digest((tmp_path / "applied.o").read_bytes()),) == recipe.objects
    assert run(["apply", "one/recipe.json", str(source), "-o", "applied"]) == 0
    assert subprocess.run([tmp_path / "applied"], capture_output=True, check=True).stdout == plain
    assert capfd.readouterr().err == ""

    # And it says when the source is another one.
    source.write_text(SOURCE.replace("16777619u", "16777617u"))
    assert run(["apply", "one/recipe.json", str(source), "-o", "applied"]) == 0
    assert "note: parts.c: has changed since it was tuned" in capfd.readouterr().err
    assert run(["apply", "one/recipe.json", str(source), "-o", "other.o", "--strict"]) == 7
    assert not (tmp_path / "other.o").exists()


def test_a_seed_decides_what_is_drawn(source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, seed in (("one", "1"), ("two", "2")):
        arguments = [source, "--objective", "instructions", "--workers", "1", "--trials", "40", "--seed", seed]
        tune_here(capfd, *arguments, "--run-dir", tmp_path / name)
    assert trials_of(tmp_path / "one") != trials_of(tmp_path / "two")


@pytest.mark.parametrize("suffix", [".ll", ".bc"])
def test_tunes_llvm_ir(
    newest: Toolchain, source: Path, tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (bitcode,) = front_end(newest, program_from_files([source]), "Oz")
    ir = tmp_path / f"ir{suffix}"
    if suffix == ".bc":
        ir.write_bytes(bitcode)
    else:
        with Module.parse(newest.load(), bitcode) as module:
            ir.write_text(module.text())
    result = tune_here(capfd, ir, *EXACT, "--trials", "10", "--run-dir", tmp_path / "run", "-o", tmp_path / "out.o")
    assert_honest(result, tmp_path / "run")
    assert built_plainly(tmp_path, tmp_path / "out.o") == built_plainly(tmp_path, "-x", "c", source)


CXX = """
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>
int half(int value);
int main() {
    std::vector<std::string> seen;
    for (int value = 0; value < 9; value++) {
        try {
            seen.push_back(std::to_string(half(value)));
        } catch (const std::invalid_argument &error) {
            seen.push_back(error.what());
        }
    }
    for (const auto &text : seen) std::puts(text.c_str());
}
"""
HALF = """
#include <stdexcept>
int half(int value) {
    if (value % 2) throw std::invalid_argument("odd");
    return value / 2;
}
"""


def test_tunes_several_files_of_cxx_with_exceptions(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / "main.cpp", tmp_path / "half.cpp"]
    for file, text in zip(files, (CXX, HALF), strict=True):
        file.write_text(text)
    result = tune_here(
        capfd, *files, *EXACT, "--trials", "6", "--cflags", "-std=c++17", "--run-dir", tmp_path / "run",
        "-o", tmp_path / "tuned",
    )  # fmt: skip
    assert_honest(result, tmp_path / "run")
    wanted = built_plainly(tmp_path, *files)
    assert wanted.startswith(b"0\nodd\n1\n")
    assert subprocess.run([tmp_path / "tuned"], capture_output=True, check=True).stdout == wanted
    if result["recipe"]:
        recipe = load_recipe(Path(result["recipe"]))
        assert sorted(recipe.sources) == ["half.cpp", "main.cpp"]
        assert recipe.cflags == ("-std=c++17",)
        assert len(recipe.objects) == 2
        assert run(["apply", result["recipe"], *map(str, files), "-o", str(tmp_path / "applied"), "--strict"]) == 0
        assert subprocess.run([tmp_path / "applied"], capture_output=True, check=True).stdout == wanted


def test_tunes_a_file_without_main_by_way_of_a_harness(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    kernel, harness = tmp_path / "kernel.c", tmp_path / "harness.c"
    kernel.write_text(SOURCE.replace("int main(", "int kernel("))
    harness.write_text("int kernel(int argc, char **argv);\nint main(int n, char **v) { return kernel(n, v); }\n")
    result = tune_here(
        capfd, kernel, "--harness", harness, *EXACT, "--trials", "6", "--args", "25",
        "--run-dir", tmp_path / "run", "-o", tmp_path / "kernel.o",
    )  # fmt: skip
    assert_honest(result, tmp_path / "run")
    plain = built_plainly(tmp_path, "-x", "c", kernel, harness)
    assert built_plainly(tmp_path, tmp_path / "kernel.o", "-x", "c", harness) == plain
    header = json.loads((tmp_path / "run" / "run.json").read_text())
    assert header["program"]["harness"] == [str(harness)]
    assert header["program"]["workloads"][0]["command"] == ["{exe}", "25"]


@pytest.mark.parametrize("strict", [False, True])
def test_tunes_the_number_of_instructions(
    source: Path, tmp_path: Path, strict: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    more = ["--strict"] if strict else []
    arguments = [source, "--objective", "instructions", "--seed", "3", "--workers", "1", "--trials", "30", *more]
    result = tune_here(capfd, *arguments, "--run-dir", tmp_path / "run", "-o", tmp_path / "tuned")
    major = installed_toolchains()[0].major
    other = "opt -Oz (without minsize)" if has_size_levels(major) else f"clang -Oz (LLVM {major} has no opt -Oz)"
    assert result["baseline"] == ("clang -Oz" if strict else other)
    assert_honest(result, tmp_path / "run")
    wanted = built_plainly(tmp_path, "-x", "c", source)
    assert subprocess.run([tmp_path / "tuned"], capture_output=True, check=True).stdout == wanted


def test_several_workers_share_the_work_and_leave_nothing_out(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = tune_here(
        capfd, source, "--objective", "size", "--trials", "16", "--workers", "4", "--run-dir", tmp_path / "run"
    )
    assert_honest(result, tmp_path / "run")
    assert sorted(trial["request"]["id"] for trial in trials_of(tmp_path / "run")) == list(range(16))


@pytest.mark.parametrize("objective", ["size", "instructions"])
def test_where_nothing_can_be_gained_nothing_is_reported(
    tmp_path: Path, objective: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none.c").write_text("int main(void) { return 0; }\n")
    result = tune_here(
        capfd, tmp_path / "none.c", "--objective", objective, "--trials", "40", "--workers", "1",
        "--run-dir", tmp_path / "run", "-o", tmp_path / "out",
    )  # fmt: skip
    assert result["verdict"] == "no improvement found"
    assert_honest(result, tmp_path / "run")
    assert subprocess.run([tmp_path / "out"]).returncode == 0, "the baseline is handed over"


@pytest.mark.llvm
@pytest.mark.parametrize("major", [23, 19, 16])
def test_tunes_with_another_llvm(source: Path, tmp_path: Path, major: int, capfd: pytest.CaptureFixture[str]) -> None:
    toolchain = next((found for found in installed_toolchains() if found.major == major), None)
    if toolchain is None:
        pytest.skip(f"LLVM {major} is not installed")
    result = tune_here(
        capfd, source, *EXACT, "--trials", "8", "--llvm-prefix", toolchain.prefix, "--run-dir", tmp_path / "run",
        "-o", tmp_path / "tuned",
    )  # fmt: skip
    assert_honest(result, tmp_path / "run")
    header = json.loads((tmp_path / "run" / "run.json").read_text())
    assert header["llvm"] == toolchain.version
    passes = {name for trial in trials_of(tmp_path / "run") for name in trial["proposal"]["passes"]}
    assert any(name.startswith("without<") for name in passes), "edits are offered"
    wanted = built_plainly(tmp_path, "-x", "c", source)
    assert subprocess.run([tmp_path / "tuned"], capture_output=True, check=True).stdout == wanted


TIMED = """
#include <stdio.h>
int main(void) {
    unsigned sum = 1;
    for (unsigned i = 0; i < 6000000; i++) sum = sum * 1664525u + (sum >> 7) + i;
    printf("%u\\n", sum);
}
"""


def test_a_gain_of_time_is_measured_apart_from_the_search(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search is made to believe in a gain that the recipe does not have."""
    measure = Timer.measure

    def flattered(self: Timer, *arguments: Any) -> Any:
        measured = measure(self, *arguments)
        times = tuple(seconds / 3 for seconds in measured.baseline)
        return replace(measured, candidate=times, interval=replace(measured.interval, ratio=3.0))

    monkeypatch.setattr(Timer, "measure", flattered)
    (tmp_path / "timed.c").write_text(TIMED)
    result = tune_here(
        capfd, tmp_path / "timed.c", "--objective", "runtime", "--trials", "12", "--time", "8", "--workers", "1",
        "--run-dir", tmp_path / "run", "-o", tmp_path / "out",
    )  # fmt: skip
    assert result["verdict"] in ("improved", "no improvement found")
    trials = [json.loads(line) for line in (tmp_path / "run" / "trials.jsonl").read_text().splitlines()]
    best = max(trial["outcome"]["reward"] or 0 for trial in trials)
    assert best > 1.0, "the search believed it"
    interval = result["interval"]
    assert interval is not None
    assert interval["low"] <= result["ratio"] <= interval["high"]
    assert interval["rounds"] >= 10
    assert result["ratio"] < 2, "the proof did not"
    assert (tmp_path / "run" / "recipe.json").exists() == (result["verdict"] == "improved")
    evidence = json.loads((tmp_path / "run" / "result.json").read_text())["evidence"]
    assert len(evidence["baseline_seconds"]) == len(evidence["control_seconds"]) == interval["rounds"]
    assert evidence["runs"] == "at once"
    assert subprocess.run([tmp_path / "out"], capture_output=True, check=True).stdout == built_plainly(
        tmp_path, "-x", "c", tmp_path / "timed.c"
    )
