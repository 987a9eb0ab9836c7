"""Whatever is wrong is told in one line that says what to do, with the exit status that --help promises."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from colt_llvm.cli.main import run
from colt_llvm.llvm.toolchain import ANY_VARIABLE, PREFIX_VARIABLE, installed_toolchains

ROOT = Path(__file__).resolve().parents[2]
GOOD = '#include <stdio.h>\nint main(void) { puts("fine"); return 0; }\n'

Told = Callable[..., str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sound program in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(PREFIX_VARIABLE, raising=False)
    (tmp_path / "good.c").write_text(GOOD)
    return tmp_path


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str]) -> Told:
    """Run a command line that has to be refused; returns the one line that is said, without what clang says before."""

    def refuse(status: int, *arguments: str | Path, above: str | None = None) -> str:
        assert run([str(argument) for argument in arguments]) == status
        out, err = capfd.readouterr()
        assert out == ""
        lines = [line for line in err.splitlines() if not re.match(r"[\w./-]+: (runtime|size|instructions): ", line)]
        assert lines[-1].startswith("colt-llvm: ")
        if above is None:
            assert len(lines) == 1, err
        else:
            assert above in "\n".join(lines[:-1])
        assert "Traceback" not in err
        return lines[-1]

    return refuse


def tune(*arguments: str | Path) -> tuple[str | Path, ...]:
    return ("tune", "--objective", "size", "--trials", "1", "--workers", "1", *arguments)


# --- the command line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tune", "good.c", "--objective", "beauty"], "'beauty' is not one of 'runtime', 'size'"),
        (["tune", "good.c", "--trails", "5"], "No such option"),
        (["tune", "good.c", "--trials", "many"], "'many' is not a valid integer"),
        (["tune", "good.c", "--trials", "0"], "--trials 0: use 1 or more"),
        (["tune", "good.c", "--time", "-1"], "--time -1: use a number of seconds above 0"),
        (["tune", "good.c", "--time", "nan"], "--time nan: use a number of seconds above 0"),
        (["tune", "good.c", "--timeout", "0"], "--timeout 0: use a number of seconds above 0"),
        (["tune", "good.c", "--workers", "-2"], "--workers -2: use 1 or more"),
        (["tune", "good.c", "--worth", "-1"], "--stop-below -1.0: use 0 or more"),
        (["tune", "good.c", "--worth", "nan"], "--stop-below nan: use 0 or more"),
        (["tune", "good.c", "--memory", "-5"], "--memory: use 1 MiB or more"),
        (["tune", "good.c", "--objective", "balanced", "--weight", "runtime"], "--weight 'runtime': write a figure"),
        (["tune", "good.c", "--objective", "balanced", "--weight", "beauty=2"], "--weight 'beauty': is no figure"),
        (["tune", "good.c", "--objective", "balanced", "--weight", "size=-1"], "weights must be 0 or more"),
        (["tune", "good.c", "--objective", "size", "--weight", "size=1"], "weights do not apply to 'size'"),
        (["tune"], "name a program"),
        (["tune", "good.c", "--float-tolerance", "2"], "--float-tolerance 2: use a number from 0 to 1"),
        (["tune", "good.c", "--stdin", "gone.txt"], "--stdin gone.txt: no such file"),
        (["tune", "good.c", "--run", "./good"], "--run './good': write {exe} where the program belongs"),
        (["tune", "good.c", "--run", ""], "--run '': write {exe} where the program belongs"),
        (["tune", "good.c", "--run", "{exe} 'x"], "No closing quotation; check the quotes"),
        (["tune", "good.c", "--args", '"x'], "No closing quotation; check the quotes"),
        (["tune", "good.c", "--run", "{exe}", "--args", "1"], "--run says the whole command; leave out --args"),
        (["tune", "good.c", "--cflags", "-O2"], "--cflags -O2: leave it out; the level comes from --objective"),
        (["tune", "good.c", "--cflags", "-Wall -Ofast"], "--cflags -Ofast: leave it out"),
        (["tune", "gone.c"], "gone.c: no such file"),
        (["tune", "gone"], "gone: "),
        (["tune", "notes.txt"], "notes.txt: is not C, C++ or LLVM IR"),
        (["tune", "."], "program.toml: cannot be read (No such file or directory); name a C file or a folder"),
        (["tune", "good.c", "--harness", "gone.c"], "gone.c: no such file"),
        (["tune", "good.c", "--resume", "x"], "--resume goes on with the program of that run; leave out sources"),
        (["apply"], "Missing argument 'RECIPE'"),
        (["apply", "recipe.json"], "Missing option '-o'"),
        (["bake"], "No such command 'bake'"),
        (["programs", "--split", "test"], "'test' is not one of 'train', 'held-out'"),
    ],
)
def test_a_command_line_that_cannot_be_used(told: Told, here: Path, arguments: list[str], said: str) -> None:
    (here / "notes.txt").touch()
    assert said in told(2, *arguments)
    assert not (here / "colt-runs").exists()


def test_an_empty_command_line_shows_the_help() -> None:
    child = subprocess.run(
        [sys.executable, "-m", "colt_llvm.cli.main"], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert child.returncode in (0, 2)
    assert "Usage: colt-llvm" in child.stdout + child.stderr
    assert "Traceback" not in child.stderr


# --- the toolchain


def test_a_prefix_without_clang(told: Told, here: Path) -> None:
    for command in (tune("good.c"), ("passes",)):
        said = told(3, *command, "--llvm-prefix", here)
        assert "holds no bin/clang; --llvm-prefix takes a folder such as /usr/lib/llvm-22" in said


def test_a_prefix_of_a_version_that_is_too_old(told: Told, here: Path) -> None:
    (here / "bin").mkdir()
    clang = here / "bin" / "clang"
    clang.write_text("#!/bin/sh\necho 'clang version 11.0.1'\necho 'Target: x86_64-linux'\n")
    clang.chmod(0o755)
    assert "is version 11.0.1; use LLVM 16 to 23" in told(3, *tune("good.c"), "--llvm-prefix", here)


def test_a_version_newer_than_the_known_ones_is_tried_when_asked_for(
    told: Told, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "bin").mkdir()
    clang = here / "bin" / "clang"
    clang.write_text("#!/bin/sh\necho 'clang version 24.1.0'\necho 'Target: x86_64-linux'\n")
    clang.chmod(0o755)
    monkeypatch.delenv(ANY_VARIABLE, raising=False)
    said = told(3, *tune("good.c"), "--llvm-prefix", here)
    assert "is version 24.1.0, which is newer than all that were tried; use LLVM 16 to 23" in said
    monkeypatch.setenv(ANY_VARIABLE, "")  # put back at the end, whatever the option sets
    assert "its libLLVM was not found" in told(3, *tune("good.c"), "--llvm-prefix", here, "--llvm-any")


# --- the program


@pytest.mark.parametrize("objective", ["runtime", "size", "instructions"])
def test_a_source_that_does_not_compile(told: Told, here: Path, objective: str) -> None:
    (here / "bad.c").write_text("int main(void) { return missing; }\n")
    said = told(4, "tune", "bad.c", "--objective", objective, above="bad.c:1:25: error: use of undeclared identifier")
    assert "does not compile (exit status 1): " in said
    assert "bad.c" in said


def test_a_program_without_main(told: Told, here: Path) -> None:
    (here / "part.c").write_text("int part(int x) { return x; }\n")
    for command in (tune("part.c"), ("compare", "part.c", "--json")):
        assert "have no main" in (said := told(4, *command))
        assert "give all sources of the program" in said
        assert "--harness" in said


def test_a_program_that_does_not_link(told: Told, here: Path) -> None:
    (here / "half.c").write_text("int other(void);\nint main(void) { return other(); }\n")
    said = told(4, *tune("half.c"), above="half.c:(")
    assert "does not link, for other is defined nowhere; give all sources of the program" in said


@pytest.mark.parametrize("suffix", [".ll", ".bc"])
def test_ir_that_is_none(told: Told, here: Path, suffix: str) -> None:
    (here / f"x{suffix}").write_text("nonsense")
    assert "does not compile" in told(4, *tune(f"x{suffix}"), above="error: ")


@pytest.mark.parametrize(
    ("body", "options", "said"),
    [
        ("__builtin_trap();", [], "the baseline dies of SIGILL; fix the program or its arguments"),
        ("volatile int *p = 0; return *p;", [], "the baseline dies of SIGSEGV"),
        ("for (;;) sleep(1);", ["--timeout", "0.3"], "never ends within 0.3 s; "),
        ('printf("%ld\\n", (long)time(0));', [], "differs from run to run"),
        ("return getchar() == EOF ? 4 : 0;", [], "standard input is empty and there is no terminal"),
        ('fputs("give me a number\\n", stderr); return 3;', [], 'exit status 3 and says "give me a number"'),
        ("return 3;", [], "allow a nonzero status"),
        ("for (;;) puts(\"again and again\");", ["--timeout", "20"], "prints more than"),
        ('FILE *f = fopen("gone.txt", "r"); char c = fgetc(f); return c;', [], "dies of SIGSEGV"),
    ],
)  # fmt: skip
def test_a_program_that_cannot_be_verified(told: Told, here: Path, body: str, options: list[str], said: str) -> None:
    headers = "".join(f"#include <{name}.h>\n" for name in ("stdio", "time", "unistd"))
    (here / "odd.c").write_text(f"{headers}int main(void) {{ {body} return 0; }}\n")
    line = told(5, *tune("odd.c"), *options)
    assert line.startswith("colt-llvm: workload default: ")
    assert said in line
    assert not (here / "colt-runs").exists()


def test_the_time_of_what_is_over_at_once_cannot_be_verified(told: Told) -> None:
    assert "cannot be timed; give it more work" in told(5, "tune", "good.c", "--objective", "runtime", "--trials", "1")


def test_a_missing_output_file_is_told(told: Told) -> None:
    said = told(5, *tune("good.c"), "--output-file", "gone.bin")
    assert "writes no file gone.bin; correct the name, or leave it out" in said


# --- where things are written


def test_an_output_in_a_folder_that_is_not_there(told: Told, here: Path) -> None:
    said = told(6, *tune("good.c"), "-o", "missing/out")
    assert said == "colt-llvm: -o missing/out: there is no folder missing; make it, or choose another place"
    assert not (here / "colt-runs").exists(), "and nothing was searched for"


def test_an_output_that_is_a_folder_or_one_object_of_several(told: Told, here: Path) -> None:
    assert "-o .: is a folder; name a file" in told(2, *tune("good.c"), "-o", ".")
    (here / "more.c").write_text("int more;\n")
    said = told(2, *tune("good.c", "more.c"), "-o", "out.o")
    assert "several sources give several objects; name an executable" in said


def test_a_run_folder_that_cannot_be_made(told: Told) -> None:
    said = told(6, *tune("good.c"), "--run-dir", "/proc/colt-run")
    assert "/proc/colt-run: " in said
    assert "choose a folder that can be written" in said


def test_a_run_folder_that_holds_a_run(told: Told, here: Path) -> None:
    (here / "run").mkdir()
    (here / "run" / "run.json").write_text("{}")
    assert "holds a run already; go on with --resume, or choose another" in told(6, *tune("good.c"), "--run-dir", "run")


def test_a_full_disk(told: Told, here: Path) -> None:
    (here / "run").mkdir()
    (here / "run" / "trials.jsonl").symlink_to("/dev/full")
    said = told(6, *tune("good.c"), "--run-dir", "run")
    assert said == "colt-llvm: run: No space left on device; free some space, or choose a folder that can be written"


def test_temporary_files_that_cannot_be_written(told: Told, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    def refuse(*_: object, **__: object) -> str:
        raise OSError(28, os.strerror(28), str(here / "colt-x"))

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    said = told(6, *tune("good.c"))
    assert "colt-x: No space left on device; free some space, or use folders that can be written (TMPDIR" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "holds no run (no run.json); name the folder that tune made"),
        ("{", "run.json: cannot be read"),
        ('{"version": 99}', "was not written by this version"),
        ('{"version": 1}', "run.json: is damaged ('program'); start a new run"),
    ],
)
def test_going_on_with_what_is_no_run(told: Told, here: Path, content: str | None, said: str) -> None:
    (here / "run").mkdir()
    if content is not None:
        (here / "run" / "run.json").write_text(content)
    assert said in told(6, "tune", "--resume", "run")


# --- recipes


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read (No such file or directory); name a recipe.json that tune wrote"),
        ("{", "is not JSON"),
        ("{}", "is not a colt-llvm recipe"),
        ('{"kind": "colt-llvm recipe", "version": 7}', "recipe version 7 is none of (1, 2); tune again"),
        ('{"kind": "colt-llvm recipe", "version": 1, "level": "O3"}', "is damaged"),
    ],
)
def test_a_recipe_that_cannot_be_read(told: Told, here: Path, content: str | None, said: str) -> None:
    if content is not None:
        (here / "recipe.json").write_text(content)
    assert said in told(7, "apply", "recipe.json", "good.c", "-o", "out")


def write_recipe(here: Path, llvm: str) -> Path:
    path = here / "recipe.json"
    texts = dict.fromkeys(("program", "objective", "triple"), "x")
    lists: dict[str, list[str]] = {name: [] for name in ("sequence", "cflags", "ldflags", "objects", "opt")}
    data = {"kind": "colt-llvm recipe", "version": 1, "level": "Oz", "pipeline": "default<O2>", "llvm": llvm}
    path.write_text(json.dumps({**data, **texts, **lists, "sources": {}}))
    return path


def test_a_recipe_of_another_llvm(told: Told, here: Path) -> None:
    recipe = write_recipe(here, "17.0.6")
    said = told(7, "apply", recipe, "good.c", "-o", "out")
    assert "was made with LLVM 17" in said
    assert "use --llvm-prefix with LLVM 17, or tune again" in said
    assert not (here / "out").exists()


def test_a_recipe_that_does_not_fit_strictly(told: Told, here: Path) -> None:
    recipe = write_recipe(here, installed_toolchains()[0].version)
    said = told(7, "apply", recipe, "good.c", "-o", "out", "--strict")
    assert "does not fit: good.c: the recipe does not know this file" in said
    assert not (here / "out").exists()


def test_a_recipe_of_another_program(told: Told, here: Path) -> None:
    recipe = write_recipe(here, installed_toolchains()[0].version)
    recipe.write_text(json.dumps({**json.loads(recipe.read_text()), "sources": {"other.c": "0" * 32}}))
    said = told(7, "apply", recipe, "good.c", "-o", "out")
    assert "recipe.json: does not fit: it is of other.c, not of good.c; tune that program" in said
    assert not (here / "out").exists()
    assert run(["apply", str(recipe), "good.c", "-o", "out", "--any-program"]) == 0
    assert (here / "out").exists()


@pytest.mark.parametrize("command", ["minimize", "annotate", "guard"])
def test_a_recipe_that_is_not_there_is_told_before_anything_is_loaded(here: Path, command: str) -> None:
    code = "import sys; from colt_llvm.cli.main import run; print(run(sys.argv[1:]), 'compiler_gym' in sys.modules)"
    child = subprocess.run(
        [sys.executable, "-c", code, command, "gone.json"], capture_output=True, text=True, cwd=here,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60,
    )  # fmt: skip
    assert child.stdout == "7 False\n"
    assert child.stderr.startswith("colt-llvm: gone.json: cannot be read (No such file or directory); name a recipe")


def test_applying_to_what_is_not_there(told: Told, here: Path) -> None:
    recipe = write_recipe(here, installed_toolchains()[0].version)
    assert "gone.c: no such file" in told(2, "apply", recipe, "gone.c", "-o", "out")
    assert "name a program" in told(2, "apply", recipe, "-o", "out")
    assert "there is no folder missing" in told(6, "apply", recipe, "good.c", "-o", "missing/out")


# --- as a process


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["tune", "gone.c"], 2), (["tune", "--resume", "."], 6), (["apply", "x", "y", "-o", "z"], 7)],
)
def test_the_process_ends_with_that_status(here: Path, arguments: list[str], status: int) -> None:
    child = subprocess.run(
        [sys.executable, "-m", "colt_llvm.cli.main", *arguments], capture_output=True, text=True, cwd=here,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60,
    )  # fmt: skip
    assert child.returncode == status
    assert len(child.stderr.splitlines()) == 1
    assert child.stderr.startswith("colt-llvm: ")
    assert child.stdout == ""


# --- one rule for a command, wherever it is said


@pytest.mark.parametrize("command", ["{exe} < in.txt", "{exe} 3 | sort", "{exe} $(cat in.txt)", "{exe} a; {exe} b"])
@pytest.mark.parametrize("way", ["tune", "args", "build", "test", "minimize"])
def test_what_needs_a_shell_is_refused_on_every_path(told: Told, here: Path, way: str, command: str) -> None:
    (here / "in.txt").write_text("some input")
    (here / "recipe.json").write_text("{}")
    words = {
        "tune": (*tune("good.c"), "--run", command),
        "args": (*tune("good.c"), "--args", command.removeprefix("{exe} ")),
        "build": (*tune(), "--build", "make", "--run", command.replace("{exe}", "./good")),
        "test": (*tune(), "--build", "make", "--run", "./good", "--test", command.replace("{exe}", "./good")),
        "minimize": ("minimize", "recipe.json", "good.c", "--run", command),
    }[way]
    remedy = "write a script, and name that" if way == "test" else "use --stdin for input, or write a script"
    assert f"needs a shell, and none is used; {remedy}" in told(2, *words)
    assert not (here / "colt-runs").exists()


def test_input_goes_with_a_command(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As --build takes it: what the refusal of a redirection says to do works."""
    (here / "in.txt").write_text("some input")
    (here / "echo.c").write_text(
        "#include <stdio.h>\nint main(void) { return getchar() == 's' ? puts(\"read\") < 0 : 3; }\n"
    )
    assert run([*map(str, tune("echo.c")), "--run", "{exe} 1", "--run", "{exe} '2<3'", "--stdin", "in.txt"]) == 0
    assert json.loads((here / "colt-runs/echo-1/run.json").read_text())["program"]["workloads"][1]["command"] == [
        "{exe}", "2<3",
    ]  # fmt: skip
