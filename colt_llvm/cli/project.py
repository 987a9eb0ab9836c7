"""``colt-llvm tune --build``: a project of many files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from colt_llvm.core.errors import UsageError
from colt_llvm.core.text import split_words
from colt_llvm.objectives.base import FIGURES, RUN_TIME, SIZE
from colt_llvm.program.program import Check, Workload

if TYPE_CHECKING:
    from colt_llvm.builds.project.options import ProjectOptions
    from colt_llvm.builds.project.result import ProjectResult

#: Of ``tune``, what means nothing for a project.
_REFUSED = (
    "sources",
    "harness",
    "arguments",
    "output",
    "cflags",
    "ldflags",
    "clang_baseline",
    "check",
    "weights",
    "resume",
    "pgo",
    "unchecked",
    "runner",
    "target",
    "corpus",
)
#: Exit status of ``--ci`` where some recipes stay stale.
EXIT_STALE = 8


def tune_project_command(given: dict[str, Any]) -> int:
    """Tune the project in this folder, and return the exit status."""
    options = project_options(given)
    from colt_llvm.models.registry import load_models

    models = None if given["models"] is None else load_models(given["models"])
    from colt_llvm.llvm.toolchain import find_toolchain

    toolchain = find_toolchain(given["llvm_prefix"])
    from colt_llvm.builds.project.options import ProjectRun
    from colt_llvm.builds.project.tune_project import alone_in, tune_project
    from colt_llvm.cli.tune import ended_by_signal
    from colt_llvm.cli.view import live_view
    from colt_llvm.run.journal import locked_directory

    quiet = given["as_json"]

    def report(line: str) -> None:
        if not quiet:
            click.echo(f"colt-llvm: {line}", err=True)

    with (
        alone_in(Path.cwd()),
        locked_directory(given["run_dir"], Path.cwd().name or "project") as directory,
        ended_by_signal() as stop,
    ):
        run = ProjectRun(directory, models, lambda title: live_view(title, quiet=quiet), report, stop)
        result = tune_project(Path.cwd(), toolchain, options, run)
    if quiet:
        click.echo(json.dumps(result.to_dict(), indent=1))
    else:
        _print(result)
    return EXIT_STALE if options.stale_only and result.stale else 0


def project_options(given: dict[str, Any]) -> ProjectOptions:
    """Raises UsageError."""
    from colt_llvm.builds.project.options import DEFAULT_SECONDS, ProjectOptions
    from colt_llvm.cli.options import limits_of, refuse_models_of, search_changes, store_of, typed_options

    refuse_models_of(given["strategy"], given)
    for name, option in typed_options().items():
        if name in _REFUSED:
            raise UsageError(f"--build takes the program from the build; leave out {option}")
    stdin = given["stdin"]
    if stdin is not None and not stdin.is_file():
        raise UsageError(f"--stdin {stdin}: no such file")
    workloads = tuple(
        Workload(
            f"run-{index + 1}",
            split_words("--run", run),
            stdin.resolve() if stdin else None,
            given["output_files"],
            Path.cwd(),
            timed=index == 0,
        )
        for index, run in enumerate(given["runs"])
    )
    tune = {
        "strategy": given["strategy"],
        "trials": given["trials"], "seed": given["seed"], "workers": given["workers"], "risky": given["risky"],
        **limits_of(given),
        "preset": given["preset"] or "", "search": search_changes(given), "store": store_of(given),
        **{name: given[name] for name in ("max_calls", "max_tokens", "max_cost", "stop_below")},
    }  # fmt: skip
    return ProjectOptions(
        builds=tuple(split_words("--build", build) for build in given["builds"]),
        workloads=workloads,
        objective=given["objective"],
        seconds=DEFAULT_SECONDS if given["seconds"] is None else given["seconds"],
        only=given["only"],
        jobs=given["jobs"],
        whole_program=given["whole_program"],
        stale_only=given["ci"],
        test=split_words("--test", given["test"] or ""),
        check=Check(given["float_tolerance"], given["ignored"]),
        tune=tune,
    )


def _print(result: ProjectResult) -> None:
    from rich.markup import escape
    from rich.table import Table

    from colt_llvm.cli.view import make_console

    console = make_console()
    table = Table(title=escape(f"{result.program}: {result.verdict}"), title_justify="left")
    table.add_column("file")
    table.add_column("share", justify="right")
    table.add_column("")
    table.add_column("ratio", justify="right")
    for unit in result.units:
        ratio = f"{unit.ratio:.4f}x" if unit.outcome == "improved" and unit.sequence else ""
        table.add_row(escape(unit.source), f"{unit.share:.1%}", escape(unit.outcome), ratio)
    if result.units:
        console.print(table)
    else:
        console.print(f"{result.program}: {result.verdict}", markup=False)
    if result.figures and not result.improved:
        console.print("measured with recipes that are not in use:")
    labels = {RUN_TIME: FIGURES[RUN_TIME].label, SIZE: "loaded bytes of its objects", "program": "loaded bytes, linked"}
    for name, (baseline, tuned) in result.figures.items():
        shown = (lambda value: f"{value:.4g}") if name == RUN_TIME else (lambda value: f"{value:.0f}")
        console.print(
            f"{labels[name]}: {result.baseline} {shown(baseline)}, tuned {shown(tuned)}, {baseline / tuned:.4f}x"
        )
    if result.interval is not None:
        interval = result.interval
        console.print(
            f"whole program: {interval.ratio:.4f}, {interval.confidence:.1%} interval {interval.low:.4f} to "
            f"{interval.high:.4f}, from {interval.rounds} rounds measured after the search"
        )
    if result.as_built_ratio is not None:
        console.print(f"against the build's own flags: {result.as_built_ratio:.4f}x")
    if result.verdict != "nothing to do":
        files = f"{len(result.units)} of {result.units_of_program} files ({result.profile})"
        console.print(f"{files}, {result.elapsed_seconds:.0f} s")
    if result.compared.text:
        console.print(result.compared.text, markup=False)
    for unit in result.units:
        if unit.note:
            console.print(f"note: {unit.source}: {unit.note}", markup=False)
    for note in result.notes:
        console.print(f"note: {note}", markup=False)
    for name in result.stale:
        console.print(f"stale: {name}", markup=False)
    for recipe in result.recipes:
        console.print(f"recipe: {recipe}", markup=False)
    if result.recipes:
        console.print("build with CC=colt-cc CXX=colt-c++ to use them", markup=False)
    if result.interrupted:
        console.print("interrupted; files that were not reached are unchanged", markup=False)
