"""Projects are built by make in most of these tests; where it is not installed they are skipped."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NEED_MAKE = ("test_learn", "test_project_", "test_whole_program")
NEED_NONE = ("test_project_budget",)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("make"):
        return
    for item in items:
        if item.path.parent == HERE and item.path.stem.startswith(NEED_MAKE) and item.path.stem not in NEED_NONE:
            item.add_marker(pytest.mark.skip(reason="make is not installed"))
