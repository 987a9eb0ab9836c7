"""The ladder of plain builds, with the real clang."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from colt_llvm.cli.main import run
from colt_llvm.compare import comparison, plain_build
from colt_llvm.compare.comparison import Comparison, Row, compare
from colt_llvm.compare.plain_build import LADDERS, PlainBuilder, Rung
from colt_llvm.core.errors import CompileError, ToolchainError, UsageError
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain
from colt_llvm.measure.ab_test import ABTestPolicy, ab_test
from colt_llvm.measure.intervals import Interval, Verdict
from colt_llvm.program.program import program_from_files

SOURCE = """
#include <stdio.h>
#include <stdlib.h>
static int unused_table[400] = {1, 2, 3};
int unused(int i) { return unused_table[i]; }
static int step(int x) { return x % 3 ? x * 3 + 1 : x / 2; }
int main(int argc, char **argv) {
    int x = 7;
    char *text = malloc(32);
    for (int i = 0; i < 20000; i++) x = step(x) & 0xffff;
    snprintf(text, 32, "%d", x);
    puts(text);
    free(text);
    return 0;
}
"""


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return find_toolchain()


def write(folder: Path, text: str) -> Path:
    source = folder / "prog.c"
    source.write_text(text)
    return source


def rows_of(found: Comparison) -> dict[str, Row]:
    return {row.rung.name: row for row in found.rows}


def sizes(source: Path, toolchain: Toolchain, folder: Path) -> Comparison:
    return compare(program_from_files([source]), toolchain, TuneOptions(objective="size"), folder)


def test_sizes_are_those_of_executables_that_plain_clang_links(toolchain: Toolchain, tmp_path: Path) -> None:
    source = write(tmp_path, SOURCE)
    found = rows_of(sizes(source, toolchain, tmp_path))
    for name, flags in {
        "-Oz": ["-Oz"],
        "-Os": ["-Os"],
        "-Oz, frame pointers": ["-Oz", "-fno-omit-frame-pointer", "-momit-leaf-frame-pointer"],
        "-Oz, unused sections dropped": ["-Oz", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"],
    }.items():
        by_hand = tmp_path / "by-hand"
        subprocess.run([toolchain.clang, *flags, source, "-o", by_hand], check=True)
        assert found[name].size == section_sizes(by_hand.read_bytes()).loaded_bytes, name
    assert found["-Oz, unused sections dropped"].size < found["-Oz"].size - 1500
    assert found["-Oz, unused sections dropped"].verdict is Verdict.IMPROVED


def test_a_whole_ladder_is_timed_in_one_test(toolchain: Toolchain, tmp_path: Path) -> None:
    said: list[str] = []
    program = program_from_files([write(tmp_path, SOURCE)])
    found = compare(program, toolchain, TuneOptions(objective="runtime", seconds=0.5), tmp_path, said.append)
    assert [row.rung for row in found.rows] == list(LADDERS["runtime"])
    assert found.noise is not None
    timed = [row for row in found.rows if row.interval]
    assert timed
    assert {len(row.seconds) for row in (found.rows[0], *timed)} == {found.rounds}
    assert found.rounds >= 1
    for row in timed:
        assert row.interval is not None
        assert row.interval.low <= row.interval.ratio <= row.interval.high
    assert any("timing" in text for text in said)


def test_a_build_that_does_something_else_is_no_gain(toolchain: Toolchain, tmp_path: Path) -> None:
    text = SOURCE.replace(
        "int x = 7;", 'int x = 7;\n#ifndef __OPTIMIZE_SIZE__\n    return puts("fast") > 99;\n#endif\n'
    )
    row = rows_of(sizes(write(tmp_path, text), toolchain, tmp_path))["-O2"]
    assert (row.state, row.ratio, row.verdict) == ("differs", None, None)
    assert "output line 1" in row.detail


def test_builds_of_the_same_code_are_measured_once(toolchain: Toolchain, tmp_path: Path) -> None:
    source = write(tmp_path, '#include <stdio.h>\nint main(void) { puts("a"); return 0; }\n')
    found = compare(program_from_files([source]), toolchain, TuneOptions(objective="runtime", seconds=0.2), tmp_path)
    row = rows_of(found)["-O2"]
    assert (row.state, row.detail, row.interval) == ("same code", "-O3", None)


def test_what_cannot_be_built_says_why_and_the_rest_goes_on(
    toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Rung] = []

    def no_runtime(builder: PlainBuilder, rung: Rung, verifier: object) -> Path:
        tried.append(rung)
        raise ToolchainError("no runtime for profiles; install it")

    def no_linker(toolchain: Toolchain) -> tuple[str, ...]:
        raise ToolchainError("link-time optimisation needs lld")

    monkeypatch.setattr(PlainBuilder, "train", no_runtime)
    monkeypatch.setattr(plain_build, "linker_for_lto", no_linker)
    program = program_from_files([write(tmp_path, SOURCE)])
    found = rows_of(compare(program, toolchain, TuneOptions(objective="runtime", seconds=0.2), tmp_path))
    assert len(tried) == 1
    for name, reason in {
        "-O3, profile": "no runtime", "-O3 -march=native, profile": "no runtime", "-O3 -flto": "needs lld",
    }.items():  # fmt: skip
        assert found[name].state == "not built"
        assert reason in found[name].detail
    assert found["-O2"].state in ("built", "same code")


def test_a_profile_needs_source_code(toolchain: Toolchain, tmp_path: Path) -> None:
    ir = tmp_path / "prog.ll"
    subprocess.run([toolchain.clang, "-O1", "-S", "-emit-llvm", write(tmp_path, SOURCE), "-o", ir], check=True)
    found = rows_of(
        compare(program_from_files([ir]), toolchain, TuneOptions(objective="runtime", seconds=0.2), tmp_path)
    )
    assert "LLVM IR" in found["-O3, profile"].detail
    assert found["-O2"].state in ("built", "same code")


def test_a_build_that_goes_wrong_only_while_it_is_timed_is_left_out(
    toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []

    def first_is_wrong(arms: dict[str, Path], *rest: object, **more: object) -> object:
        calls.append(list(arms))
        if len(calls) == 1:
            raise comparison.Miscompiled("output line 1: differs", next(iter(arms.values())))
        return ab_test(arms, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(comparison, "ab_test", first_is_wrong)
    program = program_from_files([write(tmp_path, SOURCE)])
    found = rows_of(compare(program, toolchain, TuneOptions(objective="runtime", seconds=0.2), tmp_path))
    wrong = calls[0][0]
    assert calls[1] == calls[0][1:]
    assert found[wrong].state == "differs"
    assert found[wrong].verdict is None


def test_nothing_counts_as_improved_where_the_baseline_seems_to_beat_its_copy(tmp_path: Path) -> None:
    times = {"": 1.0, "control": 0.9, "fast": 0.5}
    held = ab_test(
        {"fast": "fast"}, ("", "control"), lambda names: [times[name] for name in names], ABTestPolicy(max_rounds=12)
    )
    rows = [Row(Rung("-O3", "O3"), "built", ratio=1.0), Row(Rung("fast", "O3"), "built")]
    found = comparison._with_times(rows, held, [])
    assert found.rows[1].verdict is Verdict.TOO_NOISY
    assert found.best is None
    assert "A/A check failed" in found.notes[0]


def test_the_best_is_what_is_surest() -> None:
    def row(name: str, low: float, high: float, verdict: Verdict) -> Row:
        ratio = (low + high) / 2
        return Row(Rung(name, "O3"), "built", ratio=ratio, interval=Interval(ratio, low, high, 0.99, 20),
                   verdict=verdict)  # fmt: skip

    rows = (
        row("unsure", 0.9, 2.0, Verdict.TOO_NOISY), row("wide", 1.1, 1.9, Verdict.IMPROVED),
        row("narrow", 1.3, 1.4, Verdict.IMPROVED),
    )  # fmt: skip
    best = Comparison("runtime", rows).best
    assert best is not None
    assert best.rung.name == "narrow"


def test_another_objective_is_refused(toolchain: Toolchain, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="compare knows runtime and size"):
        compare(
            program_from_files([write(tmp_path, SOURCE)]), toolchain, TuneOptions(objective="instructions"), tmp_path
        )


def test_a_program_that_does_not_compile_ends_the_comparison(toolchain: Toolchain, tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="does not compile"):
        sizes(write(tmp_path, "int main(void) { return }"), toolchain, tmp_path)


def test_the_command_prints_a_table_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path, SOURCE)
    assert run(["compare", str(source), "--objective", "size"]) == 0
    shown = capsys.readouterr().out
    assert "loaded bytes of the executable, start-up code included, against clang -Oz" in shown
    assert "Best without a search: -Oz" in shown
    assert "worse" in next(line for line in shown.splitlines() if line.startswith("-O2"))
    assert run(["compare", str(source), "--objective", "size", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["builds"][0]["build"] == "-Oz"
    assert data["best"] in {row["build"] for row in data["builds"]}
    assert run(["compare", str(tmp_path / "none.c")]) == 2


def test_the_conclusion_names_a_command_with_what_was_given_and_the_flags_to_go_on_with() -> None:
    from colt_llvm.cli.compare import _conclusion, command

    native = next(rung for rung in LADDERS["runtime"] if rung.name == "-O3 -march=native")
    plain = Row(LADDERS["runtime"][0], "built", ratio=1.0)
    better = Row(native, "built", ratio=1.2, interval=Interval(1.2, 1.1, 1.3, 0.99, 20), verdict=Verdict.IMPROVED)
    words = ["prog.c", "--args", "9 'a b'", "--cflags", "-DX=1", "--cflags=-w", "--time", "9"]
    with command.make_context("compare", words):
        said = _conclusion(Comparison("runtime", (plain, better)))
        more = shlex.split(said.partition("colt-llvm tune ")[2])
        assert more == ["prog.c", "--cflags=-DX=1", "--cflags=-w", "--args=9 'a b'", "--cflags=-march=native"]
        none = replace(better, verdict=Verdict.NO_IMPROVEMENT)
        assert "Nothing that plain clang offers" in _conclusion(Comparison("runtime", (plain, none)))
