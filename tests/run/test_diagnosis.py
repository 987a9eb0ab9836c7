"""Of a miscompile the run says whose fault it is likely to be, by which pass, and leaves what shows it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

import colt_llvm
from colt_llvm.core.errors import CompileError
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import prepare_target
from colt_llvm.llvm.toolchain import installed_toolchains
from colt_llvm.program.program import program_from_files
from colt_llvm.report.page import write_report
from colt_llvm.report.run import read_run
from colt_llvm.run import diagnosis, sanitizers, tuner
from colt_llvm.run.diagnosis import Shown, write_reproducer
from colt_llvm.run.sanitizers import Undefined, look_for_undefined, read_report

TOOLCHAIN = installed_toolchains()[0]

#: By right its answer depends on what the optimiser knows.
ASKS = """
#include <stdio.h>
int main(void) {
    unsigned sum = 0;
    for (unsigned i = 0; i < 1000; i++) sum += i;
    printf("%u\\n", __builtin_constant_p(sum) ? sum + 1 : 0u);
    return 0;
}
"""

#: x + 1 > x for the largest int: undefined, on line 4.
OVERFLOWS = """#include <limits.h>
#include <stdio.h>
static volatile int zero = 0;
static __attribute__((noinline)) int above(int x) { return x + 1 > x; }
int main(void) {
    printf("%d\\n", above(INT_MAX - zero));
    return 0;
}
"""

READS_UNINITIALISED = """#include <stdio.h>
static volatile int zero = 0;
int main(void) {
    int x;
    if (zero) x = 3;
    printf("%s\\n", x == 3 ? "three" : "other");
    return 0;
}
"""


def runtime_installed() -> bool:
    folder = subprocess.run([TOOLCHAIN.clang, "-print-resource-dir"], capture_output=True, text=True).stdout.strip()
    return any(Path(folder, "lib").rglob("*clang_rt.asan*"))


needs_runtime = pytest.mark.skipif(not runtime_installed(), reason="clang's sanitizer runtime is not installed")


class Fixed(colt_llvm.SequenceSearch):
    """Proposes these sequences, one after another."""

    sequences: Sequence[tuple[str, ...]] = ()

    def __init__(self, task: Any) -> None:
        super().__init__("fixed", colt_llvm.ActionSet(task.passes, task.edits), task.seed)

    def _choose(self, request_id: int, random: Random) -> tuple[str, ...]:
        return self.sequences[request_id % len(self.sequences)]


@pytest.fixture(autouse=True)
def _on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuner, "DIAGNOSIS_SECONDS", 200.0)


def tuned(folder: Path, text: str, *sequences: tuple[str, ...], **options: Any) -> colt_llvm.TuneResult:
    (folder / "prog.c").write_text(text)
    strategy = type("Fixed", (Fixed,), {"sequences": sequences})
    return colt_llvm.tune(
        folder / "prog.c", objective="size", trials=len(sequences), workers=1, strategy=strategy, risky=True,
        run_directory=folder / "run", **options,
    )  # fmt: skip


def test_a_program_that_asks_the_optimiser_is_told_from_a_compiler_bug(tmp_path: Path) -> None:
    result = tuned(tmp_path, ASKS, ("without<indvars>",))
    assert result.failures == {"miscompile": 1}
    found = result.diagnosis
    assert (found["trial"], found["sequence"], found["fault"]) == (0, ("without<indvars>",), "asks the optimiser")
    assert "__builtin_constant_p" in found["reason"]
    assert "compiler bug" not in found["reason"]
    assert found["deciding"]["name"] in ("indvars", "IndVarSimplifyPass")  # in LLVM 19's -opt-bisect-limit
    assert not found["deciding"]["wrong_from_here"]
    assert any(found["reason"] in note for note in result.notes)

    script = tmp_path / "run" / "miscompiles" / "000000" / "reproduce.sh"
    assert found["folder"] == str(script)
    done = subprocess.run([script], capture_output=True, text=True, check=True)
    assert done.stdout == "right:\n499501\nexit status 0\nwrong:\n0\nexit status 0\n"
    assert done.stderr == ""
    assert (script.parent / "program.bc").is_file()

    saved = json.loads((tmp_path / "run" / "result.json").read_text())["diagnosis"]
    assert saved["reason"] == found["reason"]
    assert read_run(tmp_path / "run").result is not None
    page = write_report(tmp_path / "run", tmp_path / "report.html").read_text()
    assert "whose value passes may change by right" in page
    assert "-opt-bisect-limit=" in page


def test_a_pipeline_with_decisions_is_shown_without_opt(tmp_path: Path) -> None:
    if TOOLCHAIN.load().set_pass_gate is None:
        pytest.skip("this LLVM leaves no pass out for one function")
    (tmp_path / "prog.c").write_text(ASKS)
    program = program_from_files([tmp_path / "prog.c"])
    target = prepare_target(TOOLCHAIN, program, TuneOptions(objective="size"))
    pipeline = target.sequences.pipeline(("skip<main>(indvars)", "disable-lsr<*>"))
    lines = write_reproducer(tmp_path, target, Shown("it differs", pipeline, 0))
    assert not any("opt" in line and "decide(" in line for line in lines)
    assert any("-disable-lsr" in line and "wrong.o" in line for line in lines)
    done = subprocess.run([tmp_path / "reproduce.sh"], capture_output=True, text=True, check=True)
    assert done.stdout == "right:\n499501\nexit status 0\nwrong:\n0\nexit status 0\n"
    assert done.stderr == ""


@needs_runtime
def test_undefined_behaviour_is_named_with_its_line_and_the_sanitizers_words(tmp_path: Path) -> None:
    for text, place, sanitizer, words in (
        (OVERFLOWS, "prog.c:4:", "UndefinedBehaviorSanitizer", "signed integer overflow: 2147483647 + 1 cannot be"),
        (READS_UNINITIALISED, "prog.c:6:", "MemorySanitizer", "use-of-uninitialized-value"),
    ):
        (tmp_path / "prog.c").write_text(text)
        looked = look_for_undefined(TOOLCHAIN, program_from_files([tmp_path / "prog.c"]), tmp_path, 60)
        assert looked.found is not None
        assert looked.found.place.startswith(place)
        assert looked.found.sanitizer == sanitizer
        assert words in looked.found.words


@needs_runtime
def test_a_sound_program_is_not_called_undefined(tmp_path: Path) -> None:
    (tmp_path / "prog.c").write_text(ASKS)
    looked = look_for_undefined(TOOLCHAIN, program_from_files([tmp_path / "prog.c"]), tmp_path, 60)
    assert looked.found is None
    assert looked.with_[:2] == ("address,undefined", "memory")


def test_without_the_runtime_the_package_is_named_and_a_trap_still_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = sanitizers._call

    def without_runtime(command: Sequence[str], limits: Any) -> None:
        if "-fsanitize=address,undefined" in command:
            raise CompileError("clang: exit status 1", "ld: cannot find libclang_rt.asan.a: No such file")
        call(command, limits)

    monkeypatch.setattr(sanitizers, "_call", without_runtime)
    for text, found in ((OVERFLOWS, True), (ASKS, False)):
        (tmp_path / "prog.c").write_text(text)
        looked = look_for_undefined(TOOLCHAIN, program_from_files([tmp_path / "prog.c"]), tmp_path, 60)
        assert (looked.found is not None) is found
        assert f"libclang-rt-{TOOLCHAIN.major}-dev" in looked.left_out[-1]
        fault, reason = diagnosis._fault(looked, [b""])
        assert (fault, "compiler bug" in reason) == ("undefined behaviour" if found else "not known", False)
        assert f"libclang-rt-{TOOLCHAIN.major}-dev" in reason


@pytest.mark.parametrize(
    "text",
    [
        "==7==ERROR: LeakSanitizer: detected memory leaks\n",
        "==7==ERROR: AddressSanitizer: stack-overflow on address 0x7ff (pc 0x5)\n",
        "runtime error in line 4\n",
        "",
    ],
)
def test_what_is_no_fault_of_the_program_is_no_report(text: str) -> None:
    assert read_report(text, ["p.c"]) is None


def test_the_place_is_in_the_programs_own_files() -> None:
    text = (
        "hello\n==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x7c1 at pc 0x5 bp 0x7 sp 0x7\n"
        "READ of size 1 at 0x7c19621e001b thread T0\n"
        "    #0 0x55b2355d19d0 in memcpy /build/interceptors.inc:9:53\n"
        "    #1 0x55b2355d19d0 in main /home/me/p.c:9:53\n\n"
    )
    assert read_report(text, ["p.c"]) == Undefined("AddressSanitizer", "heap-buffer-overflow", "p.c:9:53")


def test_a_diagnosis_that_fails_costs_the_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no")

    monkeypatch.setattr(diagnosis, "look_for_undefined", fail)
    result = tuned(tmp_path, ASKS, ("without<indvars>",))
    assert result.failures == {"miscompile": 1}
    assert result.diagnosis == {}


def test_the_search_that_meets_no_miscompile_diagnoses_nothing(tmp_path: Path) -> None:
    assert tuned(tmp_path, OVERFLOWS, ("instcombine",)).diagnosis == {}
