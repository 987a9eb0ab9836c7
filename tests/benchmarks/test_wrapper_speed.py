"""Every way that colt-cc can go is measured, and under its own name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import wrapper_speed
from colt_llvm.core.errors import ToolchainError

pytestmark = pytest.mark.skipif(
    not Path(sys.executable).with_name("colt-cc").exists(), reason="colt-cc is not installed as a command"
)


def test_each_way_has_its_median() -> None:
    measured = wrapper_speed.measure_wrapper(1)
    assert set(measured) == {
        wrapper_speed.CLANG, wrapper_speed.NO_STORE, wrapper_speed.NO_RECIPE, wrapper_speed.RECIPE,
        wrapper_speed.PYTHON, "rounds",
    }  # fmt: skip
    assert all(milliseconds > 0 for milliseconds in measured.values())


def test_a_recipe_that_is_not_used_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrapper_speed, "_FLAGS", (*wrapper_speed._FLAGS, "-DOTHER"))
    with pytest.raises(ToolchainError, match="flags differ"):
        wrapper_speed.measure_wrapper(1)
