"""``colt-llvm passes``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from colt_llvm.cli.options import llvm_option


@click.command("passes", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--search", metavar="WORD", help="Only those with the word in their name or summary.")
@click.option("--pipelines", is_flag=True, help="Also print the text that opt -passes= takes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@llvm_option
def command(search: str | None, pipelines: bool, as_json: bool, llvm_prefix: Path | None) -> None:
    """List the passes that a sequence may be made of, as far as this LLVM accepts them."""
    from colt_llvm.llvm.acceptance import toolchain_catalogue
    from colt_llvm.llvm.toolchain import find_toolchain

    toolchain = find_toolchain(llvm_prefix)
    catalogue = toolchain_catalogue(toolchain)
    actions = catalogue.search(search) if search else list(catalogue.actions)
    if as_json:
        click.echo(json.dumps([asdict(action) for action in actions], indent=1))
        return
    width = max((len(action.name) for action in actions), default=0)
    for action in actions:
        risk = f" [{', '.join(action.risk)}]" if action.risk else ""
        click.echo(f"{action.name:<{width}}  {action.summary}{risk}")
        if pipelines:
            click.echo(f"{'':<{width}}  {action.pipeline}")
    passes = len({action.pass_name for action in actions})
    click.echo(f"{len(actions)} actions of {passes} passes, LLVM {toolchain.version}", err=True)
