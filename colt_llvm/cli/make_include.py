"""``colt-llvm make-include``."""

from __future__ import annotations

import click


@click.command("make-include", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Print the path of the file that gives a Makefile the targets tune, tuned, untuned and colt-report.

    In the Makefile: include $(shell colt-llvm make-include)
    """
    from colt_llvm.builds.cc.include_path import MAKE, include_path

    click.echo(include_path(MAKE))
