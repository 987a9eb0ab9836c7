"""gcc-v0, which comes with compiler_gym, on a C file and the gcc at hand: no Docker, no download."""

from __future__ import annotations

from pathlib import Path

import pytest

from colt_llvm.core.errors import CompileError, UsageError
from colt_llvm.gym.environment import make_environment
from colt_llvm.gym.launch import within_interval
from colt_llvm.gym.options import EnvironmentOptions, SearchOptions
from colt_llvm.gym.run import run_search

needs_gcc = pytest.mark.needs("gcc")

SOURCE = """
#include "count.h"
static int square(int x) { return x * x; }
int sum(const int *values) {
    int total = 0;
    for (int i = 0; i < COUNT; i++) total += square(values[i]) + values[i] % 7;
    return total;
}
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COMPILER_GYM_SITE_DATA", str(tmp_path / "site"))
    (tmp_path / "count.h").write_text("#define COUNT 32\n")
    path = tmp_path / "sum.c"
    path.write_text(SOURCE)
    return str(path)


@needs_gcc
def test_the_search_finds_flags_of_the_gcc_at_hand_that_make_a_c_file_smaller(source: str) -> None:
    environment = EnvironmentOptions("gcc-v0", source, "asm_size", "asm_hash")
    look = SearchOptions(trials=8, actions="^-O", max_length=4)
    result = run_search(environment, look)
    assert result.reward > 0
    assert any(action.startswith("-O") for action in result.sequence)
    assert result.confirmed
    assert result.actions > 500
    assert not result.failures


@needs_gcc
def test_a_source_that_does_not_compile_is_told_with_the_compilers_words(source: str) -> None:
    Path(source).write_text('#include "not-there.h"\n')
    with pytest.raises(CompileError) as caught:
        make_environment(EnvironmentOptions("gcc-v0", source, "obj_size"))
    assert "not-there.h" in caught.value.diagnostics


def test_without_a_file_it_is_said_that_the_packages_own_benchmarks_are_downloads() -> None:
    with pytest.raises(UsageError, match=r"--benchmark FILE\.c"):
        make_environment(EnvironmentOptions("gcc-v0"))


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("  --param=peel=<0,64>    \t-1", "  --param=peel=<0,64>    \t0"),
        ("  --param=peel=<0,64>    \t70", "  --param=peel=<0,64>    \t64"),
        ("  --param=peel=<0,64>    \t7", "  --param=peel=<0,64>    \t7"),
        ("  --param=mode=[a|b]     \ta", "  --param=mode=[a|b]     \ta"),
    ],
)
def test_defaults_outside_their_interval_are_read(line: str, read: str) -> None:
    assert within_interval(line) == read
