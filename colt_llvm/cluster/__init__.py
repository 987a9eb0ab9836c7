"""More than one machine, by Dask (package ``distributed``): compiles go to any worker, timings to those that say so.

Needs ``pip install "colt-llvm[distributed]"``; nothing here is loaded before :func:`connect` is called.
"""

from __future__ import annotations

from colt_llvm.cluster.addresses import connect
from colt_llvm.cluster.workers import CellResult, Cluster
from colt_llvm.core.errors import ClusterError

__all__ = ["CellResult", "Cluster", "ClusterError", "connect"]
