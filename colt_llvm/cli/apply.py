"""``colt-llvm apply`` and ``colt-llvm guard``: what a recipe gives, built again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from colt_llvm.cli.grouped import GroupedCommand, option, together
from colt_llvm.cli.options import (
    FILE,
    HOW_LONG,
    WHERE_IT_GOES,
    limit_options,
    limits_of,
    llvm_option,
    program_of,
    typed_options,
)

if TYPE_CHECKING:
    from colt_llvm.explain.guard import Guarded


@click.command("apply", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("recipe", type=FILE)
@click.argument("sources", nargs=-1, type=click.Path(), metavar="PROGRAM...")
@click.option("-o", "--output", type=FILE, required=True, metavar="OUT",
              help="Write the executable to OUT, or the object if OUT ends in .o.")  # fmt: skip
@click.option("--cflags", multiple=True, metavar="FLAGS", help="Compiler flags, in place of the recipe's. Repeats.")
@click.option("--ldflags", multiple=True, metavar="FLAGS", help="Linker flags, in place of the recipe's. Repeats.")
@click.option("--harness", multiple=True, type=FILE, metavar="FILE",
              help="Source file that is linked in and not tuned. Repeats.")  # fmt: skip
@click.option("--strict", is_flag=True, help="Fail if the object differs from the one that was measured.")
@click.option("--any-program", is_flag=True, help="Build a program that the recipe is not of, too.")
@llvm_option
def apply_command(recipe: Path, output: Path, strict: bool, llvm_prefix: Path | None, **given: Any) -> None:
    """Build PROGRAM with RECIPE, a recipe.json that tune wrote for it.

    What differs from then is said in a note: sources, flags, LLVM, the object. PROGRAM may have been edited since.
    """
    from colt_llvm.llvm.toolchain import find_toolchain
    from colt_llvm.program.output import check_output
    from colt_llvm.program.recipe import apply_to_file, load_recipe, refuse_other_program, with_flags_of

    loaded = load_recipe(recipe)
    program = with_flags_of(loaded, program_of(given), cflags=not given["cflags"], ldflags=not given["ldflags"])
    check_output(output, program, [recipe])
    if not given["any_program"]:
        refuse_other_program(loaded, str(recipe), program)
    for line in apply_to_file(loaded, str(recipe), find_toolchain(llvm_prefix), program, output, strict=strict):
        click.echo(f"colt-llvm: note: {line}", err=True)


#: What the command ends with where a recipe keeps less than it promised.
LESS_THAN_PROMISED = 10

_options_of_guard = together(
    click.argument("recipes", nargs=-1, required=True, type=FILE, metavar="RECIPE..."),
    option("--time", "seconds", type=float, default=60.0, show_default=True, metavar="SECONDS", group=HOW_LONG,
           common=True, help="Time to measure run times, for each recipe."),
    option("--json", "as_json", is_flag=True, group=WHERE_IT_GOES, common=True, help="Print JSON."),
    limit_options,
    llvm_option,
)  # fmt: skip


@click.command("guard", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@_options_of_guard
def guard_command(**given: Any) -> int:
    """Check in CI that each RECIPE still gives the gain that it promised: build, check and measure again.

    RECIPE is a run directory of tune, or a recipe.json with its run.json beside it. Sources, LLVM and host may have
    changed; what changed is printed. Exit status 10: a recipe gives less than it promised, or its program fails.
    """
    from colt_llvm.core.errors import UsageError
    from colt_llvm.program.recipe import find_recipe

    for place in given["recipes"]:
        find_recipe(place)
    # Imported here: what is wrong above is told without waiting for them.
    from colt_llvm.explain.guard import GuardOptions, guard
    from colt_llvm.llvm.toolchain import find_toolchain

    if not given["seconds"] > 0:
        raise UsageError(f"--time {given['seconds']:g}: use a number of seconds above 0")
    toolchain = find_toolchain(given["llvm_prefix"])
    options = GuardOptions(given["seconds"], limits_of(given, typed_options()))
    found = []
    for place in given["recipes"]:
        found.append(guard(place, toolchain, None, options))
        if not given["as_json"]:
            _print(found[-1])
    if given["as_json"]:
        click.echo(json.dumps([asdict(item) for item in found], indent=1))
    return LESS_THAN_PROMISED if any(item.state in ("less", "fails") for item in found) else 0


def _print(found: Guarded) -> None:
    words = {"kept": "kept", "less": "LESS than promised", "unsure": "cannot be told", "fails": "FAILS"}
    now = f", now {found.ratio:.4f}x" if found.ratio is not None else ""
    if found.interval is not None:
        now += f" ({found.interval.low:.4f} to {found.interval.high:.4f})"
    detail = f": {found.detail}" if found.detail else ""
    click.echo(f"{found.recipe}: {words[found.state]}: promised {found.promised:.4f}x{now}{detail}")
    for change in found.changes:
        click.echo(f"  changed: {change}")
