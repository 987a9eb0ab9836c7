"""``colt-llvm apply``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from colt_llvm.cli.options import llvm_option, program_from_options


@click.command("apply", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("recipe", type=click.Path(path_type=Path))
@click.argument("sources", nargs=-1, metavar="PROGRAM...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="OUT",
    help="The executable, or with a name in .o the object.",
)
@click.option("--cflags", multiple=True, metavar="FLAGS", help="Instead of the recipe's own. Repeats.")
@click.option("--ldflags", multiple=True, metavar="FLAGS", help="Instead of the recipe's own. Repeats.")
@click.option(
    "--harness",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Source that is linked in and not tuned. Repeats.",
)
@click.option("--strict", is_flag=True, help="Fail when the object is not the one that was measured.")
@llvm_option
def command(recipe: Path, sources: tuple[str, ...], output: Path, cflags: tuple[str, ...], ldflags: tuple[str, ...],
            harness: tuple[Path, ...], strict: bool, llvm_prefix: Path | None) -> None:  # fmt: skip
    """Build PROGRAM with the recipe that tune wrote."""
    from dataclasses import replace

    from colt_llvm.errors import PassError, RecipeError
    from colt_llvm.output import check_output, write_output
    from colt_llvm.recipe import apply_recipe, differences, load_recipe
    from colt_llvm.toolchain import find_toolchain

    loaded = load_recipe(recipe)
    program = program_from_options(sources, cflags, ldflags, harness, None, None, (), (), 0.0)
    changes: dict[str, Any] = {}
    if not cflags:
        changes["cflags"] = loaded.cflags
    if not ldflags:
        changes["ldflags"] = loaded.ldflags
    program = replace(program, **changes)
    check_output(output, program, [recipe])
    toolchain = find_toolchain(llvm_prefix)
    try:
        objects = apply_recipe(loaded, toolchain, program)
    except PassError as error:
        raise RecipeError(f"{recipe}: its pipeline does not run on this program ({error}); tune again") from error
    found = differences(loaded, program, toolchain, objects)
    if found and strict:
        raise RecipeError(f"{recipe}: does not fit: {'; '.join(found)}; tune again, or leave out --strict")
    write_output(toolchain, program, objects, output)
    for line in found:
        click.echo(f"colt-llvm: note: {line}", err=True)
