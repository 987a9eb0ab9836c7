"""Options that several commands share, and what they say as values."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from colt_llvm.cli.grouped import option, together
from colt_llvm.core.errors import UsageError
from colt_llvm.core.plugins import offered
from colt_llvm.core.text import split_words
from colt_llvm.objectives.registry import DEFAULT, GROUP, OBJECTIVES, find_objective
from colt_llvm.objectives.size import LOADED_SIZE
from colt_llvm.program.program import Program, Workload, corpus_of, resolve_program

#: Headings in --help.
WHAT_TO_TUNE = "What to tune"
HOW_LONG = "How long"
WHAT_TO_PROVE = "What to prove"
WHERE_IT_GOES = "Where it goes"
MODELS = "Which models propose"
ONE_RUN = "One run of the program"
SEARCH = "How it searches"
SETTINGS = "Search settings (arXiv 2602.01935)"
PROJECTS = "Projects of many files"
MACHINES = "Toolchain and other machines"

FILE = click.Path(path_type=Path)
_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _take_any_llvm(_context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """A variable, since it holds for our child processes too."""
    if wanted:
        os.environ["COLT_LLVM_ANY"] = "1"


llvm_option: _Decorator = together(
    option("--llvm-prefix", type=FILE, metavar="DIR", group=MACHINES,
           help="Folder of the LLVM to use, such as /usr/lib/llvm-22. Default: $COLT_LLVM_PREFIX, then the virtual "
           "environment of colt-llvm, then PATH."),
    option("--llvm-any", is_flag=True, expose_value=False, callback=_take_any_llvm, group=MACHINES,
           help="Accept an LLVM newer than all supported ones; same as COLT_LLVM_ANY=1."),
)  # fmt: skip

source_options: _Decorator = together(
    click.argument("sources", nargs=-1, type=click.Path(), metavar="PROGRAM..."),
    option("--cflags", multiple=True, metavar="FLAGS", group=WHAT_TO_TUNE, common=True,
           help="Compiler flags for the baseline and every candidate, such as -march=native. Repeats."),
    option("--target", metavar="TRIPLE", group=WHAT_TO_TUNE,
           help="Processor and system to compile for, such as aarch64-linux-gnu: short for --cflags=--target=TRIPLE. "
           "Objectives size and instructions."),
    option("--ldflags", multiple=True, metavar="FLAGS", group=WHAT_TO_TUNE, common=True,
           help="Linker flags, such as -lm. Repeats."),
    option("--harness", multiple=True, type=FILE, metavar="FILE", group=WHAT_TO_TUNE,
           help="Source file that is linked in and not tuned, such as the one with main. Repeats."),
)  # fmt: skip

workload_options: _Decorator = together(
    option("--run", "runs", multiple=True, metavar="COMMAND", group=WHAT_TO_TUNE, common=True,
           help="Command that runs the program in this folder, such as '{exe} input.txt'. Each one is checked, the "
           "first is timed. Repeats."),
    option("--runner", metavar="COMMAND", group=WHAT_TO_TUNE,
           help='Command that runs the program to check it, such as "qemu-aarch64 -L /usr/aarch64-linux-gnu".'),
    option("--args", "arguments", metavar="ARGS", group=WHAT_TO_TUNE,
           help="Arguments of the program: short for --run '{exe} ARGS'."),
    option("--stdin", type=FILE, metavar="FILE", group=WHAT_TO_TUNE, help="File that is the program's standard input."),
    option("--output-file", "output_files", multiple=True, metavar="FILE", group=WHAT_TO_PROVE,
           help="File that the program writes in its working folder and that must be identical in every run. Other "
           "files and standard error are compared too, except for what varies between runs of the baseline. Repeats."),
    option("--ignore", "ignored", multiple=True, metavar="stderr|FILE|GLOB", group=WHAT_TO_PROVE,
           help="Do not compare standard error, or files of this name in the program's folder. Repeats."),
    option("--float-tolerance", type=float, default=0.0, metavar="X", group=WHAT_TO_PROVE, common=True,
           help="Relative difference allowed between numbers in the output, such as 1e-9. Default: 0."),
)  # fmt: skip

limit_options: _Decorator = together(
    option("--timeout", type=float, default=60.0, show_default=True, metavar="SECONDS", group=ONE_RUN,
           help="Wall-clock time that one run of the program may take."),
    option("--memory", type=int, metavar="MIB", group=ONE_RUN,
           help="Address space that the program may use, in MiB. Default: no limit."),
    option("--allow-nonzero", is_flag=True, group=ONE_RUN,
           help="Accept an exit status other than 0, if it is the same in every run."),
)  # fmt: skip

model_options: _Decorator = together(
    option("--models", metavar="LIST|FILE", group=MODELS, common=True,
           help="Models that propose: names with commas between, a .toml file (see: colt-llvm models --example), a "
           ".npz file of colt-llvm train, replay:RUN to repeat a run offline, or blind for no model. Default: the "
           "embedded policies."),
    option("--max-cost", type=float, metavar="X", group=MODELS, help="Stop before calls to models cost more than X."),
    option("--max-calls", type=int, metavar="N", group=MODELS, help="Stop before more than N calls to models."),
    option("--max-tokens", type=int, metavar="N", group=MODELS,
           help="Stop before models read and write more than N tokens."),
    option("--preset", type=click.Choice(["paper", "broad", "retrieval", "together"]), metavar="NAME", group=SETTINGS,
           help="Values to begin from. Default: together (with the embedded policies) for models behind an endpoint, "
           "paper for other language models, retrieval for the policies, broad for random proposals."),
    option("--branching", type=int, metavar="B", group=SETTINGS, help="Expand a node until it has B children."),
    option("--exploration", type=float, metavar="C", group=SETTINGS, help="Exploration constant C of the selection."),
    option("--selection", metavar="RULE", group=SETTINGS,
           help="Selection rule: uct, or puct, which explores in proportion to the models' confidence. Default: uct."),
    option("--widening", type=float, metavar="α", group=SETTINGS,
           help="Progressive widening: up to N^α children for a node visited N times, if more than B. Default: 0."),
    option("--model-bias", type=float, metavar="λ", group=SETTINGS, help="Preference for small models, 0 to 1."),
    option("--correct-every", metavar="K", group=SETTINGS,
           help="Ask the largest model for a correction after K regressions in a row by small models; or never."),
    option("--proposals", type=int, metavar="N", group=SETTINGS,
           help="Most proposals of one answer of a language model: as many as its node lacks. Default: 1."),
    option("--next-model", metavar="WHO", group=SETTINGS,
           help="Who names the next model: model (the acting one), random, round_robin, largest, or fixed:NAME."),
)  # fmt: skip

store_options: _Decorator = together(
    option("--store", type=FILE, metavar="FILE", group=SEARCH,
           help="Where what was found for functions is kept: a later run with the same functions begins with it. "
           "Default: $COLT_STORE, then colt-llvm/functions.sqlite in the user's cache folder."),
    option("--no-store", is_flag=True, group=SEARCH,
           help="Begin without what earlier runs found, and keep nothing; same as COLT_STORE=off."),
)  # fmt: skip


@click.command("line", add_help_option=False)
@source_options
@workload_options
def _line(**_given: Any) -> None:
    """One line of a corpus, read as the command line of ``tune`` is."""


#: A recipe, and the program that it is of where no run.json lies beside it.
recipe_arguments: _Decorator = together(
    click.argument("recipe", type=FILE),
    click.argument("sources", nargs=-1, type=click.Path(), metavar="[PROGRAM]..."),
    option("--harness", multiple=True, type=FILE, metavar="FILE", group=WHAT_TO_TUNE,
           help="Source file that is linked in and not tuned. Repeats."),
)  # fmt: skip

cluster_options: _Decorator = together(
    option("--cluster", metavar="ADDRESS", group=MACHINES,
           help="Build on Dask workers: local:N starts N on this machine, tcp://HOST:PORT names a scheduler. Workers "
           "with the resource measuring=1 also time."),
    option("--measure-on", metavar="TEXT", group=MACHINES,
           help="With --cluster: time only on hosts whose CPU or kernel contains TEXT. Default: the largest group of "
           "equal hosts."),
)  # fmt: skip


class ObjectiveName(click.Choice):
    """One of our objectives, one of an installed package, or ``module:NAME``."""

    def __init__(self) -> None:
        super().__init__(OBJECTIVES)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if ":" in value or value in offered(GROUP):
            find_objective(value)
            return value
        return super().convert(value, param, ctx)


def objective_option(default: str = DEFAULT, **settings: Any) -> _Decorator:
    """settings: the rest of the option, such as its help."""
    return option(
        "--objective", type=ObjectiveName(), default=default, show_default=True, metavar="NAME",
        group=WHAT_TO_PROVE, **settings,
    )  # fmt: skip


def strategy_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Which strategy searches. What there is takes all of ``search`` to tell, so it is looked up when it is shown."""

    def default() -> str:
        from colt_llvm.search.registry import DEFAULT

        return DEFAULT

    def complete(_context: click.Context, _option: click.Parameter, begun: str) -> list[str]:
        from colt_llvm.search.registry import STRATEGIES

        return [name for name in STRATEGIES if name.startswith(begun)]

    def describe() -> str:
        from colt_llvm.search.registry import STRATEGIES

        named = "; ".join(f"{name}: {summary}" for name, summary in STRATEGIES.items())
        return f"{named}; or your own as module:CLASS.  [default: {default()}]"

    return option(
        "--strategy", default=default, metavar="NAME", group=SEARCH, shell_complete=complete, describe=describe,
        help="Strategy of the search.",
    )(function)  # fmt: skip


@contextlib.contextmanager
def cluster_of(given: Mapping[str, Any]) -> Iterator[Any]:
    """The cluster that the options name, connected; None without one."""
    if given["cluster"] is None:
        if given["measure_on"]:
            raise UsageError("--measure-on: needs --cluster; name a cluster, or leave it out")
        yield None
        return
    from colt_llvm.cluster import connect

    with connect(given["cluster"], measure_on=given["measure_on"] or "") as cluster:
        yield cluster


def limits_of(
    given: Mapping[str, Any], names: Container[str] = ("timeout", "memory", "allow_nonzero")
) -> dict[str, Any]:
    """What ``limit_options`` said, as values of TuneOptions. names: of the options that are wanted."""
    memory = None if given["memory"] is None else given["memory"] << 20
    values = {
        "timeout": ("timeout_seconds", given["timeout"]),
        "memory": ("memory_bytes", memory),
        "allow_nonzero": ("allow_nonzero", given["allow_nonzero"]),
    }
    return dict(value for name, value in values.items() if name in names)


def typed_options() -> dict[str, str]:
    """The options that stand on the command line of this command, as name -> --option."""
    context = click.get_current_context()
    return {
        name: parameter.opts[0]
        for parameter in context.command.params
        if context.get_parameter_source(name := parameter.name or "") is click.core.ParameterSource.COMMANDLINE
        and context.params[name] != ()  # sources that were left out count as typed
    }


def refuse_models_of(strategy: str, given: Mapping[str, Any]) -> None:
    """Raises UsageError for options of models where the strategy asks none."""
    from colt_llvm.search.registry import refuse_models

    if any(given[name] is not None for name in ("models", "max_cost", "max_calls", "max_tokens")):
        refuse_models(strategy)


def search_changes(given: Mapping[str, Any]) -> dict[str, Any]:
    """What these options change of the search's preset. Raises UsageError."""
    names = ("branching", "exploration", "model_bias", "next_model", "selection", "widening", "proposals")
    changes = {name: given[name] for name in names if given[name] is not None}
    every = given["correct_every"]
    if every is not None:
        if every != "never" and not every.isdecimal():
            raise UsageError(f"--correct-every {every!r}: use a whole number of 1 or more, or never")
        changes["course_alteration_period"] = None if every == "never" else int(every)
    return changes


def store_of(given: Mapping[str, Any]) -> str:
    """What ``store_options`` said, as TuneOptions has it. Raises UsageError."""
    from colt_llvm.decisions.store import default_store

    if given["no_store"]:
        if given["store"] is not None:
            raise UsageError("--no-store: keeps nothing; leave out --store")
        return ""
    return default_store() if given["store"] is None else str(given["store"].absolute())


def program_of(given: Mapping[str, Any]) -> Program:
    """The program of ``source_options`` and, where a command has them, ``workload_options``. Raises UsageError."""
    if not given["sources"]:
        raise UsageError(
            "name a program: a C or C++ file, LLVM IR, a folder with a program.toml, or an included program"
        )
    runs, arguments = given.get("runs", ()), given.get("arguments")
    tolerance = given.get("float_tolerance", 0.0)
    if runs and arguments is not None:
        raise UsageError("--run says the whole command; leave out --args, or write them there")
    if not 0 <= tolerance < 1:
        raise UsageError(f"--float-tolerance {tolerance:g}: use a number from 0 to 1, such as 1e-9")
    workloads = list(workloads_of(given))
    for workload in workloads:
        if not any("{exe}" in part for part in workload.command):
            raise UsageError(f"--run {' '.join(workload.command)!r}: write {{exe}} where the program belongs")
    if not workloads and (arguments is not None or given.get("stdin") or given.get("output_files")):
        command = ("{exe}", *split_words("--args", arguments or ""))
        workloads = [Workload("default", command, _stdin(given), given["output_files"], Path.cwd())]
    target = [f"--target={given['target']}"] if given.get("target") else []
    program = resolve_program(
        given["sources"],
        cflags=[*target, *_flags("--cflags", given.get("cflags", ()))],
        ldflags=_flags("--ldflags", given.get("ldflags", ())),
        harness=given.get("harness", ()),
        workloads=workloads,
        float_tolerance=tolerance,
        ignore=given.get("ignored", ()),
    )
    runner = split_words("--runner", given.get("runner") or "")
    if runner and find_objective(given.get("objective", LOADED_SIZE.name)).timed:
        raise UsageError("--runner: times of what runs in it would be its own; use --objective size or instructions")
    workloads = [replace(workload, command=(*runner, *workload.command)) for workload in program.workloads]
    return replace(program, workloads=tuple(workloads)) if runner else program


def corpus_of_list(file: Path, given: Mapping[str, Any]) -> Program:
    """The programs that a file names, one a line with its own options; ``given`` holds for all. Raises UsageError."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"--corpus {file}: cannot be read ({reason}); name a text file, one program a line") from None
    programs = []
    for number, line in enumerate(lines, start=1):
        try:
            if words := shlex.split(line, comments=True):
                own = _line.make_context("line", words).params
                programs.append(program_of({**given, **{name: _both(given.get(name), own[name]) for name in own}}))
        except click.UsageError as error:
            raise UsageError(f"{file} line {number}: {error.format_message()}") from None
        except UsageError as error:
            raise UsageError(f"{file} line {number}: {error}") from None
        except ValueError as error:
            raise UsageError(f"{file} line {number}: {error}; check the quotes") from None
    if not programs:
        raise UsageError(f"--corpus {file}: names no program; write one a line")
    return corpus_of(file.stem, programs)


def _both(of_all: Any, own: Any) -> Any:
    """An option of all programs and of one: what repeats adds up, else the program's own counts where it has one."""
    return (*(of_all or ()), *own) if isinstance(own, tuple) else own or of_all


def program_beside_recipe(given: Mapping[str, Any], recipe: Path, without: Container[str]) -> Program | None:
    """The program that was named after a recipe, with the recipe's flags; None for the one that its run.json names.

    without: the options that go without a program's name too. Raises UsageError, RecipeError.
    """
    from colt_llvm.program.recipe import load_recipe, with_flags_of

    if given["sources"]:
        program = program_of(given)  # refused before the recipe is read
        return with_flags_of(load_recipe(recipe), program)
    for name, spelled in typed_options().items():
        if name not in without:
            raise UsageError(f"{spelled}: goes with sources; name them after the recipe")
    return None


def workloads_of(given: Mapping[str, Any]) -> tuple[Workload, ...]:
    """One for each --run, in this folder; the first one is timed. Raises UsageError."""
    read = _stdin(given)
    return tuple(
        Workload(f"run-{index + 1}", split_words("--run", run), read, given["output_files"], Path.cwd(), index == 0)
        for index, run in enumerate(given.get("runs", ()))
    )


def _stdin(given: Mapping[str, Any]) -> Path | None:
    file: Path | None = given.get("stdin")
    if file is not None and not file.is_file():
        raise UsageError(f"--stdin {file}: no such file")
    return file.resolve() if file else None


def _flags(name: str, values: tuple[str, ...]) -> tuple[str, ...]:
    """A flag is the compiler's, and may hold what a shell would take for its own."""
    try:
        return tuple(flag for value in values for flag in shlex.split(value))
    except ValueError as error:
        raise UsageError(f"{name} {' '.join(values)!r}: {error}; check the quotes") from None
