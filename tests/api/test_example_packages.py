"""An objective, a strategy, a model and a check of packages of their own: installed, and found by name."""

from __future__ import annotations

import json
import lzma
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from colt_llvm.cli.main import run
from colt_llvm.llvm.toolchain import find_toolchain

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
PACKAGES = ("objective-xz", "strategy-annealing", "model-leave-out", "check-roots")
TUNE = [sys.executable, "-m", "colt_llvm.cli.main", "tune", "words.c", "--workers", "1", "--json"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the packages are installed, as pip does it, without a network."""
    sources, place = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("site")
    for name in PACKAGES:
        shutil.copytree(EXAMPLES / name, sources / name)
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", place, *(sources / name for name in PACKAGES)], check=True, timeout=120)
    return place


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(EXAMPLES / "words.c", tmp_path)
    return tmp_path


def told(command: list[str], folder: Path, site: Path | None) -> subprocess.CompletedProcess[str]:
    path = {"PYTHONPATH": os.pathsep.join(filter(None, [str(site or ""), os.environ.get("PYTHONPATH", "")]))}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env={**os.environ, **path}, timeout=280
    )  # fmt: skip


def tuned(folder: Path, site: Path | None, *options: str) -> dict[str, Any]:
    child = told([*TUNE, *options], folder, site)
    assert child.returncode == 0, child.stderr
    found: dict[str, Any] = json.loads(child.stdout)
    return found


def xz(place: Path) -> int:
    return len(lzma.compress(place.read_bytes()))


@pytest.mark.slow
def test_an_objective_looks_at_the_objects_and_a_strategy_searches_for_it(folder: Path, site: Path) -> None:
    options = ("--objective", "xz", "--strategy", "annealing", "--run-dir", "run", "--trials")
    result = tuned(folder, site, *options, "12", "-o", "words.o")
    assert (result["objective"], result["baseline"]) == ("xz", "clang -Oz")
    assert "proposed by strategy annealing, no model" in result["notes"]
    baseline, kept = result["figures"]["xz"]
    clang = find_toolchain(None).clang
    subprocess.run([clang, "-Oz", "-c", "words.c", "-o", "plain.o"], cwd=folder, check=True, timeout=60)
    assert baseline == xz(folder / "plain.o")
    assert kept == xz(folder / "words.o")
    assert kept <= baseline

    trials = [json.loads(line) for line in (folder / "run" / "trials.jsonl").read_text().splitlines()]
    assert all(trial["outcome"]["figures"]["xz"] > 0 for trial in trials if trial["outcome"]["reward"] is not None)
    longer = told([*TUNE[:4], "--resume", "run", "--trials", "14", "--json"], folder, site)
    assert json.loads(longer.stdout)["trials"] == 14
    page = told([*TUNE[:3], "report", "run"], folder, site)
    assert page.returncode == 0, page.stderr

    missing = told([*TUNE[:4], "--resume", "run", "--trials", "16", "--json"], folder, None)
    assert missing.returncode != 0
    assert "xz" in missing.stderr.splitlines()[-1]


@pytest.mark.slow
def test_without_an_installation_they_are_named_by_their_modules(folder: Path) -> None:
    for name in PACKAGES:
        for module in (EXAMPLES / name).glob("colt_*.py"):
            shutil.copy(module, folder)
    result = tuned(
        folder, None, "--objective", "colt_xz:XZ", "--models", "colt_leave_out:LEAVE_OUT,embedded/base", "--trials", "8"
    )
    assert result["objective"] == "xz"
    assert result["models"]["models"]["leave-out"]["answers"] > 0


def test_a_check_decides_in_place_of_a_comparison_that_the_program_would_not_pass(folder: Path, site: Path) -> None:
    shutil.copy(EXAMPLES / "newton.c", folder)
    command = [*TUNE[:4], "newton.c", "--objective", "size", "--trials", "3", "--workers", "1", "--json"]
    refused = told(command, folder, site)
    assert refused.returncode == 5
    assert "differs from run to run" in refused.stderr
    found = told([*command, "--check", "roots", "--run-dir", "run"], folder, site)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["compared"]["what"] == ["exit status", "check roots_are_right"]
    longer = told([*TUNE[:4], "--resume", "run", "--trials", "4", "--json"], folder, site)
    assert json.loads(longer.stdout)["trials"] == 4


def test_the_model_is_listed_by_its_kind(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "colt-llvm").mkdir()
    (tmp_path / "colt-llvm" / "models.toml").write_text(
        '[[model]]\nname = "mine"\nkind = "leave-out"\nparameters = 2e6\n'
    )
    child = told([*TUNE[:3], "models"], tmp_path, site)
    assert "mine" in child.stdout, child.stderr
    assert "leaves out what paid before" in child.stdout


def test_the_strategy_passes_the_suite(site: Path, tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "strategy-annealing" / "test_annealing.py", tmp_path)
    child = told([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_annealing.py"], tmp_path, site)
    assert child.returncode == 0, child.stdout
    assert " passed" in child.stdout


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (("--objective", "colt_none:XZ"), "colt_none:XZ: cannot be loaded (ModuleNotFoundError"),
        (("--objective", "math:pi"), "name an Objective or a cost function"),
        (("--strategy", "math:pi"), "name a class that is made of a run's Task"),
        (("--strategy", "math:sqrt", "--objective", "size"), "math:sqrt: cannot be made of a run's Task (TypeError"),
        (("--models", "math:pi"), "name a DeclaredKind"),
        (("--check", "math:pi"), "name an OwnCheck or a function of a ProgramRun"),
        (("--check", "no-such"), "--check 'no-such': is not known; install its package, or name your own"),
    ],
)
def test_what_is_none_is_refused_in_one_line(
    folder: Path, options: tuple[str, ...], remedy: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run([*TUNE[3:], *options, "--trials", "1"]) == 2
    err = capfd.readouterr().err
    assert remedy in err.splitlines()[-1]
    assert "Traceback" not in err
