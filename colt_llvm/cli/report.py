"""``colt-llvm report``."""

from __future__ import annotations

from pathlib import Path

import click

from colt_llvm.cli.options import llvm_option


@click.command("report", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE.html",
              help="Default: report.html in RUN.")  # fmt: skip
@click.option("--no-measure", is_flag=True,
              help="Do not build and run the program: leave out what each pass contributes and the hot function, "
              "unless RUN holds them already.")  # fmt: skip
@click.option("--plots", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Also write plots as SVG and PNG: convergence, run time against size, calls to models, search tree. "
              "Needs matplotlib.")  # fmt: skip
@llvm_option
def command(
    run: Path, output: Path | None, no_measure: bool, plots: Path | None, llvm_prefix: Path | None
) -> None:  # fmt: skip
    """Write one HTML file about the run in folder RUN, which opens offline in any browser.

    It shows the verdict, the search tree, what each pass contributes, the calls to models, the recipe and the host.
    """
    from colt_llvm.llvm.toolchain import find_toolchain
    from colt_llvm.report.page import write_report

    place = write_report(run, output, toolchain=None if no_measure else find_toolchain(llvm_prefix))
    click.echo(f"written: {place}")
    if plots is not None:
        from colt_llvm.analysis.run_pictures import write_run_pictures

        for file in write_run_pictures(run, plots):
            click.echo(f"written: {file}")
