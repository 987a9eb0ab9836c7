"""Code for another processor: the harness gives clang's own object, and what would say nothing is refused."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from colt_llvm.cli.main import run
from colt_llvm.cli.options import program_of
from colt_llvm.core.errors import CompileError, ToolchainError, UsageError
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import prepare_target
from colt_llvm.llvm.elf import loaded_digest, read_object
from colt_llvm.llvm.processor import code_generator, initialise, link_flags, named_target
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.program.program import Program, program_from_files

pytestmark = pytest.mark.llvm

LIBRARY = """
int table[64];
int walk(const int *values, int count) {
    int sum = 0;
    for (int i = 0; i < count; i++) sum = (sum * 31 + values[i] % 7) ^ (table[i & 63] >> 3);
    return sum;
}
double mean(const double *values, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += values[i];
    return sum / count;
}
"""
MAIN = """
#include <stdio.h>
int main(int argc, char **argv) { table[3] = argc; return printf(argv[1], walk(table, 9)) < 2; }
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    source = tmp_path / "lib.c"
    source.write_text(LIBRARY)
    return source


def skip_without(triple: str) -> None:
    """A clang may be built for its own processor alone, as that of PyPI is."""
    said = subprocess.run([find_toolchain().clang, "--print-targets"], capture_output=True, text=True, check=True)
    if code_generator(triple).lower() not in said.stdout.lower():
        pytest.skip(f"this clang generates no code for {triple}")


def for_processor(library: Path, triple: str) -> Program:
    return program_from_files([library], cflags=[f"--target={triple}"])


@pytest.mark.parametrize(("triple", "machine"), [("riscv64-linux-gnu", "EM_RISCV"), ("thumbv7m-none-eabi", "EM_ARM")])
def test_without_changes_it_is_clangs_own_object(library: Path, triple: str, machine: str) -> None:
    skip_without(triple)
    toolchain = find_toolchain()
    target = prepare_target(toolchain, for_processor(library, triple), TuneOptions(objective="size"))
    place = library.with_suffix(".o")
    subprocess.run([toolchain.clang, f"--target={triple}", "-Oz", "-c", library, "-o", place], check=True)
    assert read_object(place.read_bytes())[0].machine == machine
    assert target.baseline.objects == (place.read_bytes(),)
    (ours,) = target.rebuild(target.sequences.pipeline(())).objects
    assert loaded_digest(ours) == loaded_digest(place.read_bytes())


def test_a_runner_stands_before_every_run(tmp_path: Path) -> None:
    source = tmp_path / "prog.c"
    source.write_text(LIBRARY)
    given = {"sources": [str(source)], "runs": ("{exe} 1", "sh test.sh {exe}"), "runner": "qemu-arm -L '/a b'"}
    program = program_of({**given, "target": "arm-linux-gnueabi", "cflags": ("-g",), "output_files": ()})
    assert program.cflags == ("--target=arm-linux-gnueabi", "-g")
    runner = ("qemu-arm", "-L", "/a b")
    assert [workload.command for workload in program.workloads] == [
        (*runner, "{exe}", "1"), (*runner, "sh", "test.sh", "{exe}"),
    ]  # fmt: skip


@pytest.mark.exhaustive
@pytest.mark.needs("qemu-aarch64", "aarch64-linux-gnu-gcc")
def test_outputs_are_checked_in_an_emulator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, output = tmp_path / "prog.c", tmp_path / "prog"
    source.write_text(LIBRARY + MAIN)
    runner = "qemu-aarch64 -L /usr/aarch64-linux-gnu"
    command = ["tune", str(source), "--target", "aarch64-linux-gnu", "--objective", "size", "--trials", "2"]
    command += ["--workers", "1", "--args", "sum=%d", "--run-dir", str(tmp_path / "run"), "-o", str(output)]
    assert run([*command, "--runner", runner]) == 0
    assert "compared: exit status, standard output" in capsys.readouterr().out
    shown = subprocess.run([*runner.split(), output, "sum=%d"], check=True, capture_output=True).stdout
    assert shown.startswith(b"sum=")
    if not os.path.exists("/proc/sys/fs/binfmt_misc/qemu-aarch64"):  # else this machine runs it by itself
        assert run([*command[:-4], "--run-dir", str(tmp_path / "other")]) == 2
        assert '--runner "qemu-aarch64 -L /usr/aarch64-linux-gnu"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "aarch64-linux-gnu"], "what takes time under an emulator is no processor's"),
        (["--runner", "qemu-x86_64"], "--runner: times of what runs in it would be its own"),
        (["--runner", "qemu-arm", "--unchecked", "--objective", "size"], "PROGRAM is not run; leave out --runner"),
    ],
)
def test_what_would_prove_nothing_is_refused(
    library: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["tune", str(library), "--trials", "1", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_what_lacks_is_named(library: Path) -> None:
    toolchain = find_toolchain()
    library.write_text("#include <no-such-header-of-this-system.h>\n")
    with pytest.raises(CompileError, match=r"install the tools for s390x-linux-gnu \(Debian.* gcc-s390x-linux-gnu\)"):
        prepare_target(toolchain, for_processor(library, "s390x-linux-gnu"), TuneOptions(objective="size"))
    with pytest.raises(ToolchainError, match="xtensa-none-elf: this processor is not supported"):
        initialise(toolchain.library, "xtensa-none-elf")
    with pytest.raises(UsageError, match="use --objective size"):
        prepare_target(toolchain, for_processor(library, "arm-linux-gnueabi"), TuneOptions(objective="runtime"))


@pytest.mark.parametrize(
    ("cflags", "triple", "link"),
    [
        ([], "", ()),
        (["-g", "-target"], "", ()),
        (["-march=native", "-mcpu=x"], "", ()),
        (["-target", "armv7a-linux-gnueabihf"], "armv7a-linux-gnueabihf", ("--target=armv7a-linux-gnueabihf",)),
        (["--target=a", "-mabi=lp64", "-g", "--target=riscv64-linux-gnu", "--sysroot=/x"], "riscv64-linux-gnu",
         ("--target=riscv64-linux-gnu", "-mabi=lp64", "--sysroot=/x")),
    ],
)  # fmt: skip
def test_the_link_is_told_the_processor(cflags: list[str], triple: str, link: tuple[str, ...]) -> None:
    assert named_target(cflags) == triple
    assert link_flags(cflags) == link


def test_names_of_processors_are_llvms_own() -> None:
    names = {"x86_64-pc-linux-gnu": "X86", "i686-linux": "X86", "arm64-x": "AArch64", "thumbv6m-none-eabi": "ARM",
             "riscv32-elf": "RISCV", "wasm32-wasi": ""}  # fmt: skip
    assert {triple: code_generator(triple) for triple in names} == names
