"""``colt-llvm bench``: experiments that compare strategies."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from colt_llvm.cli.grouped import GroupedCommand, option, together
from colt_llvm.cli.options import WHERE_IT_GOES, cluster_of, cluster_options, llvm_option
from colt_llvm.core.errors import UsageError

_FOLDER = click.Path(path_type=Path, file_okay=False)
_SAID_EVERY_SECONDS = 15.0


@click.group("bench", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Compare strategies on programs, objectives, seeds and budgets, in one folder of results.

    A cell of an experiment is one search: a program, strategy, objective, seed and budget.
    """


_WHAT, _HOW = "What to compare", "How it runs"
_options_of_run = together(
    click.argument("experiment", required=False, metavar="[FILE.toml]"),
    option("--programs", metavar="LIST", group=_WHAT, common=True,
           help="Included programs, with commas: names, train, held-out, or all."),
    option("--strategies", metavar="LIST", group=_WHAT, common=True,
           help="Labels of FILE.toml; without a file, names of tune --strategy."),
    option("--objectives", metavar="LIST", group=_WHAT, common=True,
           help="With commas: instructions, size, runtime, balanced."),
    option("--seeds", metavar="LIST", group=_WHAT, common=True, help="Such as 1-5."),
    option("--trials", type=int, metavar="N", group=_WHAT, common=True,
           help="Budget of trials, in place of the file's budgets."),
    option("--time", "seconds", type=float, metavar="SECONDS", group=_WHAT, common=True, old=["--seconds"],
           help="Budget of time, in place of the file's budgets; beside --trials, a second budget."),
    option("-o", "--output", required=True, type=_FOLDER, metavar="RESULTS", group=WHERE_IT_GOES, common=True,
           help="Folder of results; cells that it holds are not run again."),
    option("--jobs", type=int, metavar="N", group=_HOW,
           help="Cells in parallel, where nothing is timed. Default: one per core."),
    option("--retry", is_flag=True, group=_HOW, help="Run failed cells again."),
    cluster_options,
    llvm_option,
)  # fmt: skip


@command.command("run", cls=GroupedCommand)
@_options_of_run
def run_command(**given: Any) -> int:
    """Run the cells that RESULTS does not hold yet.

    FILE.toml describes an experiment; strategies, minute, decisions, long, runtime and ablations name packaged
    ones. Options replace its values; without a file they make an experiment of the included programs. Ctrl-C keeps
    what is done; the same command continues.
    """
    from colt_llvm.experiments.experiment_file import load_experiment, with_options

    experiment = with_options(
        load_experiment(given["experiment"]) if given["experiment"] else None,
        programs=given["programs"], strategies=given["strategies"], objectives=given["objectives"],
        seeds=given["seeds"], trials=given["trials"], seconds=given["seconds"],
    )  # fmt: skip
    if given["jobs"] is not None and given["jobs"] < 1:
        raise UsageError(f"--jobs {given['jobs']}: use 1 or more")
    from colt_llvm.llvm.toolchain import find_toolchain

    toolchain = find_toolchain(given["llvm_prefix"])
    from colt_llvm.cli.tune import ended_by_signal
    from colt_llvm.experiments.cells import cells_of, groups_of
    from colt_llvm.experiments.results import Results
    from colt_llvm.experiments.runner import default_jobs, run_groups
    from colt_llvm.experiments.suites import gather

    jobs = given["jobs"] or default_jobs()
    with Results.open(given["output"]) as results:
        gathered = gather(experiment.suites, results.folder / "suites")
        for note in gathered.notes:
            click.echo(note, err=True)
        wanted = cells_of(experiment, gathered.programs)
        if not wanted:
            raise UsageError("the experiment has no cells: its strategies cannot search for its objectives; add one")
        cells = [cell for _, cell in wanted]
        results.extend(experiment, gathered.programs, cells, toolchain.version)
        missing = {cell.id for cell in results.missing(cells, retry=given["retry"])}
        todo = groups_of((item, cell) for item, cell in wanted if cell.id in missing)
        click.echo(f"{len(cells)} cells, {len(cells) - len(missing)} there already, {len(missing)} to make", err=True)
        with cluster_of(given) as cluster, ended_by_signal() as stop:
            tally = run_groups(todo, results, toolchain, workers=cluster or jobs, stop=stop, on_cell=_Said().cell)
    click.echo(f"{tally.done} cells made, {tally.failed} of them failed, in {_duration(tally.seconds)}", err=True)
    if stop.is_set():
        click.echo("interrupted; run it again to go on", err=True)
        return 130
    return 0


@command.command("status")
@click.argument("results", type=_FOLDER)
@click.option(
    "--jobs", type=int, metavar="N", help="Cells in parallel, for the estimate of the time left. Default: one per core."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status_command(results: Path, jobs: int | None, as_json: bool) -> None:
    """Count the cells that are done, missing and failed."""
    from colt_llvm.experiments.results import status_of

    status = status_of(results, jobs or len(os.sched_getaffinity(0)))
    if as_json:
        click.echo(json.dumps(status.to_dict(), indent=1))
        return
    left = "" if status.seconds_left is None or not status.missing else f", about {_duration(status.seconds_left)} left"
    click.echo(
        f"{status.wanted} cells: {status.done} done, {len(status.failed)} failed, {len(status.missing)} missing{left}"
    )
    reasons: dict[str, list[str]] = {}
    for cell_id, reason in status.failed.items():
        reasons.setdefault(reason, []).append(cell_id)
    for reason, cells in reasons.items():
        more = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
        click.echo(f"failed: {cells[0]}{more}: {reason}")
    for cell_id in status.missing[:5]:
        click.echo(f"missing: {cell_id}")
    if len(status.missing) > 5:
        click.echo(f"missing: {len(status.missing) - 5} more")


@command.command("merge")
@click.argument("folders", nargs=-1, type=_FOLDER, metavar="RESULTS...")
@click.option("-o", "--output", required=True, type=_FOLDER, metavar="MERGED", help="Folder of the merged results.")
def merge_command(folders: tuple[Path, ...], output: Path) -> None:
    """Merge folders of results. Refuses different versions of LLVM, and different hosts where times count."""
    from colt_llvm.experiments.results import merge

    click.echo(f"{output}: {merge(folders, output)} cells")


@command.command("report")
@click.argument("results", type=_FOLDER)
@click.option("-o", "--output", required=True, type=_FOLDER, metavar="FOLDER", help="Folder of tables and plots.")
@option("--no-plots", is_flag=True, old=["--no-pictures"], help="Write tables only; plots need matplotlib.")
def report_command(results: Path, output: Path, no_plots: bool) -> None:
    """Write tables (CSV, JSON, Markdown, LaTeX) and plots of the results."""
    from colt_llvm.analysis import load_results, write_tables

    loaded = load_results(results)
    write_tables(loaded, output)
    if not no_plots:
        from colt_llvm.analysis.pictures import write_pictures

        write_pictures(loaded, output)
    click.echo(f"{len(loaded.cells)} cells; written to {output}")


class _Said:
    """A line of progress every 15 seconds, and each reason for failing once."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._reasons: set[str] = set()

    def cell(self, tally: Any, record: dict[str, Any]) -> None:
        now = time.monotonic()
        if record["status"] == "failed" and record["error"] not in self._reasons:
            self._reasons.add(record["error"])
            click.echo(f"{record['id']}: failed: {record['error']}", err=True)
        if now - self._last < _SAID_EVERY_SECONDS and tally.done < tally.wanted:
            return
        self._last = now
        left = tally.seconds / tally.done * (tally.wanted - tally.done)
        sys.stderr.write(f"{tally.done} of {tally.wanted} cells, about {_duration(left)} left; {tally.last}\n")
        sys.stderr.flush()


def _duration(seconds: float) -> str:
    from colt_llvm.experiments.results import duration

    return duration(seconds)
