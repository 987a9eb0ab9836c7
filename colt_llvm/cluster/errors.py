"""What goes wrong with a cluster as a whole. A candidate that fails on a worker is no such error."""

from __future__ import annotations

from colt_llvm.core.errors import ColtError


class ClusterError(ColtError, ConnectionError):
    """No scheduler answers, no worker can be used, or all of them have gone."""

    exit_status = 9
