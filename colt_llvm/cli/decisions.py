"""``colt-llvm decisions``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from colt_llvm.cli.options import llvm_option
from colt_llvm.core.errors import UsageError


@click.command("decisions", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("sources", nargs=-1, metavar="[PROGRAM | SOURCE...]")
@click.option("--cflags", default="", metavar="FLAGS", help="Compiler flags, as one text.")
@click.option("--objective", type=click.Choice(["runtime", "size", "balanced", "instructions"]), default="size",
              show_default=True, help="Whose front end is used.")  # fmt: skip
@click.option("--scopes", default="module,function,call,loop", show_default=True, metavar="LIST", help="Only these.")
@click.option("--kinds", is_flag=True, help="List what can be decided at all, and read no program.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@llvm_option
def command(
    sources: tuple[str, ...], cflags: str, objective: str, scopes: str, kinds: bool, as_json: bool,
    llvm_prefix: Path | None,
) -> None:  # fmt: skip
    """List what can be decided about functions, calls and loops of a program, what promises most first."""
    if kinds:
        _print_kinds(as_json)
        return
    if not sources:
        raise UsageError("decisions: names no program; name one, or use --kinds")
    import shlex

    from colt_llvm.decisions.offers import offers_of
    from colt_llvm.decisions.scopes import check_scopes
    from colt_llvm.llvm.acceptance import toolchain_catalogue
    from colt_llvm.llvm.toolchain import find_toolchain
    from colt_llvm.program.baseline import prepare_baseline
    from colt_llvm.program.program import resolve_program

    wanted = tuple(filter(None, scopes.split(",")))
    check_scopes(wanted)
    toolchain = find_toolchain(llvm_prefix)
    program = resolve_program(list(sources), cflags=shlex.split(cflags))
    baseline = prepare_baseline(toolchain, program, objective)
    catalogue = toolchain_catalogue(toolchain)
    offers = offers_of(toolchain.load(), baseline.bitcodes, wanted, catalogue, baseline.completion.expanded).offers
    if as_json:
        click.echo(json.dumps([asdict(offer) for offer in offers], indent=1))
        return
    width = min(60, max((len(offer.name) for offer in offers), default=0))
    for offer in offers:
        size = f"  {offer.size} instructions, {offer.calls} calls" if offer.size else ""
        click.echo(f"{offer.name:<{width}}  {offer.summary}{size}")
    click.echo(f"{len(offers)} decisions in the scopes {', '.join(wanted)}", err=True)


def _print_kinds(as_json: bool) -> None:
    from colt_llvm.llvm.decision import KINDS
    from colt_llvm.llvm.process_options import THRESHOLDS

    if as_json:
        click.echo(json.dumps([asdict(kind) for kind in KINDS], indent=1))
        return
    for kind in KINDS:
        values = f" ({', '.join(kind.values)})" if kind.values else ""
        click.echo(f"{kind.scope:<9} {kind.name:<13} {kind.summary}{values}")
    for name, numbers in THRESHOLDS.items():
        click.echo(f"{'module':<9} {name:<13} LLVM's threshold of that name ({', '.join(map(str, numbers))})")
