"""``colt-llvm minimize``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from colt_llvm.cli.grouped import GroupedCommand, option, together
from colt_llvm.cli.options import (
    FILE,
    HOW_LONG,
    WHAT_TO_PROVE,
    WHERE_IT_GOES,
    limit_options,
    limits_of,
    llvm_option,
    program_beside_recipe,
    recipe_arguments,
    typed_options,
    workload_options,
)
from colt_llvm.core.errors import UsageError

if TYPE_CHECKING:
    from colt_llvm.explain.minimize import Minimized

#: Options that go without sources too: all else is in run.json then.
_WITHOUT_SOURCES = ("recipe", "output", "seconds", "tolerance", "as_json", "llvm_prefix")

_options_of_minimize = together(
    recipe_arguments,
    option("--time", "seconds", type=float, default=120.0, show_default=True, metavar="SECONDS", group=HOW_LONG,
           common=True, old=["--seconds"], help="Wall-clock time in all."),
    option("--tolerance", metavar="X|X%", group=WHAT_TO_PROVE, common=True,
           help="How much worse than the full recipe the result may be. Default: 1% of run time; 0 of sizes and "
           "counts."),
    workload_options,
    limit_options,
    option("-o", "--output", type=FILE, metavar="NEW.json", group=WHERE_IT_GOES, common=True,
           help="File of the new recipe. Default: beside the old one, with .min before .json."),
    option("--json", "as_json", is_flag=True, group=WHERE_IT_GOES, common=True, help="Print JSON."),
    llvm_option,
)  # fmt: skip


@click.command("minimize", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@_options_of_minimize
def command(**given: Any) -> None:
    """Drop the actions of RECIPE that bring nothing, and prove what is left.

    RECIPE is a recipe.json that tune wrote, or its run directory. Name PROGRAM, with the options that run it, if no
    run.json lies beside the recipe. Run times are measured again: an action is dropped only if the recipe is shown to
    be as good without it.
    """
    from colt_llvm.program.recipe import find_recipe, save_recipe

    share = _share(given["tolerance"])
    file = find_recipe(given["recipe"])
    place = _place(given["output"], file)
    # Imported here: what is wrong above is told without waiting for them.
    from colt_llvm.explain.minimize import MinimizeOptions, minimize
    from colt_llvm.llvm.toolchain import find_toolchain

    program, as_json = program_beside_recipe(given, file, _WITHOUT_SOURCES), given["as_json"]
    say = None if as_json else lambda text: click.echo(f"colt-llvm: {text}", err=True)
    found = minimize(
        file, find_toolchain(given["llvm_prefix"]), program,
        MinimizeOptions(given["seconds"], share, limits_of(given, typed_options())), say,
    )  # fmt: skip
    save_recipe(found.recipe, place)
    if as_json:
        _print_json(found, place)
    else:
        _print(found, place)


def _place(output: Path | None, recipe: Path) -> Path:
    place = output or recipe.with_name(f"{recipe.stem}.min.json")
    if place.suffix != ".json":
        raise UsageError(f"-o {place}: a recipe is JSON; give a name in .json")
    if place.resolve() == recipe.resolve():
        raise UsageError(f"-o {place}: is the recipe itself; give another name")
    return place


def _share(text: str | None) -> float | None:
    """``0.1%`` or ``0.001``. Raises UsageError."""
    if text is None:
        return None
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise UsageError(f"--tolerance {text!r}: give a share such as 0.5% or 0.005") from None


def _print(found: Minimized, place: Path) -> None:
    old, new = found.recipe.evidence["minimized_from"]["sequence"], found.recipe.sequence
    click.echo(f"{len(new)} of {len(old)} actions kept: {', '.join(new) or 'none'}")
    if found.dropped:
        click.echo(f"dropped: {', '.join(found.dropped)}")
    line = (
        f"ratio {found.ratio:.4f} against {found.recipe.evidence['baseline']}, the full recipe {found.ratio_before:.4f}"
    )
    if found.interval is not None:
        line += f" ({found.interval.confidence:.0%}: {found.interval.low:.4f} to {found.interval.high:.4f})"
    click.echo(line)
    for note in found.notes:
        click.echo(f"note: {note}")
    click.echo(f"recipe: {place}")


def _print_json(found: Minimized, place: Path) -> None:
    import json
    from dataclasses import asdict

    data = asdict(found)
    data["recipe"] = str(place)
    data["sequence"] = list(found.recipe.sequence)
    click.echo(json.dumps(data, indent=1))
