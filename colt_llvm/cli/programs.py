"""``colt-llvm programs``."""

from __future__ import annotations

import click


@click.command("programs", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--split", type=click.Choice(["train", "held-out"]), help="Only those of one split.")
def command(split: str | None) -> None:
    """List the included programs. Each can be named in place of files: colt-llvm tune lz77."""
    from colt_llvm.program.program import included_programs

    programs = included_programs(split)
    width = max((len(program.name) for program in programs), default=0)
    for program in programs:
        click.echo(f"{program.name:<{width}}  {program.split:<8}  {program.family:<12}  {program.description}")
