"""``colt-llvm doctor``, and what ``colt-llvm --version`` prints."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import click

from colt_llvm.cli.options import llvm_option


@click.command("doctor", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Skip the estimate of timing noise, and build two programs, not seven.")
@llvm_option
def command(quick: bool, llvm_prefix: Path | None) -> int:
    """Check the toolchain and this host, and suggest fixes. Exit status 3 if tune cannot work."""
    from colt_llvm.doctor import examine

    failed = False
    for finding in examine(llvm_prefix, with_noise=not quick):
        failed |= finding.fatal
        click.echo(f"{finding.mark:<4} {finding.text}")
        if finding.remedy:
            click.echo(f"     -> {finding.remedy}")
    return 3 if failed else 0


def version_lines() -> list[str]:
    """What decides how a run goes, for a bug report; the first line is the version alone. Never raises."""
    from colt_llvm import __version__

    return [
        f"colt-llvm {__version__}",
        _llvm(),
        f"compiler-gym {_compiler_gym()}",
        f"Python {platform.python_version()}",
        f"{platform.platform()}, {len(os.sched_getaffinity(0))} cores",
    ]


def _llvm() -> str:
    from colt_llvm.core.errors import ColtError
    from colt_llvm.llvm.toolchain import find_toolchain

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
