"""``python -m benchmarks``: measure, keep what was measured, and write docs/BENCHMARKS.md from it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path

import click

from benchmarks.report import write_report
from benchmarks.speed import measure_speed, program_names
from benchmarks.suite import run_suite
from colt_llvm.core.files import write_json
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.measure.host import fingerprint
from colt_llvm.program.program import included_programs

#: Programs of different kinds, train and held-out, for what takes a quiet machine and minutes each.
RUNTIME_PROGRAMS = (
    "sorting", "matmul", "bytecode_vm", "heat2d", "chacha20", "queens", "int8_dot", "lu", "life", "attention",
)  # fmt: skip
_FOLDER = click.Path(path_type=Path)


@click.group()
@click.option("--results", type=_FOLDER, default=Path("bench-results"), show_default=True)
@click.pass_context
def cli(context: click.Context, results: Path) -> None:
    """Parts can be run one by one; what is there already is not run again."""
    results.mkdir(parents=True, exist_ok=True)
    context.obj = results


@cli.command()
@click.pass_obj
def speed(results: Path) -> None:
    """Steps and evaluations a second; the search's own time; embedded models; models and programs that overlap."""
    from benchmarks.answer_speed import answer_seconds
    from benchmarks.search_speed import overlap, search_seconds

    host = asdict(fingerprint())
    measured = {**measure_speed(), "iterations": search_seconds(), "overlap": overlap()}
    measured["answers"] = answer_seconds(find_toolchain())
    write_json(results / "speed.json", {"date": date.today().isoformat(), "host": host, **measured})


@cli.command()
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--jobs", default=2, show_default=True)
@click.pass_obj
def size(results: Path, seconds: float, jobs: int) -> None:
    """Objective size on every included program."""
    run_suite(program_names(), "size", seconds, results / "size", jobs=jobs)


@cli.command()
@click.option("--seconds", default=70.0, show_default=True)
@click.pass_obj
def runtime(results: Path, seconds: float) -> None:
    """Objective runtime, one program at a time."""
    run_suite(RUNTIME_PROGRAMS, "runtime", seconds, results / "runtime")


@cli.command()
@click.option("--rounds", default=1.0, help="Scales the time of each contest.")
@click.pass_obj
def control(results: Path, rounds: float) -> None:
    """The baseline of each held-out program against itself: as many claims as the experiment ``runtime`` makes."""
    from benchmarks.control import CLAIM_SECONDS, run_control

    names = [program.name for program in included_programs("held-out")]
    write_json(results / "control.json", {"contests": run_control(names, CLAIM_SECONDS * rounds)})


@cli.command()
@click.option("--rounds", default=40, show_default=True)
@click.pass_obj
def wrapper(results: Path, rounds: int) -> None:
    """What colt-cc costs a build, beside clang."""
    from benchmarks.wrapper import measure_wrapper

    results.mkdir(parents=True, exist_ok=True)
    write_json(results / "wrapper.json", measure_wrapper(rounds))


@cli.command()
@click.option("-o", "--output", type=_FOLDER, default=Path("docs/BENCHMARKS.md"), show_default=True)
@click.pass_obj
def report(results: Path, output: Path) -> None:
    """Write the tables from what was measured."""
    write_report(results, output)


if __name__ == "__main__":
    cli()
