"""``colt-llvm passes``, ``decisions`` and ``programs``: what a search may do, and the programs that are included."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from colt_llvm.cli.options import FILE, llvm_option, objective_option, program_of
from colt_llvm.core.errors import UsageError
from colt_llvm.objectives.size import LOADED_SIZE

if TYPE_CHECKING:
    from colt_llvm.decisions.offers import Offer
    from colt_llvm.explain.whereabouts import Whereabouts


@click.command("passes", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--search", metavar="WORD", help="Only actions with WORD in their name or summary.")
@click.option("--pipelines", is_flag=True, help="Also print each action's text for opt -passes=.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@llvm_option
def passes(search: str | None, pipelines: bool, as_json: bool, llvm_prefix: Path | None) -> None:
    """List the actions that a sequence may contain and that this LLVM accepts: passes with their parameters."""
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
    count = len({action.pass_name for action in actions})
    click.echo(f"{len(actions)} actions of {count} passes, LLVM {toolchain.version}", err=True)


@click.command("decisions", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("sources", nargs=-1, metavar="[PROGRAM | SOURCE...]")
@click.option("--cflags", multiple=True, metavar="FLAGS", help="Compiler flags. Repeats.")
@click.option("--ldflags", multiple=True, metavar="FLAGS", help="Linker flags, such as -lm. Repeats.")
@click.option("--harness", multiple=True, type=FILE, metavar="FILE",
              help="Source file that is linked in and not decided about. Repeats.")  # fmt: skip
@objective_option(default=LOADED_SIZE.name, help="Compile the program as for this objective.")
@click.option(
    "--run",
    "runs",
    multiple=True,
    metavar="COMMAND",
    help="Command that runs the program, such as '{exe} input.txt', to sample where its time goes.",
)
@click.option("--args", "arguments", metavar="ARGS", help="Arguments of the program: short for --run '{exe} ARGS'.")
@click.option("--stdin", type=FILE, metavar="FILE", help="File that is the program's standard input.")
@click.option("--scopes", default="module,function,call,loop", show_default=True, metavar="LIST",
              help="Scopes to list, with commas.")  # fmt: skip
@click.option("--kinds", is_flag=True, help="List all kinds of decisions, without a program.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@llvm_option
def decisions(**given: Any) -> None:
    """List what a search may decide about functions, calls and loops of a program, most promising first.

    Each with its function's size, its share of the time (one run under perf; "not measured" without it), and its line
    in the source. With --objective runtime: of functions with 2% of the time or more, where that was measured.
    """
    if given["kinds"]:
        _print_kinds(given["as_json"])
        return
    if not given["sources"]:
        raise UsageError("decisions: names no program; name one, or use --kinds")
    from colt_llvm.decisions.offers import check_scopes

    scopes = tuple(filter(None, given["scopes"].split(",")))
    check_scopes(scopes)
    offers, found = _offers(given, scopes)
    if given["as_json"]:
        click.echo(json.dumps([{**asdict(offer), **_facts(offer, found)} for offer in offers], indent=1))
        return
    width = min(60, max((len(offer.name) for offer in offers), default=0))
    for offer in offers:
        size = f"  {_count(offer.size, 'instruction')}, {_count(offer.calls, 'call')}" if offer.size else ""
        click.echo(f"{offer.name:<{width}}  {offer.summary}{size}{_told(_facts(offer, found))}")
    of = "scope" if len(scopes) == 1 else "scopes"
    click.echo(f"{_count(len(offers), 'decision')} in the {of} {', '.join(scopes)}", err=True)
    if found.why_no_shares:
        click.echo(f"time in functions: not measured ({found.why_no_shares})", err=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _facts(offer: Offer, found: Whereabouts) -> dict[str, Any]:
    """Of the function that is decided about: its name in the source, bytes and share of the time; and the place.

    None for what is not known, and for decisions about all functions.
    """
    from colt_llvm.explain.whereabouts import demangled
    from colt_llvm.llvm.decision import EVERY, is_decision, parse_decision

    decision = parse_decision(offer.name) if is_decision(offer.name) else None
    if decision is None or decision.function == EVERY:
        return {"source_name": None, "bytes": None, "share": None, "place": None}
    function, place = found.functions.get(decision.function), found.place(decision)
    column = f":{place.column}" if place is not None and place.column else ""
    return {
        "source_name": demangled(decision.function) or (function.name if function is not None else "") or None,
        "bytes": found.sizes.get(decision.function, 0),
        "share": None if found.why_no_shares else round(found.shares.get(decision.function, 0.0), 4),
        "place": f"{_shown(place.file)}:{place.line}{column}" if place is not None and place.line else None,
    }


def _told(facts: dict[str, Any]) -> str:
    if facts["bytes"] is None:
        return ""
    if not facts["bytes"]:
        parts = ["inlined or removed in the baseline, so its time is its callers'"]
    else:
        time = "time not measured" if facts["share"] is None else f"{facts['share']:.1%} of the time"
        parts = [f"{facts['bytes']} bytes", time]
    parts += filter(None, (facts["source_name"], facts["place"]))
    return "".join(f", {part}" for part in parts)


def _shown(file: Path) -> Path:
    """Below the working directory as it is named there."""
    here = Path.cwd().resolve()
    return file.relative_to(here) if file.is_relative_to(here) else file


def _offers(given: dict[str, Any], scopes: tuple[str, ...]) -> tuple[Sequence[Offer], Whereabouts]:
    from colt_llvm.decisions.heat import hot_offers
    from colt_llvm.decisions.offers import offers_of
    from colt_llvm.explain.whereabouts import whereabouts
    from colt_llvm.llvm.acceptance import toolchain_catalogue
    from colt_llvm.llvm.toolchain import find_toolchain
    from colt_llvm.objectives.registry import find_objective
    from colt_llvm.program.baseline import prepare_baseline

    toolchain, program = find_toolchain(given["llvm_prefix"]), program_of({**given, "output_files": ()})
    baseline = prepare_baseline(toolchain, program, given["objective"])
    found = whereabouts(toolchain, program, baseline)
    of_all = scopes
    if hot := find_objective(given["objective"]).timed and bool(found.shares):
        of_all = tuple({"module"} & {*scopes})
    catalogue, library = toolchain_catalogue(toolchain), toolchain.load()
    offered = offers_of(library, baseline.bitcodes, of_all, catalogue, baseline.completion.expanded).offers
    if hot:
        offered = (*hot_offers(library, baseline.bitcodes, scopes, found.shares, found.sizes).offers, *offered)
    return offered, found


def _print_kinds(as_json: bool) -> None:
    from colt_llvm.llvm.decision import KINDS, SWITCHES
    from colt_llvm.llvm.process_options import THRESHOLDS

    if as_json:
        click.echo(json.dumps([asdict(kind) for kind in KINDS], indent=1))
        return
    for kind in KINDS:
        values = f" ({', '.join(kind.values)})" if kind.values else ""
        click.echo(f"{kind.scope:<9} {kind.name:<13} {kind.summary}{values}")
    for name, summary in SWITCHES.items():
        click.echo(f"{'module':<9} {name:<13} {summary}")
    for name, numbers in THRESHOLDS.items():
        click.echo(f"{'module':<9} {name:<13} LLVM's threshold of that name ({', '.join(map(str, numbers))})")


@click.command("programs", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--split", type=click.Choice(["train", "held-out"]), help="Only programs of this split.")
def programs(split: str | None) -> None:
    """List the included programs, each with its split and family: colt-llvm tune lz77 tunes one."""
    from colt_llvm.program.program import included_programs

    found = included_programs(split)
    width = max((len(program.name) for program in found), default=0)
    for program in found:
        click.echo(f"{program.name:<{width}}  {program.split:<8}  {program.family:<12}  {program.description}")
