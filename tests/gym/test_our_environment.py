"""colt-llvm-v0 by the same path as anybody's environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from colt_llvm.core.errors import ToolchainError
from colt_llvm.gym.options import EnvironmentOptions, SearchOptions
from colt_llvm.gym.run import run_search
from colt_llvm.llvm.toolchain import find_toolchain


def test_our_own_environment_is_searched_by_the_generic_path(tmp_path: Path) -> None:
    try:
        find_toolchain()
    except ToolchainError as error:
        pytest.skip(str(error))
    source = tmp_path / "sum.c"
    source.write_text("int sum(const int *v, int n) { int t = 0; for (int i = 0; i < n; i++) t += v[i]; return t; }\n")
    environment = EnvironmentOptions("colt-llvm-v0", str(source), "IrInstructionCount", "IrHash")
    look = SearchOptions(trials=25, max_length=12)
    result = run_search(environment, look)
    assert result.forking
    assert result.reward > 0
    assert result.confirmed
    assert not result.failures
    again = run_search(environment, SearchOptions(trials=25, max_length=12, forks=0))
    assert again.history == result.history, "forks change the work, not the figures"
