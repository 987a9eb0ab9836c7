"""``colt-llvm apply``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from colt_llvm.cli.options import FILE, llvm_option, program_of


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
def command(recipe: Path, output: Path, strict: bool, llvm_prefix: Path | None, **given: Any) -> None:
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
