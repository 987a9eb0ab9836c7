"""Options that several commands share."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

import click

from colt_llvm.core.errors import UsageError
from colt_llvm.core.words import split_words
from colt_llvm.program.program import Program, Workload, resolve_program


def llvm_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Which LLVM. What is said here of newer versions holds for our children too, so it is a variable."""

    def take_any(_context: click.Context, _option: click.Parameter, wanted: bool) -> None:
        if wanted:
            os.environ["COLT_LLVM_ANY"] = "1"

    function = click.option(
        "--llvm-any", is_flag=True, expose_value=False, callback=take_any,
        help="Try an LLVM that is newer than all that are known. Or: COLT_LLVM_ANY=1.",
    )(function)  # fmt: skip
    return click.option(
        "--llvm-prefix", type=click.Path(path_type=Path), metavar="DIR",
        help="Folder of the LLVM to use, such as /usr/lib/llvm-22. Default: $COLT_LLVM_PREFIX, then the virtual "
        "environment of colt-llvm, then PATH.",
    )(function)  # fmt: skip


def program_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Sources, flags and workloads."""
    function = workload_options(function)
    for option in reversed(
        [
            click.argument("sources", nargs=-1, type=click.Path(), metavar="PROGRAM..."),
            click.option(
                "--cflags", multiple=True, metavar="FLAGS", help="For baseline and candidates alike. Repeats."
            ),
            click.option("--ldflags", multiple=True, metavar="FLAGS", help="For linking, such as -lm. Repeats."),
            click.option(
                "--harness",
                multiple=True,
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="Source that is linked in and not tuned, such as one with main. Repeats.",
            ),
        ]
    ):
        function = option(function)
    return function


def workload_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """How the program is run, and what of it is compared."""
    for option in reversed(
        [
            click.option("--args", "arguments", metavar="ARGS", help="Arguments of the program, for one workload."),
            click.option("--stdin", type=click.Path(path_type=Path), metavar="FILE", help="What the program reads."),
            click.option(
                "--run",
                "runs",
                multiple=True,
                metavar="COMMAND",
                help="A workload such as '{exe} input.txt', run in this folder. The first one is timed. Repeats.",
            ),
            click.option(
                "--output-file",
                "output_files",
                multiple=True,
                metavar="FILE",
                help="File that the program writes in its working folder and that has to be the same in each run. "
                "Other files, and standard error, are compared but for what differs by itself. Repeats.",
            ),
            click.option(
                "--ignore",
                "ignored",
                multiple=True,
                metavar="stderr|FILE|GLOB",
                help="What the program writes and may differ: standard error, or files in its folder. Repeats.",
            ),
            click.option(
                "--float-tolerance",
                type=float,
                default=0.0,
                metavar="X",
                help="Relative difference that numbers in the output may have. Default: none.",
            ),
        ]
    ):
        function = option(function)
    return function


def limit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a run of the program may take, and how it may end."""
    for option in reversed(
        [
            click.option(
                "--timeout",
                type=float,
                default=60.0,
                show_default=True,
                metavar="SECONDS",
                help="How long one run of the program may take.",
            ),
            click.option("--memory", type=int, metavar="MIB", help="Memory that the program may use."),
            click.option(
                "--allow-nonzero",
                is_flag=True,
                help="Accept a program whose exit status is not 0, if it is always the same.",
            ),
        ]
    ):
        function = option(function)
    return function


def limits_of(given: dict[str, Any], names: Container[str] = ("timeout", "memory", "allow_nonzero")) -> dict[str, Any]:
    """What ``limit_options`` said, as values of TuneOptions. names: of the options that are wanted."""
    memory = None if given["memory"] is None else given["memory"] << 20
    values = {
        "timeout": ("timeout_seconds", given["timeout"]),
        "memory": ("memory_bytes", memory),
        "allow_nonzero": ("allow_nonzero", given["allow_nonzero"]),
    }
    return dict(value for name, value in values.items() if name in names)


def typed_options() -> dict[str, str]:
    """What the command line of this command says itself, as name -> --option."""
    context = click.get_current_context()
    return {
        name: parameter.opts[0]
        for parameter in context.command.params
        if context.get_parameter_source(name := parameter.name or "") is click.core.ParameterSource.COMMANDLINE
        and context.params[name] != ()  # sources that were left out count as typed
    }


def strategy_option(function: Callable[..., Any]) -> Callable[..., Any]:
    from colt_llvm.search.strategy_names import COLT, STRATEGIES

    return click.option(
        "--strategy", default=COLT, show_default=True, metavar="NAME",
        shell_complete=lambda _context, _option, begun: [name for name in STRATEGIES if name.startswith(begun)],
        help="; ".join(f"{name}: {summary}" for name, summary in STRATEGIES.items()) + ".",
    )(function)  # fmt: skip


def model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Who proposes, what that may cost, and the rules of the search (with the ablations of arXiv 2602.01935)."""
    for option in reversed(
        [
            click.option(
                "--models",
                metavar="LIST|FILE",
                help="Who proposes: names with commas between, a .toml file (see: colt-llvm models --example), "
                "a .npz of colt-llvm train, replay:RUN to repeat a run offline, or blind for no model. Default: the "
                "embedded policies.",
            ),
            click.option("--max-cost", type=float, metavar="X", help="End before calls cost more than X."),
            click.option("--max-calls", type=int, metavar="N", help="End before more than N calls to models."),
            click.option("--max-tokens", type=int, metavar="N", help="End before more than N tokens, both ways."),
            click.option(
                "--preset",
                type=click.Choice(["paper", "broad", "retrieval"]),
                help="Values of the search. Default: paper for language models, retrieval for embedded policies.",
            ),
            click.option("--branching", type=int, metavar="B", help="Children of a node before the search descends."),
            click.option("--exploration", type=float, metavar="C", help="Weight of what was visited less."),
            click.option(
                "--selection",
                metavar="RULE",
                help="How the search descends: uct, or puct, which heeds what models are confident of. Default: uct.",
            ),
            click.option(
                "--widening",
                type=float,
                metavar="α",
                help="Nodes visited N times have up to N^α children, where that is more than B. Default: 0.",
            ),
            click.option("--model-bias", type=float, metavar="λ", help="How much small models are favoured, 0 to 1."),
            click.option(
                "--correct-every",
                "correct_every",
                metavar="K",
                help="Regressions in a row by small models until the largest is asked to correct; or never.",
            ),
            click.option(
                "--next-model",
                metavar="WHO",
                help="Who is asked next: model (the acting one says), random, round_robin, largest, or fixed:NAME.",
            ),
        ]
    ):
        function = option(function)
    return function


def refuse_models_of(strategy: str, given: dict[str, Any]) -> None:
    """Raises UsageError for options of models where the strategy asks none."""
    from colt_llvm.search.strategy_names import refuse_models

    if any(given[name] is not None for name in ("models", "max_cost", "max_calls", "max_tokens")):
        refuse_models(strategy)


def search_changes(given: dict[str, Any]) -> dict[str, Any]:
    """What these options change of the search's preset. Raises UsageError."""
    names = ("branching", "exploration", "model_bias", "next_model", "selection", "widening")
    changes = {name: given[name] for name in names if given[name] is not None}
    every = given["correct_every"]
    if every is not None:
        if every != "never" and not every.isdecimal():
            raise UsageError(f"--correct-every {every!r}: use a whole number of 1 or more, or never")
        changes["course_alteration_period"] = None if every == "never" else int(every)
    return changes


def program_from_options(
    sources: tuple[str, ...],
    cflags: tuple[str, ...],
    ldflags: tuple[str, ...],
    harness: tuple[Path, ...],
    arguments: str | None,
    stdin: Path | None,
    runs: tuple[str, ...],
    output_files: tuple[str, ...],
    ignored: tuple[str, ...],
    float_tolerance: float,
) -> Program:
    """Raises UsageError."""
    if not sources:
        raise UsageError(
            "name a program: a C or C++ file, LLVM IR, a folder with a program.toml, or an included program"
        )
    if runs and arguments is not None:
        raise UsageError("--run says the whole command; leave out --args, or write them there")
    if stdin is not None and not stdin.is_file():
        raise UsageError(f"--stdin {stdin}: no such file")
    if not 0 <= float_tolerance < 1:
        raise UsageError(f"--float-tolerance {float_tolerance:g}: use a number from 0 to 1, such as 1e-9")
    here = Path.cwd()
    read = stdin.resolve() if stdin else None
    workloads = [
        Workload(f"run-{index + 1}", split_words("--run", run), read, output_files, here, timed=index == 0)
        for index, run in enumerate(runs)
    ]
    for workload in workloads:
        if not any("{exe}" in part for part in workload.command):
            raise UsageError(f"--run {' '.join(workload.command)!r}: write {{exe}} where the program belongs")
    if not workloads and (arguments is not None or stdin is not None or output_files):
        command = ("{exe}", *split_words("--args", arguments or ""))
        workloads = [Workload("default", command, read, output_files, here)]
    return resolve_program(
        sources,
        cflags=_flags("--cflags", cflags),
        ldflags=_flags("--ldflags", ldflags),
        harness=harness,
        workloads=workloads,
        float_tolerance=float_tolerance,
        ignore=ignored,
    )


def _flags(option: str, values: tuple[str, ...]) -> tuple[str, ...]:
    """A flag is the compiler's, and may hold what a shell would take for its own."""
    try:
        return tuple(flag for value in values for flag in shlex.split(value))
    except ValueError as error:
        raise UsageError(f"{option} {' '.join(values)!r}: {error}; check the quotes") from None
