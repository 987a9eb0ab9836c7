"""Most tests start processes, and most of the time of a short one is Python compiling what it imports."""

from __future__ import annotations

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Where Python may write no bytecode beside its sources, processes keep it in pytest's cache."""
    cache = getattr(config, "cache", None)  # none with -p no:cacheprovider
    if cache and os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ["PYTHONPYCACHEPREFIX"] = str(cache.mkdir("bytecode"))
