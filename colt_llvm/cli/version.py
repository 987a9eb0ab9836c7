"""What ``colt-llvm --version`` says: all that decides what a run does, for a report of a fault."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from colt_llvm import __version__
from colt_llvm.core.errors import ColtError
from colt_llvm.llvm.toolchain import find_toolchain


def version_lines() -> list[str]:
    """The first line is the version alone. Never raises: what is missing is said."""
    return [
        f"colt-llvm {__version__}",
        _llvm(),
        f"compiler-gym {_compiler_gym()}",
        f"Python {platform.python_version()}",
        f"{platform.platform()}, {len(os.sched_getaffinity(0))} cores",
    ]


def _llvm() -> str:
    try:
        toolchain = find_toolchain()
    except ColtError as error:
        return f"LLVM: {' '.join(str(error).split())}"
    return f"LLVM {toolchain.version}: {toolchain.clang}, {toolchain.library}"


def _compiler_gym() -> str:
    try:
        return metadata.version("compiler-gym")
    except metadata.PackageNotFoundError:
        return "is not installed"
