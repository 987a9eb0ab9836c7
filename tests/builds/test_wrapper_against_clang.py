"""colt-cc does what clang does: every command with both, in the same folder, and all that they leave compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from wrapper_cases import CASES
from wrapper_helpers import Case, Seen, clang, compiler, environment, fill, prebuild, record, run

from colt_llvm.builds.cc.log import read_log


def cases(first: int) -> pytest.MarkDecorator:
    """By default one case in six from ``first`` on."""
    marks = [[] if place % 6 == first else [pytest.mark.exhaustive] for place in range(len(CASES))]
    return pytest.mark.parametrize("name", [pytest.param(name, marks=m) for name, m in zip(CASES, marks, strict=True)])


@pytest.fixture(scope="module")
def prebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("libraries") / "prebuilt"
    prebuild(folder)
    return folder


def with_clang(case: Case, folder: Path, prebuilt: Path, variables: dict[str, str]) -> Seen:
    fill(folder, prebuilt)
    return run([clang(case.cxx)], case, folder, variables)


@cases(0)
def test_without_recipes_it_is_clang(name: str, tmp_path: Path, prebuilt: Path) -> None:
    case, folder, variables = CASES[name], tmp_path / "work", environment(tmp_path)
    expected = with_clang(case, folder, prebuilt, variables)
    fill(folder, prebuilt)
    assert run(compiler(case.cxx), case, folder, variables) == expected


@cases(3)
def test_with_recipes_only_objects_differ(name: str, tmp_path: Path, prebuilt: Path) -> None:
    case, folder, log = CASES[name], tmp_path / "work", tmp_path / "log"
    variables = environment(tmp_path, COLT_LOG=str(log))
    expected = with_clang(case, folder, prebuilt, variables)
    fill(folder, prebuilt)
    record(case, folder, tmp_path / "scratch")
    seen = run(compiler(case.cxx), case, folder, variables)
    assert (seen.status, seen.stdout, seen.stderr) == (expected.status, expected.stdout, expected.stderr)
    (logged,) = read_log(log)
    assert bool(logged.recipe) == (case.recipe and expected.status == 0), logged.note
    assert {file: mode for file, (mode, _) in seen.files.items()} == {
        file: mode for file, (mode, _) in expected.files.items()
    }
    differing = {file for file in seen.files if seen.files[file] != expected.files[file]}
    made = {file for file, (_, content) in seen.files.items() if content.startswith(b"\x7fELF")}
    assert differing <= (made if case.recipe else set())


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.recipe][::16])
def test_a_broken_recipe_file_costs_a_line(name: str, tmp_path: Path, prebuilt: Path) -> None:
    case, folder, variables = CASES[name], tmp_path / "work", environment(tmp_path)
    expected = with_clang(case, folder, prebuilt, variables)
    fill(folder, prebuilt)
    file = record(case, folder, tmp_path / "scratch")
    assert file
    file.write_text("<<<<<<< HEAD\n")
    seen = run(compiler(case.cxx), case, folder, variables)
    ours = [line for line in seen.stderr.splitlines(keepends=True) if line.startswith("colt-cc: ")]
    assert len(ours) == 1
    assert Seen(seen.status, seen.stdout, seen.stderr.replace(ours[0], ""), seen.files) == expected
