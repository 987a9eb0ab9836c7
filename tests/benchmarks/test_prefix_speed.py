"""Every prefix is valued in two ways that must agree."""

from __future__ import annotations

import importlib.util

import pytest

if importlib.util.find_spec("compiler_gym") is None:
    pytest.skip("compiler-gym is not installed", allow_module_level=True)

from benchmarks import prefix_speed
from colt_llvm.core.errors import ToolchainError
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    try:
        found = find_toolchain()
    except ToolchainError as error:
        pytest.skip(str(error))
    if found.opt is None:
        pytest.skip("no opt beside this clang")
    return found


def test_values_every_prefix_by_steps_and_by_opt(toolchain: Toolchain) -> None:
    row = prefix_speed.prefixes(toolchain, "collatz", sequences=2, length=8)
    assert row["prefixes"] == 16
    assert 0 <= row["unchanged"] < 16
    assert row["ratio"] == pytest.approx(row["environment"] / row["opt"])


def test_refuses_to_compare_times_of_different_values(toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_speed.Opt, "value", lambda self, pipeline: (1.0, -1))
    with pytest.raises(prefix_speed.DifferentValues, match="-1 by opt -passes="):
        prefix_speed.prefixes(toolchain, "collatz", sequences=1, length=1)
