"""``colt-llvm make-include``, and where the files are that other people's builds include."""

from __future__ import annotations

import os
from pathlib import Path

import click

from colt_llvm.core.errors import ToolchainError

MAKE, CMAKE = "colt.mk", "ColtLLVM.cmake"


@click.command("make-include", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Print the path of the file that gives a Makefile the targets tune, tuned, untuned and colt-report.

    In the Makefile: include $(shell colt-llvm make-include)
    """
    click.echo(include_path(MAKE))


def include_path(name: str, folder: Path | None = None) -> Path:
    """The absolute path of MAKE or CMAKE in ``folder``, by default that of ``colt-cc``. Raises ToolchainError."""
    path = (folder or Path(os.path.abspath(__file__)).parents[1] / "builds" / "cc") / name
    if not path.is_file():
        raise ToolchainError(f"{path}: is missing; install colt-llvm again")
    if name == MAKE and any(letter in str(path) for letter in " \t#$%:*?["):
        raise ToolchainError(
            f"{path}: make cannot include a path with such letters; install colt-llvm in another folder"
        )
    return path
