"""Which units the time goes to: by perf, by instrumentation, and what is said where neither works."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from colt_llvm.builds.profile import profile as profiling
from colt_llvm.builds.profile.owners import Owners
from colt_llvm.builds.profile.profile import (
    INSTRUMENTATION,
    NONE,
    PERF,
    Instrumentation,
    Profile,
    by_clock,
    by_counts,
    by_size,
    check_instrumentation,
    profile_of,
    profile_program,
    read_counts,
)
from colt_llvm.core.errors import CompileError, ProcessTimeout
from colt_llvm.core.process import Limits
from colt_llvm.llvm.toolchain import Toolchain, installed_toolchains
from colt_llvm.measure import samples as profile_perf
from colt_llvm.measure.samples import CannotProfile, sample_program
from colt_llvm.program.program import Workload

WORK = """
static __attribute__((noinline)) unsigned step(unsigned x) {{
    for (int i = 0; i < {turns}; i++) x = x * {factor}u + (x >> 7);
    return x;
}}
unsigned {name}(unsigned n) {{ unsigned x = n | 1; while (n--) x = step(x); return x; }}
"""
MAIN = """
#include <stdio.h>
#include <stdlib.h>
unsigned much(unsigned), little(unsigned);
int main(int argc, char **argv) {
    unsigned n = argc > 1 ? atoi(argv[1]) : 1;
    printf("%u %u\\n", much(n * 9), little(n));
}
"""
#: The static functions have one name, and the sources too; one does nine times the work of the other.
SAME_NAMES = {
    "main.c": MAIN,
    "a/util.c": WORK.format(name="little", turns=1000, factor=1664525),
    "b/util.c": WORK.format(name="much", turns=1000, factor=22695477),
}


@dataclass
class Built:
    toolchain: Toolchain
    folder: Path
    executable: Path
    objects: dict[str, bytes]
    instrument: Callable[[tuple[str, ...]], Path]

    def owners(self) -> Owners:
        return Owners(self.executable.read_bytes(), self.objects)

    def by_clock(self, *arguments: str, seconds: float = 3.0) -> Profile:
        workload = Workload("w", ("{exe}", *arguments))
        return by_clock(self.owners(), self.executable, self.objects, workload, seconds=seconds)

    def by_counts(self, *arguments: str) -> Profile:
        workload = Workload("w", ("{exe}", *arguments))
        return by_counts(self.owners(), self.objects, workload, Instrumentation(self.toolchain, self.instrument))


def build(
    folder: Path, sources: Mapping[str, str], *, compile_flags: Sequence[str] = (), link_flags: Sequence[str] = (),
    toolchain: Toolchain | None = None,
) -> Built:  # fmt: skip
    toolchain = toolchain or installed_toolchains()[0]
    for name, text in sources.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    def make(output: str, flags: Sequence[str]) -> tuple[Path, dict[str, bytes]]:
        objects = {}
        for name in sources:
            target = f"{name}.{output}.o"
            compiler = toolchain.compiler(name.endswith(".cc"))
            command = [compiler, "-O2", *compile_flags, *flags, "-c", name, "-o", target]
            subprocess.run(command, cwd=folder, check=True, timeout=60)
            objects[name] = target
        compiler = toolchain.compiler(any(name.endswith(".cc") for name in sources))
        command = [compiler, *flags, *objects.values(), "-o", output, *link_flags]
        subprocess.run(command, cwd=folder, check=True, timeout=60)
        return folder / output, {name: (folder / target).read_bytes() for name, target in objects.items()}

    executable, objects = make("plain", ())
    return Built(toolchain, folder, executable, objects, lambda flags: make("instrumented", flags)[0])


@pytest.fixture(scope="session")
def perf(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where perf's software clock is not to be had."""
    try:
        sample_program(Path(shutil.which("true") or "/bin/true"), Workload("w"), seconds=0)
    except CannotProfile as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def instrumenting() -> Toolchain:
    """The newest clang whose runtime for instrumentation is installed."""
    reasons = []
    for toolchain in installed_toolchains():
        try:
            check_instrumentation(toolchain)
        except CannotProfile as error:
            reasons.append(str(error))
            continue
        return toolchain
    pytest.skip("; ".join(reasons))


@pytest.mark.usefixtures("perf")
@pytest.mark.parametrize(
    ("compile_flags", "link_flags"),
    [
        pytest.param(["-fPIE"], ["-pie"], id="pie"),
        pytest.param(["-fno-pie"], ["-no-pie"], id="fixed-address"),
        pytest.param(["-ffunction-sections"], ["-Wl,--gc-sections"], id="section-per-function"),
        pytest.param([], ["-Wl,--discard-all"], id="without-local-symbols"),
    ],
)
def test_perf_finds_the_hot_unit_among_equal_names(
    tmp_path: Path, compile_flags: list[str], link_flags: list[str]
) -> None:
    built = build(tmp_path, SAME_NAMES, compile_flags=compile_flags, link_flags=link_flags)
    profile = built.by_clock("20000")
    assert profile.method == PERF
    assert profile.samples > 50
    assert 0.8 < profile.weights["b/util.c"] < 0.97
    assert 0.03 < profile.weights["a/util.c"] < 0.2
    assert sum(profile.weights.values()) == pytest.approx(1)
    assert profile.functions[0][1] == "b/util.c"
    if "-Wl,--discard-all" not in link_flags:
        assert profile.functions[0][0] == "step"


@pytest.mark.usefixtures("perf")
def test_perf_counts_what_a_child_process_does(tmp_path: Path) -> None:
    forking = MAIN.replace("#include <stdlib.h>", "#include <stdlib.h>\n#include <unistd.h>\n#include <sys/wait.h>")
    forking = forking.replace("    printf", "    if (fork()) { wait(0); return 0; }\n    printf")
    built = build(tmp_path, {**SAME_NAMES, "main.c": forking})
    assert built.by_clock("10000").weights["b/util.c"] > 0.7


@pytest.mark.usefixtures("perf")
def test_perf_reads_the_workloads_input_and_puts_libraries_under_no_unit(tmp_path: Path) -> None:
    source = """
#include <stdio.h>
#include <string.h>
static char text[1 << 20], copy[1 << 20];
int main(void) {
    unsigned n = 0, sum = 0;
    if (scanf("%u", &n) != 1) return 1;
    for (unsigned i = 0; i < n; i++) {
        text[i % sizeof text] = i;
        memmove(copy, text, sizeof text);
        __asm__ volatile("" ::: "memory");
        sum += copy[i % sizeof copy];
    }
    printf("%u\\n", sum);
}
"""
    built = build(tmp_path, {"main.c": source})
    (tmp_path / "input").write_text("6000")
    profile = by_clock(
        built.owners(), built.executable, built.objects, Workload("w", stdin=tmp_path / "input"), seconds=2
    )
    assert profile.weights[""] > 0.8


@pytest.mark.usefixtures("perf")
def test_perf_runs_a_short_workload_again_until_there_are_samples(tmp_path: Path) -> None:
    built = build(tmp_path, SAME_NAMES)
    samples = sample_program(built.executable, Workload("w", ("{exe}", "200")), seconds=60, wanted=40)
    assert samples.total >= 40
    assert samples.runs > 1


@pytest.mark.usefixtures("perf")
def test_perf_leaves_nothing_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    built = build(tmp_path, SAME_NAMES)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    built.by_clock("1000", seconds=0)
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.usefixtures("perf")
def test_a_run_over_its_limit_is_an_error_and_no_reason_for_another_method(tmp_path: Path) -> None:
    built = build(tmp_path, {"main.c": 'int main(void) { for (;;) __asm__ volatile(""); }\n'})
    with pytest.raises(ProcessTimeout):
        profile_program(
            built.executable, built.objects, Workload("w"), seconds=1,
            instrumentation=Instrumentation(built.toolchain, built.instrument), limits=Limits(wall_seconds=1.5),
        )  # fmt: skip


def test_instrumentation_finds_the_hot_unit_among_equal_names(tmp_path: Path, instrumenting: Toolchain) -> None:
    profile = build(tmp_path, SAME_NAMES, toolchain=instrumenting).by_counts("200")
    assert profile.method == INSTRUMENTATION
    assert profile.weights["b/util.c"] == pytest.approx(0.9, abs=0.02)
    assert profile.weights["a/util.c"] == pytest.approx(0.1, abs=0.02)
    assert profile.functions[0][:2] == ("step", "b/util.c")


def test_instrumentation_counts_templates_where_they_are_used(tmp_path: Path, instrumenting: Toolchain) -> None:
    sorting = """
#include <algorithm>
#include <vector>
extern "C" unsigned much(unsigned n) {
    std::vector<unsigned> v(n * 100);
    for (unsigned i = 0; i < v.size(); i++) v[i] = i * 2654435761u;
    std::sort(v.begin(), v.end(), [](unsigned a, unsigned b) { return a < b; });
    return v[n];
}
"""
    sources = {"main.c": MAIN, "sort.cc": sorting, "little.c": WORK.format(name="little", turns=10, factor=5)}
    profile = build(tmp_path, sources, toolchain=instrumenting).by_counts("100")
    assert profile.weights["sort.cc"] > 0.9


def test_a_stripped_program_is_profiled_by_instrumentation(tmp_path: Path, instrumenting: Toolchain) -> None:
    built = build(tmp_path, SAME_NAMES, link_flags=["-s"], toolchain=instrumenting)
    profile = profile_program(
        built.executable, built.objects, Workload("w", ("{exe}", "100")), seconds=1,
        instrumentation=Instrumentation(built.toolchain, built.instrument),
    )  # fmt: skip
    assert profile.method == INSTRUMENTATION
    assert "strip" in profile.note
    assert profile.weights["b/util.c"] > 0.8


def test_where_nothing_works_the_shares_are_of_code_size_and_the_note_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build(tmp_path, SAME_NAMES)
    monkeypatch.setattr(profile_perf.shutil, "which", lambda name: None)
    monkeypatch.setattr(profiling, "check_instrumentation", lambda toolchain: Path("llvm-profdata"))

    def refuse(flags: tuple[str, ...]) -> Path:
        raise CompileError("the build does not take further flags")

    profile = profile_program(
        built.executable,
        built.objects,
        Workload("w"),
        seconds=1,
        instrumentation=Instrumentation(built.toolchain, refuse),
    )
    assert profile.method == NONE
    assert profile.samples == 0
    assert profile.weights == by_size(built.objects).weights
    assert sum(profile.weights.values()) == pytest.approx(1)
    for part in ("perf is not installed", "does not take further flags", "code size"):
        assert part in profile.note


def test_a_perf_that_is_not_allowed_names_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = build(tmp_path, SAME_NAMES)
    (tmp_path / "perf").write_text("#!/bin/sh\necho 'Access limited, see perf_event_paranoid' >&2\nexit 255\n")
    (tmp_path / "perf").chmod(0o755)
    monkeypatch.setattr(profile_perf.shutil, "which", lambda name: str(tmp_path / "perf"))
    with pytest.raises(CannotProfile, match=r"sysctl kernel\.perf_event_paranoid=2"):
        built.by_clock("1")


#: Of one size, and with nothing of their own beside them that would tell them apart but where they lie.
TWIN = "static __attribute__((noinline)) int f(int x) {{ return x ^ {0}; }}\nint {1}(int x) {{ return f(x) + {0}; }}\n"
TWINS = {
    "main.c": "int first(int), second(int);\nint main(int n, char **v) { return first(n) + second(n); }\n",
    "z/twin.c": TWIN.format(7, "first"),
    "a/twin.c": TWIN.format(9, "second"),
}


@pytest.mark.parametrize("flags", [[], ["-ffunction-sections"]])
def test_twins_of_equal_size_are_told_apart_by_where_they_lie(tmp_path: Path, flags: list[str]) -> None:
    owners = build(tmp_path, TWINS, compile_flags=flags).owners()
    found = [span for span in owners._spans if span.function == "f"]
    assert [dict(span.units) for span in found] == [{"z/twin.c": 1.0}, {"a/twin.c": 1.0}]


def test_a_twin_whose_place_is_known_leaves_the_other_to_the_other_unit(tmp_path: Path) -> None:
    table = "static __attribute__((noinline)) int f(int x) { return x ^ 9; }\nint (*second[])(int) = {f};\n"
    main = (
        "int first(int); extern int (*second[])(int);\nint main(int n, char **v) { return first(n) + second[0](n); }\n"
    )
    owners = build(tmp_path, {"main.c": main, "a/twin.c": table, "z/twin.c": TWINS["z/twin.c"]}).owners()
    found = [span for span in owners._spans if span.function == "f"]
    assert [dict(span.units) for span in found] == [{"a/twin.c": 1.0}, {"z/twin.c": 1.0}]


def test_assembly_without_a_source_name_leaves_its_neighbours_functions_with_their_unit(tmp_path: Path) -> None:
    assembly = ".text\n.globl extra\n.type extra,@function\nextra: ret\n.size extra,.-extra\n"
    assembly += ".type inner,@function\ninner: ret\n.size inner,.-inner\n"
    sources = {"main.c": TWINS["main.c"], "z/twin.c": TWINS["z/twin.c"], "extra.s": assembly}
    owners = build(tmp_path, {**sources, "a/twin.c": TWINS["a/twin.c"]}).owners()
    found = {(span.function, *span.units) for span in owners._spans if span.function in ("f", "inner", "extra")}
    assert found == {("f", "z/twin.c"), ("f", "a/twin.c"), ("inner", "extra.s"), ("extra", "extra.s")}


def test_what_cannot_be_told_apart_is_split_evenly(tmp_path: Path) -> None:
    table = "static __attribute__((noinline)) int f(int x) {{ return x ^ {}; }}\nint (*{}_table[])(int) = {{f}};\n"
    sources = {
        "main.c": (
            "extern int (*a_table[])(int), (*b_table[])(int);\n"
            "int main(int n, char **v) { return a_table[0](n) + b_table[0](n); }\n"
        ),
        "a/t.c": table.format(7, "a"),
        "b/t.c": table.format(9, "b"),
    }
    owners = build(tmp_path, sources).owners()
    found = [span for span in owners._spans if span.function == "f"]
    assert [dict(span.units) for span in found] == [{"a/t.c": 0.5, "b/t.c": 0.5}] * 2


def test_an_inline_function_belongs_to_the_unit_that_is_linked_first(tmp_path: Path) -> None:
    header = "struct S { __attribute__((noinline)) static int f(int x) { return x * 7; } };\n"
    sources = {
        "main.cc": "int b(int), a(int);\nint main(int n, char **v) { return a(n) + b(n); }\n",
        "b.cc": header + "int b(int x) { return S::f(x) + 1; }\n",
        "a.cc": header + "int a(int x) { return S::f(x) + 2; }\n",
    }
    owners = build(tmp_path, sources).owners()
    (span,) = [span for span in owners._spans if span.function == "_ZN1S1fEi"]
    assert dict(span.units) == {"b.cc": 1.0}
    assert owners.named("_ZN1S1fEi") == {"b.cc": 1.0}


def test_units_named_by_their_objects_are_matched_with_paths_of_sources(tmp_path: Path) -> None:
    built = build(tmp_path, SAME_NAMES)
    objects = {f"/build/x.dir/{name}.o": content for name, content in built.objects.items()}
    owners = Owners(built.executable.read_bytes(), objects)
    assert owners.named("step", "../b/util.c") == {"/build/x.dir/b/util.c.o": 1.0}
    assert owners.named("step", "util.c") == {"/build/x.dir/a/util.c.o": 0.5, "/build/x.dir/b/util.c.o": 0.5}
    assert owners.named("qsort") == {}


def test_counts_are_summed_over_blocks_in_both_spellings_of_static_functions() -> None:
    text = """Counters:
  main:
    Hash: 0x1
    Counters: 3
    Function count: 1
    Block counts: [10, 20]
  a/util.c;step:
    Hash: 0x2
    Counters: 1
    Block counts: [5]
  b/util.c:step:
    Hash: 0x2
    Counters: 2
    Function count: 7
    Block counts: []
Instrumentation level: IR  entry_first = 0
Functions shown: 3
"""
    assert read_counts(text) == {("main", ""): 31, ("step", "a/util.c"): 5, ("step", "b/util.c"): 7}


def test_a_profile_without_any_work_is_refused() -> None:
    with pytest.raises(CannotProfile, match="computes longer"):
        profile_of(PERF, [("f", {"a.c": 1.0}, 0.0)], ["a.c"])
