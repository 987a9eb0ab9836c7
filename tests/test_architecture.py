"""Who may import whom, read from the sources themselves; and what stays light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "colt_llvm"

#: A part may import what has a lower rank, and its own modules. Of one rank: side by side, not of each other.
RANKS = {
    "core": 0, "objectives": 1,
    "llvm": 2, "search": 2,
    "program": 3, "models": 3, "testing": 3, "measure": 4,
    "decisions": 5,
    "env": 6, "proposal": 6,
    "evaluate": 7,
    "run": 8, "doctor": 8,
    "gym": 9, "analysis": 9, "compare": 9, "explain": 9, "cluster": 9, "training": 9,
    "experiments": 10, "report": 10, "builds": 10, "api": 10,
    "cli": 11,
}  # fmt: skip

#: What any module may take from the package itself.
ROOT_NAMES = {"__version__"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {module_name(path): path for path in sorted(PACKAGE.rglob("*.py")) if "_data" not in path.parts}


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """All that can run: what stands under ``if TYPE_CHECKING`` does not."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from walk(child)


@cache
def imports_of(module: str) -> frozenset[str]:
    """Every module that this one names in an import, wherever in it that stands."""
    path = modules()[module]
    found: set[str] = set()
    for node in walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module if path.name == "__init__.py" else module.rpartition(".")[0]
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [base])])
            names = {alias.name for alias in node.names}
            inner = {f"{base}.{name}" for name in names if f"{base}.{name}" in modules()}
            found |= inner
            if base != "colt_llvm" or names - ROOT_NAMES - {name.rpartition(".")[2] for name in inner}:
                found.add(base)
    return frozenset(found)


def ours(module: str) -> Iterator[str]:
    return (name for name in imports_of(module) if name.split(".")[0] == "colt_llvm")


def reached_from(module: str) -> set[str]:
    """All modules of ours that importing this one brings along: by way of others, and packages around them."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in modules():
            continue
        seen.add(name)
        waiting += ours(name)
        waiting.append(name.rpartition(".")[0])
    return seen


def test_every_part_has_a_rank() -> None:
    assert {part_of(module) for module in modules()} - {""} <= set(RANKS)


def test_the_package_is_not_cut_finer_than_it_was() -> None:
    """A new module takes the place of one that is no noun of its own."""
    assert len(modules()) <= 290


def test_imports_go_downward_only() -> None:
    wrong = []
    for module in modules():
        part = part_of(module)
        if not part:
            continue  # the package itself offers what it likes, as long as that is light
        for target in ours(module):
            other = part_of(target)
            if other != part and (not other or RANKS[other] >= RANKS[part]):
                wrong.append(f"{module} imports {target}")
    assert not wrong, "\n".join(wrong)


def test_the_search_imports_nothing_of_ours_but_errors() -> None:
    targets = {target for module in modules() if part_of(module) == "search" for target in ours(module)}
    assert {part_of(target) for target in targets} == {"search", "core"}


def test_the_search_imports_no_clock_and_no_network() -> None:
    named = {name.split(".")[0] for module in modules() if part_of(module) == "search" for name in imports_of(module)}
    assert not named & {"time", "datetime", "socket", "requests", "openai", "subprocess", "llvmlite", "compiler_gym"}


@pytest.mark.parametrize("module", ["session", "engine", "service"])
def test_what_runs_in_the_service_process_reaches_no_upper_part(module: str) -> None:
    reached = reached_from(f"colt_llvm.env.{module}")
    assert f"colt_llvm.env.{module}" in reached
    assert not {part_of(name) for name in reached} & {"search", "models", "cli", "run", "proposal"}


def test_llvm_knows_nothing_of_search_and_compiler_gym() -> None:
    for module in modules():
        if part_of(module) == "llvm":
            assert not {name.split(".")[0] for name in imports_of(module)} & {"compiler_gym", "gym", "grpc"}, module


def test_what_is_started_for_every_file_of_a_build_stays_light() -> None:
    heavy = {"compiler_gym", "openai", "matplotlib", "grpc"}
    for module in modules():
        if part_of(module) == "builds":
            assert not {name.split(".")[0] for name in imports_of(module)} & heavy, module


def loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint('LOADED', *sys.modules)"
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert child.returncode == 0, child.stderr
    return set(child.stdout.rpartition("LOADED ")[2].split())


def test_a_compiler_with_a_recipe_loads_no_more_than_it_needs() -> None:
    """It is started for every file of a build; on its light way it loads five modules of ours."""
    seldom = {"tempfile", "shutil", "uuid", "random", "platform", "elftools", "llvmlite", "concurrent", "logging"}
    without = loaded_by("import colt_llvm.builds.cc.wrapper")
    assert len([name for name in without if name.split(".")[0] == "colt_llvm"]) == 5
    assert not without & {"json", "pathlib", "signal", "subprocess", "dataclasses"}
    assert not loaded_by("import colt_llvm.builds.cc.tuned") & seldom
    assert not loaded_by("import colt_llvm.builds.whole_program.build") & seldom


HEAVY = {"compiler_gym", "gym", "grpc", "numpy", "openai", "matplotlib", "llvmlite"}


@pytest.mark.parametrize(
    "code",
    [
        "import colt_llvm",
        "from colt_llvm.cli.main import run; assert run(['--help']) == 0",
        "from colt_llvm.cli.main import run; assert run(['--version']) == 0",
        "from colt_llvm.cli.main import run; assert run(['tune', '--help']) == 0",
        "from colt_llvm.cli.main import run; assert run(['search', '--help']) == 0",
        "from colt_llvm.cli.main import run; assert run(['models', '--help']) == 0",
        "from colt_llvm.cli.main import run; assert run(['train', '--help']) == 0",
        "from colt_llvm.cli.main import run; assert run(['tune', '--objective', 'beauty']) == 2",
    ],
)
def test_the_package_and_the_help_are_light(code: str) -> None:
    loaded = loaded_by(code)
    assert "colt_llvm" in loaded
    assert not loaded & HEAVY


@pytest.mark.exhaustive
def test_every_file_of_tests_is_collected() -> None:
    """pytest leaves out folders of some names, and says nothing."""
    child = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", "tests"],
        capture_output=True, text=True, cwd=ROOT, timeout=120,
    )  # fmt: skip
    collected = {line.partition("::")[0] for line in child.stdout.splitlines()}
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")}
    skipped = {file for file in files - collected if "pytestmark" in (ROOT / file).read_text(encoding="utf-8")}
    assert files - collected - skipped == set()


def test_no_folder_of_tests_has_a_name_that_pytest_leaves_out(pytestconfig: pytest.Config) -> None:
    """The same without loading all of them."""
    left_out, named = pytestconfig.getini("norecursedirs"), pytestconfig.getini("python_files")
    for path in (ROOT / "tests").rglob("test_*.py"):
        folders = path.relative_to(ROOT).parts[:-1]
        assert not [folder for folder in folders for pattern in left_out if fnmatch(folder, pattern)], path
        assert any(fnmatch(path.name, pattern) for pattern in named), path


#: Private words, each of which has another in the field: proof, A/B test, verifier, remote worker, bundle ...
PRIVATE = re.compile(
    r"\b(contests?|run[- ]?offs?|judge[ds]?|workforce|lend|lending|hired|parcels?|fleets?|handovers?|lessons?"
    r"|workshops?|workbench(es)?|ideas?|claim(s|ed|ing)?|beats? itself|mend(s|ed|ing)?|as ever)\b",
    re.IGNORECASE,
)
#: What older runs and results hold is still read, and a random number is drawn by a word.
OLDER = ("idea_share", "run_off", '"claim"', "``claim``", '"contests"', '"idea"')
WITH_PRIVATE_WORDS = (Path(__file__), ROOT / "tests" / "cli" / "test_help.py")


def test_no_file_holds_a_private_word() -> None:
    found = []
    for place in ("colt_llvm", "benchmarks", "docs", "tools", "tests", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for path in [ROOT / place] if (ROOT / place).is_file() else sorted((ROOT / place).rglob("*.*")):
            if path.suffix not in (".py", ".md", ".txt", ".toml", ".js") or "_build" in path.parts:
                continue
            if path in WITH_PRIVATE_WORDS:
                continue
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                words = re.sub("(?<=[a-z])(?=[A-Z])", " ", line).replace("_", " ")
                if PRIVATE.search(words) and not any(word in line for word in OLDER):
                    found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found, "\n".join(found)
