"""What goes wrong with somebody's environment."""

from __future__ import annotations

from colt_llvm.core.errors import ColtError


class EnvironmentFailed(ColtError, RuntimeError):
    """An environment cannot be made or reset, or its service does not start."""
