"""The user's shell stays out: what is set there for other programs makes no command of ours fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

from colt_llvm.builds.cc.arguments import parse
from colt_llvm.builds.cc.compile import Unit
from colt_llvm.builds.recipes.record import Tuned, record_unit
from colt_llvm.builds.recipes.store import save_recipe as save_unit_recipe
from colt_llvm.llvm.elf import loaded_digest
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.program.program import program_from_files
from colt_llvm.program.recipe import Recipe, apply_recipe, save_recipe, source_digests

BIN = Path(sys.executable).parent

#: None: the variable is not set at all. {odd}: a folder with modules that are named as ours and others'.
VARIABLES: dict[str, dict[str, str | None]] = {
    "CC": {"CC": "ccache gcc -m64"},
    "CXX": {"CXX": "ccache g++"},
    "CXX that is none": {"CXX": "/nonexistent/c++"},
    "CFLAGS": {"CFLAGS": "-Wno-everything -DODD='1 2'", "CXXFLAGS": "-std=c++98"},
    "CPPFLAGS": {"CPPFLAGS": "-I/nonexistent -DODD"},
    "LDFLAGS": {"LDFLAGS": "-L/nonexistent", "LDLIBS": ""},
    "CPATH": {"CPATH": "/nonexistent::odd", "C_INCLUDE_PATH": "/nonexistent"},
    "LIBRARY_PATH": {"LIBRARY_PATH": "/nonexistent:", "LD_LIBRARY_PATH": "/nonexistent:{odd}"},
    "LD_PRELOAD": {"LD_PRELOAD": "/nonexistent/lib.so"},
    "PYTHONPATH": {"PYTHONPATH": "{odd}:/nonexistent"},
    "PYTHONWARNINGS": {"PYTHONWARNINGS": "error"},
    "PYTHONIOENCODING": {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    "PYTHONOPTIMIZE": {"PYTHONOPTIMIZE": "2"},
    "MAKEFLAGS": {"MAKEFLAGS": "-j3 --no-print-directory", "MAKELEVEL": "3"},
    "locale": {"LC_ALL": "xx_YY.odd", "LANG": "de_DE.ISO-8859-1", "LANGUAGE": "de:tr"},
    "TMPDIR": {"TMPDIR": "/nonexistent"},
    "TMPDIR in here": {"TMPDIR": "with a space"},
    "HOME": {"HOME": None, "USER": None, "LOGNAME": None},
    "HOME that is none": {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/dev/null", "XDG_CONFIG_HOME": "/dev/null"},
    "CCC_OVERRIDE_OPTIONS": {"CCC_OVERRIDE_OPTIONS": "O0 +-g"},
    "CC_PRINT_OPTIONS": {"CC_PRINT_OPTIONS": "1", "DEPENDENCIES_OUTPUT": "odd.d", "CC_PRINT_HEADERS": "1"},
    "terminal": {"TERM": "odd", "COLUMNS": "4", "LINES": "x", "NO_COLOR": "1", "FORCE_COLOR": "1"},
    "protobuf": {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python", "GRPC_VERBOSITY": "debug"},
    "proxy": {"http_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "all_proxy": "socks5://x:1"},
    "COLT_LEVEL": {"COLT_LEVEL": "Oz", "COLT_STRICT": "0", "COLT_DISABLE": "", "COLT_LOG": ""},
    "ulimits of others": {"MALLOC_PERTURB_": "85", "OMP_NUM_THREADS": "odd", "POSIXLY_CORRECT": "1"},
}

#: Command -> its words in the folder that ``folder`` makes. All of ``colt-llvm --help``.
COMMANDS: dict[str, Sequence[str]] = {
    "help": ("--help",),
    "tune": ("tune", "prog.c", "--objective", "size", "--trials", "1", "--workers", "1"),
    "tune --build": ("tune", "--build", "make", "--run", "./prog", "--objective", "size", "--trials", "1"),
    "apply": ("apply", "recipe.json", "prog.c", "-o", "tuned.o", "--strict"),
    "minimize": ("minimize", "recipe.json", "prog.c", "--seconds", "3"),
    "train": ("train", "--from", "colt-runs/prog-1", "--trials", "1", "--seeds", "1"),
    "report": ("report", "colt-runs/prog-1"),
    "recipes": ("recipes",),
    "bench": ("bench", "--help"),
    "search": ("search", "--env", "colt-llvm-v0", "--benchmark", "prog.c", "--reward", "IrInstructionCount",
               "--trials", "1"),
    "models": ("models",),
    "prompt": ("prompt", "prog.c"),
    "passes": ("passes",),
    "decisions": ("decisions", "prog.c"),
    "programs": ("programs",),
    "make-include": ("make-include",),
    "cmake-module": ("cmake-module",),
    "doctor": ("doctor", "--quick"),
}  # fmt: skip

PROGRAM = """
#include <stdio.h>
int main(void) {
    unsigned s = 1;
    for (int i = 0; i < 1000; i++) s = s * 1664525u + 1013904223u;
    return printf("%u\\n", s) < 0;
}
"""


def started(folder: Path, words: Sequence[str], odd: dict[str, str | None]) -> tuple[int, str]:
    """Exit status, and all that is said."""
    variables = {name: value for name, value in os.environ.items() if name not in odd}
    variables |= {name: value.replace("{odd}", str(folder / "odd")) for name, value in odd.items() if value is not None}
    done = subprocess.run(
        [BIN / "colt-llvm", *words], cwd=folder, env=variables, stdin=subprocess.DEVNULL, capture_output=True
    )
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


def made_in(folder: Path) -> Path:
    """A program, its Makefile, and a recipe for it."""
    (folder / "prog.c").write_text(PROGRAM)
    (folder / "Makefile").write_text("prog: prog.o\n\t$(CC) $(LDFLAGS) -o prog prog.o\n")
    (folder / "with a space").mkdir()
    odd = folder / "odd"
    for name in ("click", "numpy", "grpc", "google", "rich", "compiler_gym", "gym", "requests", "tomli", "yaml"):
        (odd / name).mkdir(parents=True)
        (odd / name / "__init__.py").write_text("raise SystemError('a module of somebody else')\n")
    program, toolchain = program_from_files([folder / "prog.c"]), find_toolchain()
    recipe = Recipe(
        "prog", "size", "Oz", ("sroa",), "function(sroa),default<O2>", (), (), toolchain.version, toolchain.triple,
        source_digests(program), (), (),
    )  # fmt: skip
    objects = tuple(map(loaded_digest, apply_recipe(recipe, toolchain, program)))
    save_recipe(Recipe(**{**vars(recipe), "objects": objects}), folder / "recipe.json")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made_in(tmp_path)


#: Of a command, made once for each worker: its folder, what is in it before the command runs, and the exit status with
#: nothing set.
Prepared = tuple[Path, frozenset[Path], int]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Prepared]:
    @cache
    def prepare(command: str) -> Prepared:
        folder = made_in(tmp_path_factory.mktemp("folder"))
        if command in ("report", "train"):
            assert started(folder, COMMANDS["tune"], {})[0] == 0
        before = frozenset(folder.rglob("*"))
        status, said = started(folder, COMMANDS[command], {})
        assert {"apply": 0, "recipes": 0}.get(command) in (None, status), said
        return folder, before, status

    return prepare


def behaves(prepared: Prepared, command: str, odd: dict[str, str | None]) -> None:
    folder, before, clean = prepared
    for path in sorted(folder.rglob("*"), reverse=True):  # what the command before left
        if path not in before:
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    status, said = started(folder, COMMANDS[command], odd)
    assert status == clean, said
    assert "Traceback" not in said
    assert "internal error" not in said.replace("an internal error, please report it", "")  # the status, in the help
    assert "a module of somebody else" not in said


@pytest.mark.parametrize("odd", ["TMPDIR", "LD_PRELOAD", "HOME that is none", "PYTHONPATH", "CPATH", "locale", "CC"])
def test_a_build_finds_its_recipe_whatever_is_set(folder: Path, odd: str) -> None:
    unit = Unit(parse(["-Oz", "-c", "prog.c", "-o", "prog.o"], False, str(folder)), folder)
    recipe = record_unit(
        folder, unit, find_toolchain(), Tuned(level="Oz", objective="size", sequence=("sroa",),
        pipeline="function(sroa),default<O1>", evidence={})
    )  # fmt: skip
    save_unit_recipe(folder, recipe)
    variables = {**os.environ, "COLT_LOG": str(folder / "log"), "COLT_STRICT": "1"} | {
        name: value.replace("{odd}", str(folder / "odd")) for name, value in VARIABLES[odd].items() if value is not None
    }
    done = subprocess.run(
        [BIN / "colt-cc", "-Oz", "-c", "prog.c", "-o", "prog.o"],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "log").read_text())["recipe"], done.stderr


@pytest.mark.needs("make")
@pytest.mark.parametrize("flags", ["-n", "-q", "CC=true"])
def test_flags_for_make_that_keep_a_build_from_compiling_are_named(folder: Path, flags: str) -> None:
    status, said = started(folder, COMMANDS["tune --build"], {"MAKEFLAGS": flags})
    assert status in (2, 4), said
    assert f"MAKEFLAGS={flags!r}" in said.splitlines()[-1]


#: Of each command one that would have hurt it, all the rest below.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "names"),
    [
        pytest.param("doctor", ["CXX", "PYTHONPATH", "locale", "PYTHONWARNINGS"], marks=pytest.mark.exhaustive),
        pytest.param(
            "tune",
            ["CXX", "CC", "LIBRARY_PATH", "TMPDIR", "CCC_OVERRIDE_OPTIONS", "HOME", "terminal"],
            marks=pytest.mark.exhaustive,
        ),
        ("tune --build", ["CXX", "CC", "MAKEFLAGS", "CC_PRINT_OPTIONS", "PYTHONPATH", "CPATH", "TMPDIR"]),
        ("apply", ["CCC_OVERRIDE_OPTIONS", "CPATH", "LD_PRELOAD", "locale", "TMPDIR", "PYTHONPATH"]),
        ("passes", ["PYTHONIOENCODING", "PYTHONOPTIMIZE", "HOME that is none", "terminal"]),
    ],
)
def test_a_command_behaves_whatever_is_set_at_once(
    prepared: Callable[[str], Prepared], command: str, names: list[str]
) -> None:
    behaves(prepared(command), command, {name: value for odd in names for name, value in VARIABLES[odd].items()})


@pytest.mark.exhaustive
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("odd", VARIABLES)
def test_each_command_behaves_with_each_variable(prepared: Callable[[str], Prepared], command: str, odd: str) -> None:
    behaves(prepared(command), command, VARIABLES[odd])


@pytest.mark.exhaustive
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_behaves_with_all_set_at_once(prepared: Callable[[str], Prepared], command: str) -> None:
    behaves(prepared(command), command, {name: value for odd in VARIABLES.values() for name, value in odd.items()})
