"""Most tests start processes, and most of the time of a short one is Python compiling what it imports."""

from __future__ import annotations

import os
import sys

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Where Python may write no bytecode beside its sources, this process and others keep it in pytest's cache."""
    cache = getattr(config, "cache", None)  # none with -p no:cacheprovider
    if cache and os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        folder = str(cache.mkdir("bytecode"))
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        sys.dont_write_bytecode, sys.pycache_prefix = False, folder
