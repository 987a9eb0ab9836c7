"""``colt-llvm tune``."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from colt_llvm.cli.grouped import GroupedCommand, option, together
from colt_llvm.cli.options import (
    FILE,
    HOW_LONG,
    PROJECTS,
    SEARCH,
    WHAT_TO_PROVE,
    WHAT_TO_TUNE,
    WHERE_IT_GOES,
    cluster_of,
    cluster_options,
    corpus_of_list,
    limit_options,
    limits_of,
    llvm_option,
    model_options,
    objective_option,
    program_of,
    refuse_models_of,
    search_changes,
    source_options,
    store_of,
    store_options,
    strategy_option,
    typed_options,
    workload_options,
)
from colt_llvm.core.errors import UsageError
from colt_llvm.core.text import split_words
from colt_llvm.program.program import Program

if TYPE_CHECKING:
    from colt_llvm.evaluate.options import TuneOptions
    from colt_llvm.models.base import ModelSpec
    from colt_llvm.run.progress import TuneResult


_options_of_tune = together(
    source_options,
    option("--time", "seconds", type=float, metavar="SECONDS", group=HOW_LONG, common=True,
           help="Time for the search and, where run time counts, its proof. Default: 120, unless --trials is given."),
    option("--trials", type=int, metavar="N", group=HOW_LONG, common=True, help="Stop after N candidates."),
    option("--stop-below", type=float, metavar="PERCENT", group=HOW_LONG, old=["--worth"],
           help="Stop once doubling the trials gained less than PERCENT, from trial 192 on; 0: never. Default: 0.1 "
           "without --time and --trials, else 0."),
    objective_option(
        common=True, help="runtime (CPU time) and balanced (run time and size) against clang -O3, size (loaded bytes) "
        "against clang -Oz, instructions (IR count) against opt -Oz.",
    ),
    option("--weight", "weights", multiple=True, metavar="NAME=X", group=WHAT_TO_PROVE,
           help="With --objective balanced: weight of a figure, such as runtime=2. Default: 1 for runtime and size. "
           "Repeats."),
    option("--clang-baseline", is_flag=True, group=WHAT_TO_PROVE, old=["--strict"],
           help="With --objective instructions: against clang -Oz, a stronger baseline than opt -Oz."),
    workload_options,
    option("--pgo", is_flag=True, group=WHAT_TO_TUNE,
           help="Tune on top of a profile: build with counters, run every workload, give clang the counts. For a "
           "profile that you have: --cflags=-fprofile-use=FILE."),
    option("--check", default="", metavar="NAME", group=WHAT_TO_PROVE,
           help="Check of each run: of an installed package, or your own as module:NAME."),
    option("--unchecked", is_flag=True, group=WHAT_TO_TUNE,
           help="PROGRAM has no main: tune its object alone, for size or instructions. Nothing is run, and the result "
           "says not checked."),
    option("--build", "builds", multiple=True, metavar="COMMAND", group=WHAT_TO_TUNE, common=True,
           help='Tune a project instead of PROGRAM: the command that builds it, such as "make prog". Give --run '
           '"./prog input.txt" too. Repeats.'),
    option("--corpus", type=FILE, metavar="LIST", group=WHAT_TO_TUNE,
           help="One recipe for many programs, in place of PROGRAM: LIST names one a line, with options of its own, "
           "such as: src/a.c --args 9. Objectives size and instructions."),
    option("-o", "--output", type=FILE, metavar="OUT", group=WHERE_IT_GOES, common=True,
           help="Write the tuned executable to OUT, or the object if OUT ends in .o."),
    option("--run-dir", type=FILE, metavar="DIR", group=WHERE_IT_GOES,
           help="Folder of the run: journal, result, recipe. Default: colt-runs/PROGRAM-N."),
    option("--resume", type=FILE, metavar="DIR", group=WHERE_IT_GOES, help="Continue the run in this folder."),
    option("--json", "as_json", is_flag=True, group=WHERE_IT_GOES, help="Print the result as JSON, and nothing else."),
    limit_options,
    option("--only", multiple=True, metavar="GLOB", group=PROJECTS,
           help="With --build: tune only sources whose path matches. Repeats."),
    option("--jobs", type=int, default=1, metavar="N", group=PROJECTS,
           help="With --build: files searched in parallel, for size."),
    option("--test", metavar="COMMAND", group=PROJECTS,
           help='With --build: command that must succeed on the tuned build, such as "make check". Without: command '
           "that must succeed with the objects in the folder $COLT_OBJECTS, in place of running PROGRAM."),
    option("--whole-program", is_flag=True, group=PROJECTS,
           help="With --build: tune all files as one module, which colt-cc builds when it links."),
    option("--ci", is_flag=True, group=PROJECTS,
           help="With --build: tune only files whose recipe is stale; exit status 8 if some stay stale."),
    option("--scopes", metavar="LIST", group=SEARCH,
           help="What the search may change, with commas: passes, module, function, inline, call, loop. Default: for "
           "size passes, module, function and call; with --trials below 100 passes and module, below 50 passes; "
           "else passes."),
    option("--risky", is_flag=True, group=SEARCH,
           help="Also try passes that are known to break programs; outputs are still checked."),
    option("--seed", type=int, default=0, show_default=True, metavar="N", group=SEARCH,
           help="Random seed. Repeats a run without timing and language models at the same --workers, any other with "
           "--workers 1, where the store is the same or there is none."),
    option("--workers", type=int, default=0, metavar="N", group=SEARCH,
           help="Candidates built in parallel. Default: chosen for this machine."),
    store_options,
    strategy_option,
    model_options,
    cluster_options,
    llvm_option,
)  # fmt: skip


@click.command("tune", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@_options_of_tune
def command(**given: Any) -> int:
    """Find a pass sequence that beats clang -O3 or -Oz for PROGRAM, and prove the gain.

    PROGRAM is one or more C or C++ files, LLVM IR (.ll, .bc), a folder with a program.toml, or the name of an
    included program; with --build it is what the build makes. Ctrl-C ends the search with the best so far.
    """
    if given["builds"]:
        if given["cluster"]:
            raise UsageError("--cluster: cannot tune a project yet; leave it out, or tune its files one by one")
        from colt_llvm.cli.project import tune_project_command

        return tune_project_command(given)
    _refuse_project_options(given)
    _refuse_runs(given)
    options = _options(given)
    if not given["resume"]:
        refuse_models_of(options.strategy, given)
    program = _program(given)
    if program is not None and program.members:
        of_all = _OF_ALL if options.goal.additive else _OF_ALL[:1]
        options = options if given["scopes"] else replace(options, scopes=of_all)
    from colt_llvm.models.registry import load_models

    models = None if given["models"] is None else load_models(given["models"])
    result = _run(given, program, options, models)
    from colt_llvm.cli.view import print_result
    from colt_llvm.run.progress import result_to_dict

    if given["as_json"]:
        click.echo(json.dumps(result_to_dict(result), indent=1))
    else:
        print_result(result)
    return 0


def _run(
    given: dict[str, Any], program: Program | None, options: TuneOptions, models: list[ModelSpec] | None
) -> TuneResult:
    """A new run, or without a program the one that goes on."""
    from colt_llvm.llvm.toolchain import find_toolchain

    toolchain = find_toolchain(given["llvm_prefix"])
    # Imported here: what is wrong above is told without waiting for them.
    from colt_llvm.cli.view import live_view
    from colt_llvm.compare.plain_build import own_profile
    from colt_llvm.run.asking import Hooks
    from colt_llvm.run.journal import locked_directory
    from colt_llvm.run.tuner import resume, tune

    output = given["output"]
    with cluster_of(given) as cluster, ended_by_signal() as stop:
        hooks = Hooks(remote=cluster)
        if program is None:
            with live_view(f"resuming {given['resume']}", quiet=given["as_json"]) as view:
                return resume(given["resume"], toolchain, output=output, trials=given["trials"],
                              seconds=given["seconds"], limits={name: given[name] for name in _LIMITS},
                              on_progress=view, stop=stop, hooks=hooks)  # fmt: skip
        with (
            locked_directory(given["run_dir"], program.name) as directory,
            live_view(f"{program.name}: {options.objective}", quiet=given["as_json"]) as view,
            own_profile(program, toolchain, options, wanted=given["pgo"]) as profiled,
        ):
            return tune(profiled, toolchain, options, models=models, run_directory=directory, output=output,
                        on_progress=view, stop=stop, hooks=hooks)  # fmt: skip


def _refuse_project_options(given: dict[str, Any]) -> None:
    for name in ("only", "whole_program", "ci"):
        if given[name]:
            spelled = f"--{name.replace('_', '-')}"
            raise UsageError(f'{spelled}: is for projects; add --build, such as --build "make prog"')


def _refuse_runs(given: dict[str, Any]) -> None:
    """Options that say how a program is run, where none is."""
    if given["unchecked"] or given["test"]:
        for name, spelled in typed_options().items():
            if name in _OF_RUNS:
                option = "--unchecked" if given["unchecked"] else "--test"
                raise UsageError(f"{option}: PROGRAM is not run; leave out {spelled}")


#: What means nothing for many programs at once.
_OF_ONE = ("sources", "output", "pgo", "test", "cluster", "measure_on")
#: Of --scopes, those that name no part of one program; the second where it is known to pay.
_OF_ALL = ("passes", "module")
#: Of a program that is run.
_OF_RUNS = (
    "runs",
    "runner",
    "arguments",
    "stdin",
    "output_files",
    "ignored",
    "float_tolerance",
    "allow_nonzero",
    "pgo",
    "harness",
)
#: What may be said anew when a run goes on; everything else is the run's own.
_LIMITS = ("max_calls", "max_tokens", "max_cost", "stop_below")
_WITH_RESUME = {"resume", "cluster", "measure_on", "trials", "seconds", "output", "as_json", "llvm_prefix", *_LIMITS}


def _refuse_other_options() -> None:
    for name, spelled in typed_options().items():
        if name not in _WITH_RESUME:
            raise UsageError(f"--resume keeps the run's own options; leave out {spelled}")


def _program(given: dict[str, Any]) -> Program | None:
    """None to go on with a run."""
    if given["resume"] is not None:
        if given["sources"] or given["run_dir"]:
            raise UsageError("--resume goes on with the program of that run; leave out sources and --run-dir")
        _refuse_other_options()
        return None
    if given["corpus"] is not None:
        for name, spelled in typed_options().items():
            if name in _OF_ONE:
                raise UsageError(f"--corpus LIST has the programs, for one recipe; leave out {spelled}")
        return corpus_of_list(given["corpus"], given)
    return program_of(given)


def _options(given: dict[str, Any]) -> TuneOptions:
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
        trials=given["trials"], seconds=given["seconds"], stop_below=given["stop_below"],
        seed=given["seed"], workers=given["workers"], scopes=tuple(filter(None, (given["scopes"] or "").split(","))),
        unchecked=given["unchecked"], test=split_words("--test", given["test"] or ""),
        check=given["check"], clang_baseline=given["clang_baseline"], risky=given["risky"],
        preset=given["preset"] or "", search=search_changes(given), store=store_of(given),
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
