"""``colt-llvm tune``."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from colt_llvm.cli.cluster_options import cluster_of, cluster_options
from colt_llvm.cli.options import (
    limit_options,
    limits_of,
    llvm_option,
    model_options,
    program_from_options,
    program_options,
    refuse_models_of,
    search_changes,
    strategy_option,
    typed_options,
)
from colt_llvm.core.errors import UsageError
from colt_llvm.program.program import Program

_OBJECTIVES = ["runtime", "size", "balanced", "instructions"]


@click.command("tune", context_settings={"help_option_names": ["-h", "--help"]})
@program_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Where the tuned executable goes, or with a name in .o the object.",
)
@click.option(
    "--objective",
    type=click.Choice(_OBJECTIVES),
    default="runtime",
    show_default=True,
    help="runtime and balanced are held against clang -O3, size against clang -Oz, "
    "instructions (IR count) against opt -Oz as in the literature.",
)
@click.option("--weight", "weights", multiple=True, metavar="NAME=X", help="For balanced: runtime=2, size=1. Repeats.")
@click.option("--strict", is_flag=True, help="Hold instructions against clang's own -Oz instead.")
@click.option("--trials", type=int, metavar="N", help="Stop after N trials.")
@click.option(
    "--time",
    "seconds",
    type=float,
    metavar="SECONDS",
    help="Time for the search and, where it is run time, its proof. Default: 120, if --trials is not given.",
)
@click.option(
    "--worth",
    type=float,
    metavar="PERCENT",
    help="Stop after 192 trials or more, where the last doubling of trials brought less; 0: never. "
    "Default: 0.1 without --time and --trials, else 0.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    metavar="N",
    help="Repeats a run without timing and language models, with the same --workers; any other with --workers 1.",
)
@click.option(
    "--workers", type=int, default=0, metavar="N", help="Candidates under way at once. Default: by this machine."
)
@limit_options
@click.option(
    "--risky", is_flag=True, help="Also try passes that are known to break programs; outputs are checked as ever."
)
@click.option(
    "--scopes",
    metavar="LIST",
    help="What the search may decide about, with commas: passes, module, function, call, loop. "
    "Default: all but loop for size, unless --trials is below 100; else passes.",
)
@strategy_option
@model_options
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where everything is written. Default: colt-runs/PROGRAM-N.",
)
@click.option(
    "--build",
    "builds",
    multiple=True,
    metavar="COMMAND",
    help='Tune a project: how it is built, such as "make prog"; with --run "./prog input.txt". Repeats.',
)
@click.option("--only", multiple=True, metavar="GLOB", help="With --build: only sources of such a name. Repeats.")
@click.option("--jobs", type=int, default=1, metavar="N", help="With --build: files searched at once, for size.")
@click.option("--test", metavar="COMMAND", help="With --build: has to succeed on the tuned build, as make check.")
@click.option(
    "--whole-program", is_flag=True, help="With --build: one sequence for all files together, applied when linking."
)
@click.option(
    "--ci", is_flag=True, help="With --build: only files whose recipe is stale; exit status 8 where some stay so."
)
@cluster_options
@click.option("--resume", type=click.Path(path_type=Path), metavar="DIR", help="Go on with the run in this folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else.")
@llvm_option
def command(**given: Any) -> int:  # fmt: skip
    """Find the pass sequence that beats clang -O3 or -Oz for PROGRAM, and prove it.

    PROGRAM is one or more C or C++ files, LLVM IR (.ll, .bc), a folder with a program.toml, or the name of an
    included program; with --build it is what the build makes. Ctrl-C ends the search with the best so far.
    """
    if given["builds"]:
        if given["cluster"]:
            raise UsageError("--cluster: cannot tune a project yet; leave it out, or tune its files one by one")
        from colt_llvm.cli.project import tune_project_command

        return tune_project_command(given)
    _refuse_project_options(given)
    options = _options(given)
    if not given["resume"]:
        refuse_models_of(options.strategy, given)
    program = _program(given)
    from colt_llvm.models.registry import load_models

    models = None if given["models"] is None else load_models(given["models"])
    from colt_llvm.llvm.toolchain import find_toolchain

    toolchain = find_toolchain(given["llvm_prefix"])
    # Imported here: what is wrong above is told without waiting for them.
    from colt_llvm.cli.view import live_view, print_result
    from colt_llvm.run.hooks import Hooks
    from colt_llvm.run.journal import claimed_directory
    from colt_llvm.run.progress import TuneResult
    from colt_llvm.run.records import result_to_dict
    from colt_llvm.run.tuner import resume, tune

    output = given["output"]
    result: TuneResult
    with cluster_of(given) as cluster, ended_by_signal() as stop:
        hooks = Hooks(workforce=cluster)
        if program is None:
            with live_view(f"resuming {given['resume']}", quiet=given["as_json"]) as view:
                result = resume(given["resume"], toolchain, output=output, trials=given["trials"],
                                seconds=given["seconds"], limits={name: given[name] for name in _LIMITS},
                                on_progress=view, stop=stop, hooks=hooks)  # fmt: skip
        else:
            with (
                claimed_directory(given["run_dir"], program.name) as directory,
                live_view(f"{program.name}: {options.objective}", quiet=given["as_json"]) as view,
            ):
                result = tune(program, toolchain, options, models=models, run_directory=directory, output=output,
                              on_progress=view, stop=stop, hooks=hooks)  # fmt: skip
    if given["as_json"]:
        click.echo(json.dumps(result_to_dict(result), indent=1))
    else:
        print_result(result)
    return 0


def _refuse_project_options(given: dict[str, Any]) -> None:
    for name, option in (("only", "--only"), ("test", "--test"), ("whole_program", "--whole-program"), ("ci", "--ci")):
        if given[name]:
            raise UsageError(f'{option}: is for projects; add --build, such as --build "make prog"')


#: What may be said anew when a run goes on; everything else is the run's own.
_LIMITS = ("max_calls", "max_tokens", "max_cost", "worth")
_WITH_RESUME = {"resume", "cluster", "measure_on", "trials", "seconds", "output", "as_json", "llvm_prefix", *_LIMITS}


def _refuse_other_options() -> None:
    for name, option in typed_options().items():
        if name not in _WITH_RESUME:
            raise UsageError(f"--resume keeps the run's own options; leave out {option}")


def _program(given: dict[str, Any]) -> Program | None:
    """None to go on with a run."""
    if given["resume"] is not None:
        if given["sources"] or given["run_dir"]:
            raise UsageError("--resume goes on with the program of that run; leave out sources and --run-dir")
        _refuse_other_options()
        return None
    return program_from_options(
        given["sources"], given["cflags"], given["ldflags"], given["harness"], given["arguments"],
        given["stdin"], given["runs"], given["output_files"], given["ignored"], given["float_tolerance"],
    )  # fmt: skip


def _options(given: dict[str, Any]) -> Any:
    from colt_llvm.evaluate.options import TuneOptions

    weights = {}
    for text in given["weights"]:
        name, _, value = text.partition("=")
        try:
            weights[name] = float(value)
        except ValueError:
            raise UsageError(f"--weight {text!r}: write a figure and a number, such as runtime=2") from None
    return TuneOptions(
        objective=given["objective"], strategy=given["strategy"], weights=weights or None,
        trials=given["trials"], seconds=given["seconds"], worth=given["worth"],
        seed=given["seed"], workers=given["workers"], scopes=tuple(filter(None, (given["scopes"] or "").split(","))),
        strict=given["strict"], risky=given["risky"],
        preset=given["preset"] or "", search=search_changes(given),
        max_calls=given["max_calls"], max_tokens=given["max_tokens"], max_cost=given["max_cost"], **limits_of(given),
    )  # fmt: skip


@contextmanager
def ended_by_signal() -> Iterator[threading.Event]:
    """The first Ctrl-C or SIGTERM ends the search with the best so far; the second ends everything."""
    stop = threading.Event()

    def handle(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
