"""``colt-llvm make-include`` and ``colt-llvm cmake-module``: paths of the files that a project's build includes."""

from __future__ import annotations

import os
from pathlib import Path

import click

from colt_llvm.core.errors import ToolchainError

MAKE, CMAKE = "colt.mk", "ColtLLVM.cmake"


@click.command("make-include", context_settings={"help_option_names": ["-h", "--help"]})
def make_include() -> None:
    """Print the path of a Makefile fragment with the targets tune, tuned, untuned and colt-report.

    In the Makefile: include $(shell colt-llvm make-include)
    """
    click.echo(include_path(MAKE))


@click.command("cmake-module", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--folder", is_flag=True, help="Print its folder, for CMAKE_MODULE_PATH.")
def cmake_module(folder: bool) -> None:
    """Print the path of the CMake module ColtLLVM: targets colt-tune, colt-tuned, colt-untuned and colt-report.

    Without changing the project: cmake -DCMAKE_PROJECT_INCLUDE=$(colt-llvm cmake-module)
    """
    path = include_path(CMAKE)
    click.echo(path.parent if folder else path)


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
