"""What a candidate is held against. The harness must give clang's very object, else its gains are its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from colt_llvm.core.errors import CompileError, PassError
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.llvm.features import instruction_count
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.pipeline import edits_of, has_size_levels, level_pipeline
from colt_llvm.llvm.replay import replay
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains
from colt_llvm.program import baseline
from colt_llvm.program.baseline import build, prepare_baseline, written_out
from colt_llvm.program.compilation import baseline_objects, front_end
from colt_llvm.program.program import (
    Program,
    included_programs,
    load_program,
    program_from_files,
    programs_directory,
)

pytestmark = pytest.mark.llvm

SAMPLE = ("regex_vm", "hashmap_cpp", "dct8", "lz77")  # several files, C++, vectors, the usual


def toolchain_or_skip(major: int) -> Toolchain:
    found = next((toolchain for toolchain in installed_toolchains() if toolchain.major == major), None)
    if found is None:
        pytest.skip(f"LLVM {major} is not installed")
    return found


def sample() -> list[Program]:
    return [load_program(programs_directory() / name) for name in SAMPLE]


@pytest.fixture(scope="module")
def newest() -> Toolchain:
    return installed_toolchains()[0]


@pytest.fixture(scope="module")
def vectors() -> Program:
    """A program in which levels differ much."""
    return load_program(programs_directory() / "dct8")


# --- clang's very object


def each(programs: list[Program], holds: Callable[[Program], bool]) -> list[str]:
    """Names of those for which it does not hold."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [program.name for program, held in zip(programs, pool.map(holds, programs), strict=True) if not held]


#: By default one program in fourteen, so that a run of all tests stays short.
HOW_MANY = pytest.mark.parametrize("one_in", [14, pytest.param(1, marks=pytest.mark.exhaustive)])


@pytest.mark.slow
@pytest.mark.timeout(1200)
@HOW_MANY
def test_the_newest_llvm_gives_clangs_object_at_o3(newest: Toolchain, one_in: int) -> None:
    assert each(included_programs()[::one_in], lambda p: prepare_baseline(newest, p, "runtime").completion.exact) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
@HOW_MANY
def test_the_newest_llvm_gives_clangs_object_at_oz(newest: Toolchain, one_in: int) -> None:
    text = written_out(newest, "Oz")

    def same(program: Program) -> bool:
        objects = build(newest, program, "Oz", front_end(newest, program, "Oz"), text)
        return objects == baseline_objects(newest, program, "Oz")

    assert each(included_programs()[::one_in], same) == []


@pytest.mark.parametrize(("major", "objective"), [(23, "runtime"), (23, "size"), (19, "runtime"),
                                                  (19, "size"), (16, "runtime")])  # fmt: skip
def test_other_versions_give_clangs_object_too(major: int, objective: str) -> None:
    toolchain = toolchain_or_skip(major)
    assert each(sample(), lambda program: prepare_baseline(toolchain, program, objective).completion.exact) == []


def test_where_the_short_text_interchanges_loops_the_long_one_is_taken(tmp_path: Path) -> None:
    """clang leaves that pass out, and LLVM 23's own pipelines do not."""
    toolchain = toolchain_or_skip(23)
    (tmp_path / "a.c").write_text(
        "double a[256][256], b[256][256];\n"
        "void f(void) { for (int j = 0; j < 256; j++) for (int i = 0; i < 256; i++) a[i][j] = b[i][j] + 1; }\n"
    )
    completion = prepare_baseline(toolchain, program_from_files([tmp_path / "a.c"]), "runtime").completion
    assert completion.exact
    assert not completion.pipeline.startswith("default<")


def test_the_objects_are_clangs_own_even_where_the_harness_gives_others() -> None:
    toolchain = toolchain_or_skip(16)
    program = load_program(programs_directory() / "regex_vm")
    made = prepare_baseline(toolchain, program, "size")
    assert list(made.objects) == baseline_objects(toolchain, program, "Oz")
    assert made.completion.pipeline


@pytest.mark.parametrize(("wrong", "right"), [("O3", "Oz"), ("Oz", "O3"), ("O1", "Oz")])
def test_a_front_end_of_another_level_would_give_another_object(
    newest: Toolchain, vectors: Program, wrong: str, right: str
) -> None:
    made = prepare_baseline(newest, vectors, "size" if right == "Oz" else "runtime")
    text = made.completion.pipeline
    assert tuple(build(newest, vectors, made.level, made.bitcodes, text)) == made.objects
    other = front_end(newest, vectors, wrong)  # type: ignore[arg-type]
    assert tuple(build(newest, vectors, made.level, other, text)) != made.objects


def test_code_generation_of_another_level_would_give_another_object(newest: Toolchain, vectors: Program) -> None:
    made = prepare_baseline(newest, vectors, "runtime")
    assert tuple(build(newest, vectors, "O1", made.bitcodes, made.completion.pipeline)) != made.objects


def test_a_front_end_without_minsize_would_flatter_the_search(newest: Toolchain) -> None:
    program = load_program(programs_directory() / "lz77")

    def size(level: str) -> int:
        bitcodes = front_end(newest, program, level)  # type: ignore[arg-type]
        objects = build(newest, program, "Oz", bitcodes, level_pipeline(newest.major, "Oz"))
        return sum(section_sizes(data).loaded_bytes for data in objects)

    assert size("O3") > size("Oz") * 1.02, "as a mark it is easy to beat"


# --- which mark it is


@pytest.mark.parametrize(
    ("objective", "strict", "name", "level"),
    [
        ("runtime", False, "clang -O3", "O3"),
        ("balanced", False, "clang -O3", "O3"),
        ("size", False, "clang -Oz", "Oz"),
        ("instructions", True, "clang -Oz", "Oz"),
        ("instructions", False, "opt -Oz (without minsize)", "O3"),
    ],
)
def test_each_objective_is_held_against_its_own_mark(
    newest: Toolchain, objective: str, strict: bool, name: str, level: str
) -> None:
    if name.startswith("opt") and not has_size_levels(newest.major):
        name, level = f"clang -Oz (LLVM {newest.major} has no opt -Oz)", "Oz"
    program = load_program(programs_directory() / "regex_vm")
    made = prepare_baseline(newest, program, objective, strict)
    assert (made.name, made.level) == (name, level)
    assert made.completion.exact
    assert len(made.objects) == len(made.bitcodes) == len(program.sources)
    assert edits_of(made.completion.expanded)
    library = newest.load()
    for bitcode in made.bitcodes:
        with Module.parse(library, bitcode) as module:
            assert instruction_count(module) > 0
            assert ("minsize" in module.text()) == (level == "Oz")


@pytest.mark.parametrize("level", ["O3", "Oz"])
@pytest.mark.parametrize("major", [23, 22, 19, 16])
def test_the_pipeline_is_written_out_pass_by_pass(major: int, level: str) -> None:
    toolchain = toolchain_or_skip(major)
    text = written_out(toolchain, level)  # type: ignore[arg-type]
    assert text
    assert "default<" not in text
    assert "instcombine" in text
    assert "BitcodeWriterPass" not in text


def test_a_clang_that_prints_no_pipeline_is_no_obstacle(
    newest: Toolchain, monkeypatch: pytest.MonkeyPatch, vectors: Program
) -> None:
    monkeypatch.setattr(baseline, "written_out", lambda *_: "")
    made = prepare_baseline(newest, vectors, "runtime")
    assert made.completion.pipeline == "default<O3>"
    assert made.completion.exact
    assert made.completion.expanded == ""


# --- failures


def test_a_program_that_does_not_compile_is_told_before_anything_else(newest: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int main(void) { return missing; }\n")
    with pytest.raises(CompileError) as caught:
        prepare_baseline(newest, program_from_files([tmp_path / "a.c"]), "size")
    assert "missing" in caught.value.diagnostics


def test_a_pipeline_that_is_none_is_a_pass_error(newest: Toolchain, vectors: Program) -> None:
    bitcodes = front_end(newest, vectors, "O3")
    with pytest.raises(PassError, match="no-such-pass"):
        build(newest, vectors, "O3", bitcodes, "no-such-pass")


def test_an_empty_pipeline_generates_code_from_the_front_end_as_it_is(newest: Toolchain, vectors: Program) -> None:
    bitcodes = front_end(newest, vectors, "O3")
    (raw,) = build(newest, vectors, "O3", bitcodes, "")
    (tuned,) = baseline_objects(newest, vectors, "O3")
    assert section_sizes(raw).text_bytes > 0
    assert raw != tuned


# --- the user's own flags


@pytest.mark.parametrize("flag", ["-g", "-fno-slp-vectorize", "-fno-unroll-loops", "-march=native", "-ffast-math"])
def test_the_users_flags_go_to_both(newest: Toolchain, flag: str) -> None:
    crc = load_program(programs_directory() / "crc_adler")
    assert prepare_baseline(newest, replace(crc, cflags=(*crc.cflags, flag)), "runtime").completion.exact


def test_a_candidate_is_not_vectorised_where_the_user_forbade_it(newest: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("void f(float *a, const float *b) { for (int i = 0; i < 1024; i++) a[i] += b[i]; }\n")
    plain = program_from_files([tmp_path / "a.c"])
    for program, vectors in ((plain, True), (replace(plain, cflags=("-fno-vectorize",)), False)):
        made = prepare_baseline(newest, program, "runtime")
        for bitcode in replay(newest.library, made.bitcodes, made.completion.pipeline, made.codegen_level):
            with Module.parse(newest.load(), bitcode) as module:
                assert (" x float>" in module.text()) == vectors
