"""A module that Python owns: what goes wrong is typed, and what is stored comes back the same."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from colt_llvm.core.errors import InvalidIR, PassCrashed, PassError, PassTimedOut, PipelineSyntaxError, ToolchainError
from colt_llvm.core.process import Limits
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.llvm.flow import functions_of
from colt_llvm.llvm.library import Library
from colt_llvm.llvm.module import Module, TargetMachine, bitcode_hash
from colt_llvm.llvm.replay import replay
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains
from colt_llvm.program.compilation import CODEGEN_LEVEL, baseline_objects, front_end
from colt_llvm.program.program import load_program, program_from_files, programs_directory

pytestmark = pytest.mark.llvm

MAJORS = (23, 22, 19, 16)
SOURCE = """
int table[64];
int sum(int n) { int s = 0; for (int i = 0; i < n; i++) s += table[i & 63] * i; return s; }
int twice(int x) { return sum(x) + sum(x); }
"""

Compile = Callable[..., bytes]


def toolchain_or_skip(major: int) -> Toolchain:
    found = next((toolchain for toolchain in installed_toolchains() if toolchain.major == major), None)
    if found is None:
        pytest.skip(f"LLVM {major} is not installed")
    return found


@pytest.fixture(params=MAJORS)
def toolchain(request: pytest.FixtureRequest) -> Toolchain:
    return toolchain_or_skip(request.param)


@pytest.fixture
def library(toolchain: Toolchain) -> Library:
    return toolchain.load()


@pytest.fixture
def bitcode(toolchain: Toolchain, tmp_path: Path) -> bytes:
    (tmp_path / "sum.c").write_text(SOURCE)
    return front_end(toolchain, program_from_files([tmp_path / "sum.c"]), "O3")[0]


# --- reading


def test_reads_what_clang_wrote(library: Library, bitcode: bytes) -> None:
    with Module.parse(library, bitcode) as module:
        assert [function.name for function in functions_of(module)] == ["sum", "twice"]
        assert module.triple.startswith(platform.machine())
        assert "define dso_local i32 @sum" in module.text()
        module.verify()


@pytest.mark.parametrize("data", [b"", b"BC", b"nonsense" * 20, b"BC\xc0\xde" + b"\0" * 64])
def test_refuses_what_is_no_bitcode(library: Library, data: bytes) -> None:
    said = f"not bitcode that LLVM {library.major} reads .*; make it with that clang"
    with pytest.raises(InvalidIR, match=said) as no:
        Module.parse(library, data)
    assert "\n" not in str(no.value)


def test_refuses_bitcode_that_was_cut_off(library: Library, bitcode: bytes) -> None:
    with pytest.raises(InvalidIR):
        Module.parse(library, bitcode[: len(bitcode) // 2 // 4 * 4])


def test_refuses_bitcode_of_a_newer_llvm_or_reads_it(tmp_path: Path) -> None:
    """Either is right; ending the process would not be."""
    toolchains = installed_toolchains()
    if len(toolchains) < 2:
        pytest.skip("only one LLVM is installed")
    (tmp_path / "sum.c").write_text(SOURCE)
    newer = front_end(toolchains[0], program_from_files([tmp_path / "sum.c"]), "O3")[0]
    with contextlib.suppress(InvalidIR):
        Module.parse(toolchains[-1].load(), newer).close()


def test_a_closed_module_says_so(library: Library, bitcode: bytes) -> None:
    module = Module.parse(library, bitcode)
    module.close()
    module.close()
    with pytest.raises(InvalidIR, match="the module was closed; parse it again"):
        module.text()


# --- running


@pytest.mark.parametrize("text", ["no-such-pass", "function(", "default<O9>", "function(sroa", "sroa,,", "licm<what>"])
def test_a_text_that_is_no_pipeline_leaves_the_module_unchanged(library: Library, bitcode: bytes, text: str) -> None:
    with Module.parse(library, bitcode) as module:
        before = module.bitcode()
        with pytest.raises(PipelineSyntaxError) as no:
            module.run(text)
        assert str(no.value).startswith(f"{text}: ")
        assert "\n" not in str(no.value)
        assert module.bitcode() == before
        module.run("function(sroa)")
        assert module.bitcode() != before


def test_a_pipeline_at_once_is_its_passes_one_after_another(library: Library, bitcode: bytes) -> None:
    passes = ["function(sroa)", "function(early-cse)", "function(simplifycfg)", "cgscc(inline)", "function(gvn)"]
    with Module.parse(library, bitcode) as one, Module.parse(library, bitcode) as other:
        one.run(",".join(passes))
        for text in passes:
            other.run(text)
        assert one.text() == other.text()


def test_the_same_gives_the_same_hash_and_another_another(library: Library, bitcode: bytes) -> None:
    hashes = []
    for text in ("function(sroa)", "function(sroa)", "function(sroa,instcombine<no-verify-fixpoint>)"):
        with Module.parse(library, bitcode) as module:
            if library.major < 18:
                text = text.replace("<no-verify-fixpoint>", "")
            module.run(text)
            assert module.hash() == module.hash() == bitcode_hash(module.bitcode())
            hashes.append(module.hash())
    assert hashes[0] == hashes[1] != hashes[2]
    assert bitcode_hash(b"ab", b"c") != bitcode_hash(b"a", b"bc")


@pytest.mark.parametrize("text", ["", "function(sroa,early-cse<memssa>,gvn)", "default<O3>"])
def test_what_is_stored_comes_back_with_the_order_of_uses(library: Library, bitcode: bytes, text: str) -> None:
    assert library.keeps_use_list_order
    with Module.parse(library, bitcode) as module:
        if text:
            module.run(text)
        stored = module.bitcode()
        with Module.parse(library, stored) as copy:
            assert copy.bitcode() == stored
            assert copy.text() == module.text()
            module.run("default<O2>")
            copy.run("default<O2>")
            assert copy.text() == module.text(), "and optimises alike"


# --- what would end the process


@pytest.mark.parametrize("text", [
    "default<Oz>", "default<Os>", "function(sroa),default<Oz>", "thinlto<Oz>", "lto<Os>", "fatlto-pre-link<Oz>",
    "function(function-simplification<Os>)", "function(loop-unroll<Oz>)", "coro-cond(default<Oz>)",
    "-inlinedefault-threshold=5 default<Oz>", "function(loop-unroll<O2;Os>)",
])  # fmt: skip
def test_a_level_for_size_is_refused_where_the_library_would_abort(text: str, bitcode_23: bytes) -> None:
    library = toolchain_or_skip(23).load()
    with Module.parse(library, bitcode_23) as module, pytest.raises(PipelineSyntaxError, match=r"LLVM 23 has no O[sz]"):
        module.run(text)


@pytest.fixture
def bitcode_23(tmp_path: Path) -> bytes:
    (tmp_path / "sum.c").write_text(SOURCE)
    return front_end(toolchain_or_skip(23), program_from_files([tmp_path / "sum.c"]), "O3")[0]


# --- code generation


@pytest.mark.parametrize("level", ["O3", "Oz"])
@pytest.mark.parametrize("name", ["crc_adler", "lz77"])
def test_generates_the_code_that_clang_loads(toolchain: Toolchain, level: str, name: str) -> None:
    if level == "Oz" and toolchain.major < 19:
        pytest.skip("clang -Oz runs what default<Oz> does not")
    from colt_llvm.program.baseline import prepare_baseline

    program = load_program(programs_directory() / name)
    made = prepare_baseline(toolchain, program, "runtime" if level == "O3" else "size")
    library = toolchain.load()
    with Module.parse(library, made.bitcodes[0]) as module:
        target = TargetMachine(library, module.triple, CODEGEN_LEVEL[made.level])
        module.run(made.completion.pipeline, target)
        data = module.emit_object(target)
    assert loaded_digest(data) == loaded_digest(made.objects[0])
    with pytest.raises(InvalidIR, match="was closed"):
        module.bitcode()


def test_a_triple_that_the_library_does_not_know_is_refused(library: Library) -> None:
    with pytest.raises(ToolchainError, match="nonsense-triple: "):
        TargetMachine(library, "nonsense-triple", 2)


# --- in a child


@pytest.fixture
def newest() -> Toolchain:
    return installed_toolchains()[0]


def test_replay_does_what_the_pipeline_says(newest: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "sum.c").write_text(SOURCE)
    program = program_from_files([tmp_path / "sum.c"])
    bitcodes = front_end(newest, program, "O3")
    assert replay(newest.library, bitcodes, "", 3) == bitcodes
    twice = replay(newest.library, [*bitcodes, *bitcodes], "default<O3>", 3)
    assert twice[0] == twice[1] != bitcodes[0]


def test_replay_types_what_goes_wrong(newest: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "sum.c").write_text(SOURCE)
    bitcodes = front_end(newest, program_from_files([tmp_path / "sum.c"]), "O3")
    with pytest.raises(PipelineSyntaxError, match="no-such-pass"):
        replay(newest.library, bitcodes, "no-such-pass", 3)
    with pytest.raises(PassError, match="not bitcode"):
        replay(newest.library, [b"nonsense"], "default<O3>", 3)
    with pytest.raises(PassCrashed, match=r"trigger-crash-module: crashed .*; leave a pass out"):
        replay(newest.library, bitcodes, "trigger-crash-module", 3)
    with pytest.raises(PassTimedOut, match=r"not done after 0\.01 s; leave a pass out"):
        replay(newest.library, bitcodes, "default<O3>", 3, Limits(wall_seconds=0.01))


def test_a_library_that_lacks_symbols_is_refused_with_their_names(tmp_path: Path) -> None:
    import ctypes.util

    with pytest.raises(ToolchainError, match="cannot be loaded"):
        Library.load(tmp_path / "missing.so")
    with pytest.raises(ToolchainError, match=r"lacks .*LLVMRunPasses.*; LLVM 16 to 23 is needed"):
        Library.load(str(ctypes.util.find_library("c")))


def test_plain_clang_objects_are_compared_by_what_is_loaded(newest: Toolchain, tmp_path: Path) -> None:
    digests = []
    for name, text in (("a", SOURCE), ("b", "// a remark\n" + SOURCE), ("c", SOURCE.replace("* i", "* i + 1"))):
        (tmp_path / f"{name}.c").write_text(text)
        digests.append(loaded_digest(baseline_objects(newest, program_from_files([tmp_path / f"{name}.c"]), "O3")[0]))
    assert digests[0] == digests[1] != digests[2]
