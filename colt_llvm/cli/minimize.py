"""``colt-llvm minimize``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from colt_llvm.cli.options import (
    limit_options,
    limits_of,
    llvm_option,
    program_from_options,
    typed_options,
    workload_options,
)

if TYPE_CHECKING:
    from colt_llvm.explain.minimize import Minimized

#: Options that go without sources too: all else is in run.json then.
_WITHOUT_SOURCES = ("recipe", "output", "seconds", "tolerance", "as_json", "llvm_prefix")


@click.command("minimize", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("recipe", type=click.Path(path_type=Path))
@click.argument("sources", nargs=-1, type=click.Path(), metavar="[PROGRAM]...")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="NEW.json",
    help="Where the new recipe goes. Default: beside the old one, its name with .min before .json.",
)  # fmt: skip
@click.option("--seconds", type=float, default=120.0, show_default=True, help="Wall-clock time in all.")
@click.option(
    "--tolerance", metavar="X|X%",
    help="How much worse than the full recipe it may be. Default: 1% of run time, nothing of sizes and counts.",
)  # fmt: skip
@click.option(
    "--harness", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
    help="Source that is linked in and not tuned. Repeats.",
)  # fmt: skip
@workload_options
@limit_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@llvm_option
def command(recipe: Path, sources: tuple[str, ...], output: Path | None, seconds: float, tolerance: str | None,
            as_json: bool, llvm_prefix: Path | None, **given: Any) -> None:  # fmt: skip
    """Drop what does not pay from RECIPE, and prove what is left.

    RECIPE is a recipe.json that tune wrote, or its run directory. PROGRAM is needed where no run.json lies beside it,
    with the options that say how it is run. A run time is measured again: nothing is dropped that cannot be shown to be
    without use.
    """
    from colt_llvm.core.errors import UsageError
    from colt_llvm.explain.minimize import minimize
    from colt_llvm.explain.variants import find_recipe
    from colt_llvm.llvm.toolchain import find_toolchain
    from colt_llvm.program.recipe import load_recipe, save_recipe, with_flags_of

    share = _share(tolerance)
    file = find_recipe(recipe)
    place = output or file.with_name(f"{file.stem}.min.json")
    if place.suffix != ".json":
        raise UsageError(f"-o {place}: a recipe is JSON; give a name in .json")
    if place.resolve() == file.resolve():
        raise UsageError(f"-o {place}: is the recipe itself; give another name")
    program, typed = None, typed_options()
    if sources:
        program = program_from_options(
            sources, (), (), given["harness"], given["arguments"], given["stdin"], given["runs"],
            given["output_files"], given["ignored"], given["float_tolerance"],
        )  # fmt: skip
        program = with_flags_of(load_recipe(file), program)
    elif lost := [option for name, option in typed.items() if name not in _WITHOUT_SOURCES]:
        raise UsageError(f"{lost[0]}: goes with sources; name them after the recipe")
    say = None if as_json else lambda text: click.echo(f"colt-llvm: {text}", err=True)
    found = minimize(
        file, find_toolchain(llvm_prefix), program, seconds=seconds, tolerance=share, on_step=say,
        limits=limits_of(given, typed),
    )  # fmt: skip
    save_recipe(found.recipe, place)
    if as_json:
        _print_json(found, place)
    else:
        _print(found, place)


def _share(text: str | None) -> float | None:
    """``0.1%`` or ``0.001``. Raises UsageError."""
    from colt_llvm.core.errors import UsageError

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
