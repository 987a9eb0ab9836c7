"""colt-llvm as plain ``pip install`` leaves it, without compiler_gym: one line that says what completes it."""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from colt_llvm.llvm.toolchain import find_toolchain

ROOT = Path(__file__).resolve().parents[2]
REMEDY = "compiler-gym is not installed; run: "


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All packages of this environment but compiler_gym."""
    folder = tmp_path_factory.mktemp("packages")
    found = importlib.util.find_spec("click")
    assert found is not None
    assert found.origin is not None
    for entry in Path(found.origin).parents[1].iterdir():
        if not entry.name.startswith(("compiler_gym", "colt_llvm", "__")) and entry.suffix != ".pth":
            (folder / entry.name).symlink_to(entry)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prog.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "Makefile").write_text("prog: prog.c\n\t$(CC) -O2 -o prog prog.c\n\techo built > built\n")
    return tmp_path


def python(packages: Path, folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clang = {"COLT_LLVM_PREFIX": str(find_toolchain().prefix)}  # without site there is no .venv, which may have it
    environment = {**os.environ, **clang, "PYTHONPATH": f"{ROOT}{os.pathsep}{packages}", **variables}
    return subprocess.run(
        [sys.executable, "-S", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    "command",
    [
        ["tune", "prog.c"],
        ["tune", "prog.c", "--objective", "size", "--strategy", "genetic", "--trials", "2"],
        ["tune", "--build", "make -B prog", "--run", "./prog"],
        ["prompt", "prog.c"],
        ["search", "--env", "gcc-v0", "--benchmark", "prog.c"],
        ["bench", "run", "minute", "-o", "results"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_command_that_needs_it_says_so_in_one_line(packages: Path, folder: Path, command: list[str]) -> None:
    before = sorted(folder.iterdir())
    done = python(packages, folder, "-m", "colt_llvm.cli.main", *command)
    assert (done.stdout, done.returncode) == ("", 3), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"colt-llvm: {REMEDY}")
    assert line.endswith("install --no-deps compiler-gym==0.2.5")
    assert sorted(folder.iterdir()) == before, "nothing was built"


@pytest.mark.parametrize("command", [["programs"], ["passes"], ["models"], ["recipes"], ["--help"], ["tune", "--help"]])
def test_a_command_that_does_not_need_it_works(packages: Path, folder: Path, command: list[str]) -> None:
    done = python(packages, folder, "-m", "colt_llvm.cli.main", *command)
    assert done.returncode == 0
    assert "compiler-gym" not in done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import colt_llvm; colt_llvm.tune('prog.c')",
        "import colt_llvm.env",
        "from colt_llvm.gym.run import *; run_search(EnvironmentOptions('gcc-v0'), SearchOptions(trials=1))",
    ],
)
def test_in_python_it_is_the_one_error_and_its_message_the_remedy(packages: Path, folder: Path, code: str) -> None:
    done = python(packages, folder, "-c", code)
    assert done.stderr.splitlines()[-1].startswith(f"colt_llvm.env.compat.CompilerGymMissing: {REMEDY}"), done.stderr
    assert done.stderr.count("Traceback") == 1, "no error of ours on the way"
    caught = f"try:\n    {code}\nexcept ImportError as error:\n    print(error, error.name, sep='\\n')"
    said, name = python(packages, folder, "-c", caught).stdout.splitlines()
    assert said.startswith(REMEDY)
    assert name == "compiler_gym"


def test_a_package_that_is_another_one_or_lacks_what_it_imports_is_told_apart(packages: Path, folder: Path) -> None:
    (folder / "compiler_gym").mkdir()
    (folder / "compiler_gym" / "__init__.py").write_text("")
    done = python(packages, folder, "-m", "colt_llvm.cli.main", "tune", "prog.c")
    (line,) = done.stderr.splitlines()
    assert "compiler-gym cannot be imported (" in line or "is not the file of compiler-gym 0.2.5" in line, line
    assert done.returncode == 3


@pytest.mark.parametrize("module", ["gym", "pydantic", "google.protobuf"])
def test_what_compiler_gym_needs_is_named_where_it_is_missing(folder: Path, module: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; from colt_llvm.cli.main import main; main(['tune', 'prog.c'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert line.startswith("colt-llvm: compiler-gym cannot be imported (")
    assert module in line
    assert done.returncode == 3


def test_the_error_travels_between_processes() -> None:
    from colt_llvm.env.compat import CompilerGymMissing

    again = pickle.loads(pickle.dumps(CompilerGymMissing("it is missing")))
    assert (str(again), again.name, again.exit_status) == ("it is missing", "compiler_gym", 3)


@pytest.mark.parametrize(
    "variable", ["CXX=ccache g++", "CXX=/nonexistent/c++", "CXX=", "CC=two words", "LC_ALL=de_DE.UTF-8", "LC_ALL=none"]
)
def test_variables_of_the_users_own_builds_do_not_matter_and_come_back(variable: str) -> None:
    pytest.importorskip("compiler_gym")
    name, _, value = variable.partition("=")
    code = "import os; before = dict(os.environ); import colt_llvm.env; assert before == dict(os.environ)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, name: value}, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
