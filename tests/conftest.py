"""Most tests start processes, and most of the time of a short one is Python compiling what it imports."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import HealthCheck, settings

# How long it takes to draw an example says how busy the machine is, and nothing of what is tested.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
#: What other runs found changes where a search begins, and tests leave nothing with the user.
os.environ["COLT_STORE"] = "off"


def pytest_configure(config: pytest.Config) -> None:
    """Where Python may write no bytecode beside its sources, this process and others keep it in pytest's cache."""
    cache = getattr(config, "cache", None)  # none with -p no:cacheprovider
    if cache and os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        folder = str(cache.mkdir("bytecode"))
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        sys.dont_write_bytecode, sys.pycache_prefix = False, folder
