"""Options of LLVM's process before a pipeline: written out, the baseline of ``instructions`` must stay what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from colt_llvm.core.errors import PipelineSyntaxError
from colt_llvm.evaluate.builder import Builder
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Sequences, prepare_target
from colt_llvm.llvm.acceptance import toolchain_catalogue
from colt_llvm.llvm.module import Module, TargetMachine
from colt_llvm.llvm.pipeline import has_size_levels
from colt_llvm.llvm.process_options import split_options, threshold_options, with_options
from colt_llvm.llvm.replay import replay
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains
from colt_llvm.program.baseline import Baseline, literature_completion, prepare_baseline
from colt_llvm.program.compilation import front_end
from colt_llvm.program.program import Program, included_programs, load_program, programs_directory

pytestmark = pytest.mark.llvm

THRESHOLD = "-inlinedefault-threshold=5"


@pytest.fixture(scope="module")
def newest() -> Toolchain:
    """Of those that have ``default<Oz>``."""
    newest = next((found for found in installed_toolchains() if has_size_levels(found.major)), None)
    return newest or pytest.skip("no LLVM up to 22 is installed")


@pytest.fixture(scope="module")
def program() -> Program:
    return load_program(programs_directory() / "crc_adler")


@pytest.fixture(scope="module")
def baseline(newest: Toolchain, program: Program) -> Baseline:
    return prepare_baseline(newest, program, "instructions")


@pytest.fixture(scope="module")
def builder(newest: Toolchain, program: Program) -> Iterator[Builder]:
    options = TuneOptions(objective="instructions", risky=True)
    with Builder(prepare_target(newest, program, options)) as builder:
        yield builder


def after(toolchain: Toolchain, bitcode: bytes, *texts: str) -> bytes:
    with Module.parse(toolchain.load(), bitcode) as module:
        for text in texts:
            module.run(text, TargetMachine(toolchain.load(), module.triple, 3))
        return module.bitcode()


# --- the text


def test_options_come_back_from_before_the_passes() -> None:
    options = (THRESHOLD, "-rotation-max-header-size=0")
    assert split_options(with_options(options, "function(sroa<modify-cfg>)")) == (options, "function(sroa<modify-cfg>)")
    assert with_options((), "default<Oz>") == "default<Oz>"
    assert split_options("default<Oz>") == ((), "default<Oz>")


@pytest.mark.parametrize("option", ["-load=x.so", "-inline-threshold=5", f"-{THRESHOLD}", "-inlinedefault-threshold=-5",
                                    "-inlinedefault-threshold", "-"])  # fmt: skip
def test_nothing_else_may_stand_before_a_pipeline(newest: Toolchain, baseline: Baseline, option: str) -> None:
    with pytest.raises(PipelineSyntaxError, match="may not stand before a pipeline"):
        split_options(f"{option} default<Oz>")
    with pytest.raises(PipelineSyntaxError, match="may not stand before a pipeline"):
        replay(newest.library, baseline.bitcodes, f"{option} default<Oz>", 3)


def test_an_option_holds_for_its_text_only(newest: Toolchain, baseline: Baseline) -> None:
    bitcode, inline = baseline.bitcodes[0], "cgscc(inline)"
    much = after(newest, bitcode, inline)
    little = after(newest, bitcode, f"{THRESHOLD} {inline}")
    assert little != much
    assert after(newest, bitcode, inline) == much
    assert after(newest, bitcode, f"{THRESHOLD} function(adce)", inline) == after(
        newest, bitcode, "function(adce)", inline
    )


# --- the baseline written out


def differing(toolchain: Toolchain, programs: list[Program]) -> list[str]:
    completion = literature_completion(toolchain)
    text = with_options(completion.options, completion.expanded)
    return [
        program.name
        for program in programs
        for bitcode in front_end(toolchain, program, "O3")
        if after(toolchain, bitcode, text) != after(toolchain, bitcode, "default<Oz>")
    ]


@pytest.mark.parametrize("major", [22, 19])
def test_written_out_it_gives_the_very_same_code(major: int) -> None:
    toolchain = next((found for found in installed_toolchains() if found.major == major), None)
    if toolchain is None or toolchain.opt is None:
        pytest.skip(f"LLVM {major} with its opt is not installed")
    names = ("crc_adler", "heat2d", "regex_vm", "shapes_cpp")  # much inlined, floating point, several files, C++
    assert differing(toolchain, [load_program(programs_directory() / name) for name in names]) == []


@pytest.mark.slow
@pytest.mark.exhaustive
def test_written_out_it_gives_the_very_same_code_for_every_program(newest: Toolchain) -> None:
    assert differing(newest, included_programs()) == []


def test_the_first_edit_does_not_change_what_it_does_not_name(
    newest: Toolchain, baseline: Baseline, builder: Builder
) -> None:
    edit = "without<forceattrs>"  # does nothing without options of its own
    assert edit in Sequences(toolchain_catalogue(newest), baseline).edits
    assert builder.build((edit,)).key == builder.build(()).key


def test_step_by_step_inlines_as_in_one_text(newest: Toolchain, baseline: Baseline, builder: Builder) -> None:
    names = ("inline", "without<licm>")
    pipeline = Sequences(toolchain_catalogue(newest), baseline).pipeline(names)
    assert pipeline.startswith(f"{THRESHOLD} cgscc(inline),")
    (optimised,) = replay(newest.library, baseline.bitcodes, pipeline, baseline.codegen_level)
    (stepwise,) = builder.observe(names, ["IrInstructionCount"])
    with Module.parse(newest.load(), optimised) as module:
        assert newest.load().count_instructions(module.handle) == stepwise


def test_without_opt_clangs_own_passes_are_left_out(newest: Toolchain) -> None:
    assert literature_completion(replace(newest, opt=None)).expanded == literature_completion(newest).expanded


def test_what_only_clang_o3_is_given_may_stand_before_a_pipeline_and_is_no_decision() -> None:
    text = "-inline-deferral=1 -locally-hot-callsite-threshold=525 -unroll-threshold-default=300 licm"
    assert split_options(text) == (tuple(text.split()[:3]), "licm")
    assert threshold_options("locally-hot-callsite-threshold<525>") is None
    with pytest.raises(PipelineSyntaxError, match="may not stand before a pipeline"):
        split_options("-locally-hot-callsite-threshold=526 licm")
