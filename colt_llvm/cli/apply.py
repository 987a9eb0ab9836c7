"""``colt-llvm apply``."""

from __future__ import annotations

from pathlib import Path

import click

from colt_llvm.cli.options import llvm_option, program_from_options


@click.command("apply", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("recipe", type=click.Path(path_type=Path))
@click.argument("sources", nargs=-1, type=click.Path(), metavar="PROGRAM...")
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
    from colt_llvm.llvm.toolchain import find_toolchain
    from colt_llvm.program.output import check_output
    from colt_llvm.program.recipe import apply_to_file, load_recipe, with_flags_of

    loaded = load_recipe(recipe)
    program = program_from_options(sources, cflags, ldflags, harness, None, None, (), (), (), 0.0)
    program = with_flags_of(loaded, program, cflags=not cflags, ldflags=not ldflags)
    check_output(output, program, [recipe])
    for line in apply_to_file(loaded, str(recipe), find_toolchain(llvm_prefix), program, output, strict=strict):
        click.echo(f"colt-llvm: note: {line}", err=True)
