"""``colt-llvm cmake-module``."""

from __future__ import annotations

import click


@click.command("cmake-module", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--folder", is_flag=True, help="Print its folder, for CMAKE_MODULE_PATH.")
def command(folder: bool) -> None:
    """Print the path of the CMake module ColtLLVM: targets colt-tune, colt-tuned, colt-untuned and colt-report.

    For a project that is not to be changed: cmake -DCMAKE_PROJECT_INCLUDE=$(colt-llvm cmake-module)
    """
    from colt_llvm.cli.make_include import CMAKE, include_path

    path = include_path(CMAKE)
    click.echo(path.parent if folder else path)
