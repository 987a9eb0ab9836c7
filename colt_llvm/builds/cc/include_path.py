"""Where the files are that other people's builds include: ``colt.mk`` and ``ColtLLVM.cmake``."""

from __future__ import annotations

import os
from pathlib import Path

from colt_llvm.core.errors import ToolchainError

MAKE, CMAKE = "colt.mk", "ColtLLVM.cmake"


def include_path(name: str, folder: Path | None = None) -> Path:
    """The absolute path of MAKE or CMAKE, beside this module. Raises ToolchainError."""
    path = (folder or Path(os.path.abspath(__file__)).parent) / name
    if not path.is_file():
        raise ToolchainError(f"{path}: is missing; install colt-llvm again")
    if name == MAKE and any(letter in str(path) for letter in " \t#$%:*?["):
        raise ToolchainError(
            f"{path}: make cannot include a path with such letters; install colt-llvm in another folder"
        )
    return path
