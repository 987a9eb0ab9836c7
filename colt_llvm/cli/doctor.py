"""``colt-llvm doctor``."""

from __future__ import annotations

from pathlib import Path

import click

from colt_llvm.cli.options import llvm_option


@click.command("doctor", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Leave out the estimate of timing noise, which takes some seconds.")
@llvm_option
def command(quick: bool, llvm_prefix: Path | None) -> int:
    """Check the toolchain and this host, and say what to mend. Exit status 3 when tune cannot work."""
    from colt_llvm.doctor import examine

    failed = False
    for finding in examine(llvm_prefix, with_noise=not quick):
        failed |= finding.fatal
        click.echo(f"{finding.mark:<4} {finding.text}")
        if finding.remedy:
            click.echo(f"     -> {finding.remedy}")
    return 3 if failed else 0
