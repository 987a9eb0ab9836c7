"""clang's part: what is asked of it, and how it says no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from colt_llvm.core import process
from colt_llvm.core.errors import CompileError, RunDirectoryError, UsageError
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains
from colt_llvm.program import compilation
from colt_llvm.program.compilation import (
    baseline_command,
    baseline_objects,
    codegen_command,
    front_end,
    front_end_command,
    generate_objects,
    link,
)
from colt_llvm.program.program import Program, program_from_files

pytestmark = pytest.mark.llvm

MAJORS = (23, 22, 19, 16)
SOURCE = """
int twice(int x);
int main(void) { return twice(21) == 42 ? 0 : 1; }
"""
TWICE = "int twice(int x) { return x + x; }\n"


@pytest.fixture(scope="module")
def newest() -> Toolchain:
    return installed_toolchains()[0]


def program(folder: Path, *texts: str, suffix: str = ".c", **options: object) -> Program:
    sources = []
    for index, text in enumerate(texts):
        sources.append(folder / f"file{index}{suffix}")
        sources[-1].write_text(text)
    return program_from_files(sources, **options)  # type: ignore[arg-type]


def toolchain_or_skip(major: int) -> Toolchain:
    found = next((toolchain for toolchain in installed_toolchains() if toolchain.major == major), None)
    if found is None:
        pytest.skip(f"LLVM {major} is not installed")
    return found


# --- what is asked for


def test_the_front_end_runs_at_the_baselines_level_with_its_passes_off(newest: Toolchain, tmp_path: Path) -> None:
    one = program(tmp_path, TWICE, cflags=["-DX", "-march=native"])
    for level in ("O3", "Oz"):
        front = front_end_command(newest, one, one.sources[0], level)  # type: ignore[arg-type]
        plain = baseline_command(newest, one, one.sources[0], level)  # type: ignore[arg-type]
        code = codegen_command(newest, one, Path("x.bc"), level)  # type: ignore[arg-type]
        assert plain == [str(newest.clang), f"-{level}", "-DX", "-march=native", "-c", str(one.sources[0])]
        for command in (front, code):
            assert command[:4] == plain[:4]
            assert "-disable-llvm-passes" in command
        assert "-emit-llvm" in front


@pytest.mark.parametrize(("level", "attribute"), [("O3", None), ("Os", "optsize"), ("Oz", "minsize")])
def test_the_front_end_marks_functions_as_its_level_does(
    newest: Toolchain, tmp_path: Path, level: str, attribute: str | None
) -> None:
    (bitcode,) = front_end(newest, program(tmp_path, TWICE), level)  # type: ignore[arg-type]
    with Module.parse(newest.load(), bitcode) as module:
        text = module.text()
    assert "optnone" not in text
    assert "alloca" in text, "no pass has run"
    for mark in ("optsize", "minsize"):
        assert (mark in text) == (attribute == mark or attribute == "minsize")


def test_an_unknown_level_is_refused(newest: Toolchain, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="level 'O9': use one of O1, O2, O3, Os, Oz"):
        front_end(newest, program(tmp_path, TWICE), "O9")  # type: ignore[arg-type]


@pytest.mark.parametrize("major", MAJORS)
def test_builds_several_files_and_links_what_runs(major: int, tmp_path: Path) -> None:
    toolchain = toolchain_or_skip(major)
    two = program(tmp_path, SOURCE, TWICE)
    objects = baseline_objects(toolchain, two, "O3")
    assert len(objects) == 2
    assert process.run([link(toolchain, two, objects, tmp_path / "out")]).status == 0


@pytest.mark.parametrize("major", MAJORS)
def test_textual_ir_and_bitcode_are_sources_too(major: int, tmp_path: Path) -> None:
    toolchain = toolchain_or_skip(major)
    source = program(tmp_path, TWICE)
    (bitcode,) = front_end(toolchain, source, "O3")
    (tmp_path / "x.bc").write_bytes(bitcode)
    with Module.parse(toolchain.load(), bitcode) as module:
        (tmp_path / "x.ll").write_text(module.text())
    wanted = list(map(loaded_digest, baseline_objects(toolchain, source, "O3")))
    for name in ("x.bc", "x.ll"):
        ir = program_from_files([tmp_path / name])
        assert list(map(loaded_digest, baseline_objects(toolchain, ir, "O3"))) == wanted
        (again,) = front_end(toolchain, ir, "O3")
        with Module.parse(toolchain.load(), again) as module:
            assert "alloca" in module.text(), "no pass has run"


def test_cxx_is_compiled_and_linked_as_such(newest: Toolchain, tmp_path: Path) -> None:
    text = '#include <string>\n#include <cstdio>\nint main() { std::string s("ok"); std::puts(s.c_str()); }\n'
    cxx = program(tmp_path, text, suffix=".cpp")
    executable = link(newest, cxx, baseline_objects(newest, cxx, "Oz"), tmp_path / "out", "Oz")
    assert process.run([executable]).stdout == b"ok\n"


def test_the_linker_is_started_as_clang_would_from_the_second_time_on(
    newest: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilation, "_linkers", {})
    started: list[str] = []
    plain = process.run

    def noting(argv: Sequence[str | Path], **more: object) -> process.Completed:
        started.append(Path(argv[0]).name)
        return plain(argv, **more)  # type: ignore[arg-type]

    two = program(tmp_path, SOURCE, TWICE, ldflags=["-lm", "-Wl,--build-id=none"])
    objects = baseline_objects(newest, two, "O3")
    monkeypatch.setattr(process, "run", noting)
    made = [link(newest, two, objects, tmp_path / name).read_bytes() for name in ("one", "two", "three", "four")]
    assert made == made[:1] * 4
    assert started[:2] == [newest.clang.name] * 2
    assert newest.clang.name not in started[2:]
    assert len(started) == 5, "asked once"
    with pytest.raises(CompileError) as caught:
        link(newest, two, [objects[0], objects[0]], tmp_path / "five")
    assert "does not link" in refusal(caught)
    assert "error: linker command failed" in caught.value.diagnostics, "clang says it"


def test_the_harness_is_linked_in_and_is_not_among_the_objects(newest: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(SOURCE)
    tuned = program(tmp_path, TWICE, harness=[tmp_path / "main.c"])
    objects = baseline_objects(newest, tuned, "O3")
    assert len(objects) == 1
    assert process.run([link(newest, tuned, objects, tmp_path / "out")]).status == 0


def test_code_generation_runs_no_passes(newest: Toolchain, tmp_path: Path) -> None:
    one = program(tmp_path, TWICE)
    bitcodes = front_end(newest, one, "O3")
    assert generate_objects(newest, one, bitcodes, "O3") != baseline_objects(newest, one, "O3")


# --- refusals


def refusal(error: pytest.ExceptionInfo[CompileError]) -> str:
    assert "\n" not in str(error.value)
    assert error.value.exit_status == 4
    return str(error.value)


def test_a_source_that_does_not_compile_comes_with_clangs_own_words(newest: Toolchain, tmp_path: Path) -> None:
    broken = program(tmp_path, "int f( { return x; }\n")
    for build in (front_end, baseline_objects):
        with pytest.raises(CompileError) as caught:
            build(newest, broken, "O3")
        assert "does not compile (exit status 1): " in refusal(caught)
        assert "file0.c" in str(caught.value)
        assert "file0.c:1:" in caught.value.diagnostics
        assert "error:" in caught.value.diagnostics


def test_says_when_there_is_no_main(newest: Toolchain, tmp_path: Path) -> None:
    library = program(tmp_path, TWICE)
    with pytest.raises(CompileError) as caught:
        link(newest, library, baseline_objects(newest, library, "O3"), tmp_path / "out")
    assert "have no main" in refusal(caught)
    assert "--harness" in str(caught.value)


def test_says_when_something_else_does_not_link(newest: Toolchain, tmp_path: Path) -> None:
    half = program(tmp_path, SOURCE)
    with pytest.raises(CompileError) as caught:
        link(newest, half, baseline_objects(newest, half, "O3"), tmp_path / "out")
    assert "does not link" in refusal(caught)
    assert "twice" in caught.value.diagnostics


def script(folder: Path, text: str) -> Path:
    path = folder / "cc"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_full_disk_is_told_as_such(newest: Toolchain, tmp_path: Path) -> None:
    full = script(tmp_path, "echo 'fatal error: error in backend: IO failure: No space left on device' >&2; exit 1")
    with pytest.raises(RunDirectoryError, match="the disk is full; free some space, or set TMPDIR to a folder"):
        baseline_objects(replace(newest, clang=full), program(tmp_path, TWICE), "O3")


def test_a_compiler_that_never_ends_is_ended(
    newest: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilation, "_LIMITS", process.Limits(wall_seconds=0.2))
    endless = script(tmp_path, "sleep 60")
    with pytest.raises(CompileError) as caught:
        baseline_objects(replace(newest, clang=endless), program(tmp_path, TWICE), "O3")
    assert "does not end" in refusal(caught)


def test_flags_with_which_clang_makes_no_object_are_refused(newest: Toolchain, tmp_path: Path) -> None:
    with pytest.raises(CompileError) as caught:
        baseline_objects(newest, program(tmp_path, TWICE, cflags=["-fsyntax-only"]), "O3")
    assert "makes no object" in refusal(caught)


@pytest.mark.parametrize("flag", ["-Wno-everything", "-DX='a b'"])
def test_words_reach_clang_as_they_are(newest: Toolchain, tmp_path: Path, flag: str) -> None:
    assert baseline_objects(newest, program(tmp_path, TWICE, cflags=[flag]), "O3")


@pytest.mark.parametrize(
    ("flag", "remedy"),
    [
        ("--target=nonsense", "check --target, -march and -mcpu: clang --print-targets lists what there is"),
        ("-march=nonsense", "check --target, -march and -mcpu"),
        ("-fprofile-use=one.c", "give a profile that this LLVM's llvm-profdata wrote, or --pgo"),
        ("-fno-such-thing", "check --cflags"),
    ],
)
def test_a_flag_at_fault_has_its_remedy(
    newest: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str, remedy: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.c").write_text("int main(void) { return 0; }\n")
    with pytest.raises(CompileError, match=rf"does not compile \(exit status 1\); {remedy}"):
        front_end(newest, program_from_files([tmp_path / "one.c"], cflags=[flag]), "O3")
