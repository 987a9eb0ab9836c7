"""What a decision does to the IR, and that the program stays what it was."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from colt_llvm.core.errors import PipelineSyntaxError
from colt_llvm.llvm.decide import refused_switch
from colt_llvm.llvm.decision import SWITCHES, parse_decision
from colt_llvm.llvm.elf import loaded_digest, section_sizes
from colt_llvm.llvm.flow import functions_of
from colt_llvm.llvm.module import Module, TargetMachine
from colt_llvm.llvm.pipeline import edit_pipeline, level_pipeline
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain, installed_toolchains
from colt_llvm.program.baseline import build, prepare_baseline, written_out
from colt_llvm.program.compilation import front_end
from colt_llvm.program.program import Program, program_from_files

SOURCE = """
#include <stdio.h>
static unsigned square(unsigned x) { return x * x + 1; }
static unsigned cube(unsigned x) { unsigned y = 0; for (unsigned i = 0; i < x; i++) y += square(i) ^ x; return y; }
int main(int argc, char **argv) {
    unsigned sum = 0;
    for (unsigned i = 0; i < 100; i++) sum += cube(i) - square(i);
    for (int i = 0; i < argc; i++) sum ^= square(sum);
    printf("%u\\n", sum);
    return 0;
}
"""


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return find_toolchain()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    source = tmp_path_factory.mktemp("decide") / "squares.c"
    source.write_text(SOURCE)
    return program_from_files([str(source)])


def optimised(toolchain: Toolchain, program: Program, pipeline: str) -> Module:
    module = Module.parse(toolchain.load(), front_end(toolchain, program, "Oz")[0])
    module.run(pipeline, TargetMachine(toolchain.load(), module.triple, 2))
    return module


def run(toolchain: Toolchain, program: Program, pipeline: str, folder: Path) -> bytes:
    bitcodes = front_end(toolchain, program, "Oz")
    (data,) = build(toolchain, program, "Oz", bitcodes, pipeline)
    place = folder / "squares.o"
    place.write_bytes(data)
    subprocess.run([toolchain.clang, place, "-o", folder / "squares"], check=True)
    return subprocess.run([folder / "squares"], check=True, stdout=subprocess.PIPE).stdout


def names_of(module: Module) -> list[str]:
    return [function.name for function in functions_of(module)]


def test_inlining_is_decided_for_a_function(toolchain: Toolchain, program: Program) -> None:
    assert "square" in names_of(optimised(toolchain, program, "decide(noinline<square>),default<O2>"))
    assert "cube" not in names_of(optimised(toolchain, program, "decide(alwaysinline<cube>),default<O2>"))


def test_inlining_is_decided_for_one_call(toolchain: Toolchain, program: Program) -> None:
    text = optimised(toolchain, program, "decide(noinline<main;square#2>),always-inline").text()
    assert text.count("noinline") == 1 + text.count(" noinline nounwind")  # at the call, and no other
    names = names_of(optimised(toolchain, program, "decide(noinline<main;square#1>),default<O2>"))
    assert "square" in names


def test_the_level_of_one_function_is_decided(toolchain: Toolchain, program: Program) -> None:
    text = optimised(toolchain, program, "decide(optspeed<cube>,optsize<square>)").text()
    groups = {line.split(" = ")[0].split()[-1]: line for line in text.splitlines() if line.startswith("attributes")}

    def attributes(function: str) -> str:
        line = next(line for line in text.splitlines() if line.startswith("define") and f"@{function}(" in line)
        return groups["#" + line.rpartition("#")[2].split()[0]]

    assert "minsize" in attributes("main")
    assert "optsize" not in attributes("cube")
    assert "optsize" in attributes("square")
    assert "minsize" not in attributes("square")


@pytest.mark.parametrize(
    ("decision", "metadata"),
    [
        ("unroll<main#1;4>", '!"llvm.loop.unroll.count", i32 4'),
        ("unroll<main#2;full>", '!"llvm.loop.unroll.full"'),
        ("nounroll<cube#1>", '!"llvm.loop.unroll.disable"'),
        ("vectorize<cube#1;8>", '!"llvm.loop.vectorize.width", i32 8'),
        ("novectorize<cube#1>", '!"llvm.loop.vectorize.width", i32 1'),
        ("distribute<main#1>", '!"llvm.loop.distribute.enable", i1 true'),
    ],
)
def test_a_loop_carries_what_was_decided(toolchain: Toolchain, program: Program, decision: str, metadata: str) -> None:
    text = optimised(toolchain, program, f"decide({decision})").text()
    assert text.count(metadata) == 1
    assert '!"llvm.loop.mustprogress"' in text


def test_a_loop_that_is_not_there_is_left_alone(toolchain: Toolchain, program: Program) -> None:
    assert (
        optimised(toolchain, program, "decide(unroll<main#9;4>,noinline<nobody>)").hash()
        == optimised(toolchain, program, "decide(noinline<nobody>)").hash()
    )


def needs_the_gate(toolchain: Toolchain) -> None:
    if toolchain.load().set_pass_gate is None:
        pytest.skip("this LLVM leaves no pass out for one function")


@pytest.mark.parametrize("names", [["gvn"], ["licm", "simplifycfg", "indvars"], ["instcombine"]])
def test_what_every_function_skips_is_what_the_pipeline_leaves_out(
    toolchain: Toolchain, program: Program, names: list[str]
) -> None:
    needs_the_gate(toolchain)
    expanded = written_out(toolchain, "Oz")
    skips = ",".join(f"skip<{function}>({','.join(names)})" for function in ("square", "cube", "main"))
    skipped = optimised(toolchain, program, f"decide({skips}),{expanded}")
    edited = optimised(toolchain, program, edit_pipeline(expanded, frozenset(f"without<{name}>" for name in names)))
    target = TargetMachine(toolchain.load(), edited.triple, 2)
    assert skipped.emit_object(target) == edited.emit_object(target)


def body(module: Module, function: str) -> str:
    text = module.text()
    start = text.index(f"@{function}(", text.index("define"))
    while "define" not in text[text.rindex("\n", 0, start) : start]:
        start = text.index(f"@{function}(", start + 1)
    return re.sub(r"[#!]\d+", "", text[start : text.index("\n}", start)])  # numbers of attributes and metadata


def test_one_function_skips_and_the_others_do_not(toolchain: Toolchain, program: Program) -> None:
    needs_the_gate(toolchain)
    apart = "noinline<square>,noinline<cube>"
    plain = optimised(toolchain, program, f"decide({apart}),default<O2>")
    changed = optimised(toolchain, program, f"decide({apart},skip<cube>(instcombine,simplifycfg)),default<O2>")
    assert body(changed, "cube") != body(plain, "cube")
    assert body(changed, "square") == body(plain, "square")
    assert body(changed, "main") == body(plain, "main")


def test_passes_run_over_one_function_alone(toolchain: Toolchain, program: Program) -> None:
    if toolchain.load().run_passes_on_function is None:
        pytest.skip("this LLVM runs no passes over one function")
    module = optimised(toolchain, program, "decide(before<cube>(sroa))")
    assert "alloca" not in body(module, "cube")
    assert "alloca" in body(module, "main")


def test_passes_that_do_not_exist_are_refused_in_words(toolchain: Toolchain, program: Program) -> None:
    if toolchain.load().run_passes_on_function is None:
        pytest.skip("this LLVM runs no passes over one function")
    with pytest.raises(PipelineSyntaxError, match="after<main>"):
        optimised(toolchain, program, "decide(after<main>(no-such-pass))")


def test_a_threshold_is_taken_back_with_the_text_that_named_it(toolchain: Toolchain, program: Program) -> None:
    plain = optimised(toolchain, program, "default<O2>").hash()
    optimised(toolchain, program, "-inline-threshold=500 default<O2>")
    assert optimised(toolchain, program, "default<O2>").hash() == plain


def test_a_threshold_is_what_clang_makes_of_it(toolchain: Toolchain, program: Program, tmp_path: Path) -> None:
    place = tmp_path / "squares.o"
    flags = ["-Oz", "-c", "-mllvm", "-inline-threshold=225"]
    subprocess.run([toolchain.clang, *flags, program.sources[0], "-o", place], check=True)
    completion = prepare_baseline(toolchain, program, "size").completion.pipeline
    (data,) = build(
        toolchain, program, "Oz", front_end(toolchain, program, "Oz"), f"-inline-threshold=225 {completion}"
    )
    assert section_sizes(data).loaded_bytes == section_sizes(place.read_bytes()).loaded_bytes


@pytest.mark.parametrize(
    ("decision", "flags"),
    [
        ("frame-pointer<*;non-leaf>", ("-fno-omit-frame-pointer", "-momit-leaf-frame-pointer")),
        ("frame-pointer<*;all>", ("-fno-omit-frame-pointer", "-mno-omit-leaf-frame-pointer")),
        ("disable-lsr<*>", ("-mllvm", "-disable-lsr")),
        pytest.param(
            "apply-ext-tsp-for-size<*>", ("-mllvm", "-apply-ext-tsp-for-size"), marks=pytest.mark.needs("LLVM 20+")
        ),
        ("disable-machine-licm<*>", ("-mllvm", "-disable-machine-licm")),
    ],
)
def test_a_frame_pointer_is_what_clang_makes_of_it(
    toolchain: Toolchain, program: Program, tmp_path: Path, decision: str, flags: tuple[str, ...]
) -> None:
    place = tmp_path / "squares.o"
    subprocess.run([toolchain.clang, "-Oz", "-c", *flags, program.sources[0], "-o", place], check=True)
    completion = prepare_baseline(toolchain, program, "size").completion.pipeline
    (data,) = build(toolchain, program, "Oz", front_end(toolchain, program, "Oz"), f"{completion},decide({decision})")
    assert loaded_digest(data) == loaded_digest(place.read_bytes())


STRIDE = """
static __attribute__((noinline)) int mixed(const int *a, int n, int s) {
    int t = 0;
    for (int i = 0; i < n; i++) {
        int b = a[i * 3], c = a[i * s + 1], d = a[i * 5 + 2], e = a[i * 7 + 3], f = a[i * 9 + 4], g = a[i + 11];
        t += b * c - d * e + f * g - (b ^ c ^ d ^ e ^ f ^ g) * (b + d) * (c + e) * (f - d);
    }
    return t;
}
int stride(const int *a, int n, int s) { return mixed(a, n, s) + 3 * mixed(a + 1, n - 1, s + 1); }
unsigned long long hash(const unsigned char *a, int n) {
    unsigned long long h = 0xcbf29ce484222325ull;
    for (int i = 0; i < n; i++) h = (h ^ a[i]) * 0x100000001b3ull;
    return h;
}
"""


@pytest.mark.parametrize("switch", SWITCHES)
@pytest.mark.parametrize("found", installed_toolchains(), ids=lambda found: f"LLVM {found.major}")
def test_a_switch_of_code_generation_holds_for_its_own_module_alone(
    found: Toolchain, switch: str, tmp_path: Path
) -> None:
    """In one process and on one target machine, one after the other, with thresholds that have to be taken back."""
    source = tmp_path / "stride.c"
    source.write_text(STRIDE)
    program = program_from_files([str(source)])
    bitcode = front_end(found, program, "Oz")[0]
    library = found.load()
    if refusal := refused_switch(library, switch):
        pytest.skip(refusal)
    target = TargetMachine(library, found.triple, 2)
    plain_text = level_pipeline(found.major, "Oz")
    switched_text = f"{plain_text},decide({switch}<*>)"

    def emitted(text: str) -> bytes:
        with Module.parse(library, bitcode) as module:
            module.run(text, target)
            again = Module.parse(library, module.bitcode())  # as a service keeps a state
            return again.emit_object(target)

    plain, switched = emitted(plain_text), emitted(switched_text)
    assert loaded_digest(plain) != loaded_digest(switched)
    assert emitted(plain_text) == plain
    if library.reset_options is not None:
        assert emitted(f"-unroll-threshold=50 {switched_text}") == switched
        assert emitted(plain_text) == plain
        assert emitted(switched_text) == switched
        assert emitted(f"-unroll-threshold=50 {plain_text}") == plain
    by_clang = [build(found, program, "Oz", [bitcode], text)[0] for text in (plain_text, switched_text)]
    assert list(map(loaded_digest, by_clang)) == list(map(loaded_digest, (plain, switched)))


SUMS = """
#include <stdio.h>
static float values[64];
__attribute__((noinline)) static float sum(const float *a, int n) {
    float s = 0;
    PRAGMA
    for (int i = 0; i < n; i++) s += a[i];
    return s;
}
__attribute__((noinline)) static int count(const float *a, int n) {
    int s = 0;
    for (int i = 0; i < n; i++) s += a[i] > 1;
    return s;
}
int main(void) {
    for (int i = 0; i < 64; i++) values[i] = i % 4 ? 1.0f / (i + 3) : 1e7f / (i + 1);
    printf("%.9g %d\\n", sum(values, 64), count(values, 64));
    return 0;
}
"""


@pytest.mark.parametrize("found", installed_toolchains(), ids=lambda found: f"LLVM {found.major}")
def test_floats_are_added_in_the_order_of_the_source_where_a_loop_is_to_be_vectorised(
    found: Toolchain, tmp_path: Path
) -> None:
    """To LLVM the metadata is leave to reorder them, as clang's pragma is; one process, with and without it in turn."""
    texts = {"plain.c": SUMS.replace("PRAGMA", ""),
             "pragma.c": SUMS.replace("PRAGMA", "_Pragma(\"clang loop vectorize_width(4)\")")}  # fmt: skip
    decided = "decide(vectorize<sum#1;4>,vectorize<count#1;4>)"
    library, outputs, vectors = found.load(), [], []
    for name, decisions in (("plain.c", ""), ("pragma.c", ""), ("plain.c", decided), ("pragma.c", "")):
        source = tmp_path / name
        source.write_text(texts[name])
        program = program_from_files([str(source)])
        with Module.parse(library, front_end(found, program, "O2")[0]) as module:
            target = TargetMachine(library, found.triple, 2)
            if decisions:
                module.run(decisions, target)
            with Module.parse(library, module.bitcode()) as again:  # as a service keeps a state
                again.run("default<O2>", target)
                vectors.append("fadd <4 x float>" in again.text())
                (tmp_path / "sums.o").write_bytes(again.emit_object(target))
        subprocess.run([found.clang, tmp_path / "sums.o", "-o", tmp_path / "sums"], check=True)
        outputs.append(subprocess.run([tmp_path / "sums"], check=True, stdout=subprocess.PIPE).stdout)
    assert vectors == [False, True, False, True]
    assert outputs[2] == outputs[0] != outputs[1] == outputs[3]


FRAGILE = """
#include <fenv.h>
static double up(double x) {
#pragma STDC FENV_ACCESS ON
    fesetround(FE_UPWARD);
    double y = x / 3;
    fesetround(FE_TONEAREST);
    return y;
}
#ifdef __x86_64__
__attribute__((target("avx2"))) static double wide(double x) { return x + 2; }
long asked(long x) {
    volatile long a[4] = {5, 6, 7, 8};
    long y;
    __asm__ volatile("mov %1,%%rbp\\n\\tlea 1(%%rbp),%0" : "=r"(y) : "r"(x) : "rbp");
    return y + a[x];
}
#else
static double wide(double x) { return x + 2; }
#endif
static double near(double x) { return x / 3; }
double sum(double x) { return up(x) + wide(x) + near(x) + up(x); }
"""


def test_a_body_stays_where_rounding_and_the_processor_are_its_own(toolchain: Toolchain, tmp_path: Path) -> None:
    """LLVM does not ask where inlining is forced. And before LLVM 20 the stack is lost in what sets rbp itself."""
    source = tmp_path / "fragile.c"
    source.write_text(FRAGILE)
    program = program_from_files([str(source)])
    names = ("alwaysinline<up>", "alwaysinline<wide>", "alwaysinline<near>", "alwaysinline<sum;up#2>")
    text = optimised(toolchain, program, f"decide({','.join(names)},frame-pointer<*;all>)").text()
    groups = {line.split(" = ")[0].split()[-1]: line for line in text.splitlines() if line.startswith("attributes")}
    of = {name: groups["#" + rest.split()[0]]
          for name, rest in re.findall(r"define [^@]*@(\w+)\([^#]*#(.*)", text)}  # fmt: skip
    forced = {name for name, words in of.items() if "alwaysinline" in words}
    assert forced == {"near"} | ({"wide"} if "asked" not in of else set())
    assert sum("alwaysinline" in words for words in groups.values()) == 1  # no call's
    assert '"frame-pointer"="all"' in of["sum"]
    if "asked" in of:
        assert '"frame-pointer"="all"' not in of["asked"]


def test_what_is_known_to_give_wrong_code_is_no_decision() -> None:
    """sqlite3 gives wrong results with this option of plain clang alone (docs/decisions/0034)."""
    with pytest.raises(PipelineSyntaxError):
        parse_decision("enable-ipra<*>")


def test_no_jump_tables_leaves_no_table(toolchain: Toolchain, tmp_path: Path) -> None:
    source = tmp_path / "switch.c"
    cases = "".join(f"case {value}: f{value}(x); break;" for value in range(9))
    source.write_text(
        "".join(f"void f{value}(int);" for value in range(9)) + f"void g(int x) {{ switch (x) {{ {cases} }} }}"
    )
    program = program_from_files([str(source)])
    completion = prepare_baseline(toolchain, program, "size").completion.pipeline
    tables = []
    for text in (completion, f"{completion},decide(no-jump-tables<g>)"):
        (data,) = build(toolchain, program, "Oz", front_end(toolchain, program, "Oz"), text)
        tables.append(section_sizes(data).sizes.get(".rodata", 0))
    assert tables[0] > 0 == tables[1]


def test_the_program_does_the_same_whatever_was_decided(toolchain: Toolchain, program: Program, tmp_path: Path) -> None:
    late = toolchain.load().run_passes_on_function is not None
    decisions = [
        "alwaysinline<square>,noinline<cube>,unroll<main#1;4>,unroll<cube#1;8>",
        "noinline<square>,optspeed<*>,vectorize<cube#1;4>,interleave<main#1;2>,distribute<main#2>",
        "frame-pointer<*;all>,frame-pointer<cube;non-leaf>,no-jump-tables<*>",
        *(["skip<main>(sroa,simplifycfg,instcombine,loop-rotate),before<cube>(reg2mem,gvn)"] if late else []),
    ]
    expected = run(toolchain, program, "", tmp_path)
    for text in decisions:
        assert run(toolchain, program, f"decide({text}),default<O2>", tmp_path) == expected
