"""The commands beside tune and apply, and what a reader of their output meets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from colt_llvm import doctor
from colt_llvm.cli.main import EXIT_STATUSES, run
from colt_llvm.core.errors import ColtError
from colt_llvm.llvm.toolchain import installed_toolchains
from colt_llvm.program.program import included_programs, program_from_files

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("tune", "apply", "search", "models", "prompt", "passes", "programs", "doctor")


def test_help_names_every_command_and_every_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    for word in (*COMMANDS, "Exit status:"):
        assert word in text

    def statuses(kind: type[ColtError]) -> set[int]:
        return {kind.exit_status}.union(*map(statuses, kind.__subclasses__()))

    assert all(f"\n  {status}  " in EXIT_STATUSES for status in statuses(ColtError))


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("-h", "--help"):
        assert run([name, flag]) == 0
        assert f"Usage: colt-llvm {name}" in capsys.readouterr().out


def test_lists_the_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["programs"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(included_programs())
    assert run(["programs", "--split", "held-out"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [program.name for program in included_programs("held-out")]


@pytest.mark.parametrize("toolchain", installed_toolchains(), ids=lambda toolchain: f"llvm-{toolchain.major}")
def test_lists_the_passes_of_each_llvm(toolchain: object, capsys: pytest.CaptureFixture[str]) -> None:
    prefix = ["--llvm-prefix", str(toolchain.prefix)]  # type: ignore[attr-defined]
    assert run(["passes", "--search", "licm", "--pipelines", *prefix]) == 0
    out, err = capsys.readouterr()
    assert "function(loop-mssa(licm))" in out
    assert f"LLVM {toolchain.version}" in err  # type: ignore[attr-defined]
    assert run(["passes", "--json", *prefix]) == 0
    actions = json.loads(capsys.readouterr().out)
    assert {"name", "pipeline", "summary", "risk"} <= set(actions[0])
    assert len(actions) > 100


def test_nothing_found_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["passes", "--search", "no-such-word-anywhere"]) == 0
    assert capsys.readouterr().out == ""


def test_the_doctor_finds_nothing_fatal_here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "small.c").write_text("int main(void) { return 0; }\n")
    few = [program_from_files([tmp_path / "small.c"])] * 6
    monkeypatch.setattr(doctor, "included_programs", lambda: few)
    assert run(["doctor", "--quick"]) == 0
    out = capsys.readouterr().out
    assert "FAIL" not in out
    assert "clang" in out
    assert "the CompilerGym environment answers" in out
    lines = out.splitlines()
    assert all(line[:5].strip() in ("ok", "note", "") for line in lines)
    notes = [index for index, line in enumerate(lines) if line.startswith("note")]
    assert all(lines[index + 1].strip().startswith("->") for index in notes), "each note says what to do"


@pytest.mark.parametrize(("flag", "mark", "said"), [
    ("-nostdinc", "FAIL", "a C program does not compile and run: "),
    ("-nostdinc++", "note", "a C++ program does not compile and run: "),
])  # fmt: skip
def test_the_doctor_says_which_headers_are_missing(
    flag: str, mark: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    toolchain = installed_toolchains()[0]
    for name, real in (("clang", toolchain.clang), ("clang++", toolchain.clangxx)):
        (tmp_path / name).write_text(f'#!/bin/sh\nexec {real} {flag} "$@"\n')
        (tmp_path / name).chmod(0o755)
    broken = replace(toolchain, clang=tmp_path / "clang", clangxx=tmp_path / "clang++")
    monkeypatch.setattr(doctor, "find_toolchain", lambda prefix: broken)
    monkeypatch.setattr(doctor, "included_programs", list)
    monkeypatch.setattr(doctor, "_look_at_harness", lambda *_: [])
    assert (run(["doctor", "--quick"]) == 3) == (mark == "FAIL")
    lines = capsys.readouterr().out.splitlines()
    index = next(index for index, line in enumerate(lines) if said in line)
    assert lines[index].startswith(mark)
    assert "apt-get install" in lines[index + 1] or "bin/" in lines[index + 1]


def test_the_doctor_says_what_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["doctor", "--llvm-prefix", str(tmp_path)]) == 3
    assert "FAIL toolchain\n     -> " in capsys.readouterr().out


def test_a_reader_that_is_gone_is_no_error(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "colt_llvm.cli.main", "passes", "--json"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=environment)
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    assert b"Traceback" not in child.stderr.read()
    assert child.wait(30) == 0
    child.stderr.close()


def test_a_name_in_brackets_is_a_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "odd [red]name.c"
    source.write_text("int main(void) { return 0; }\n")
    arguments = ["--objective", "size", "--trials", "1", "--workers", "1", "--run-dir", str(tmp_path / "[blue]")]
    assert run(["tune", str(source), *arguments, "-o", str(tmp_path / "[b]out")]) == 0
    out, err = capfd.readouterr()
    assert "odd [red]name: no improvement found" in out
    assert "odd [red]name: size: " in err
    assert f"written: {tmp_path}/[b]out" in out


def test_resume_refuses_what_belongs_to_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tune", "--resume", str(tmp_path), "--objective", "size"]) == 2
    assert "leave out --objective" in capsys.readouterr().err
    assert run(["tune", "--resume", str(tmp_path), "--trials", "5"]) == 6  # allowed; there is just no run
