"""What ``import colt_llvm`` offers: the commands as functions, with Python objects where the commands take names.

Nothing here decides anything: programs, models, search and proof are those of the command line.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from colt_llvm.compare.plain_build import own_profile
from colt_llvm.core.errors import UsageError
from colt_llvm.evaluate.options import OLD_NAMES, TuneOptions
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.measure.check import CheckFunction, OwnCheck
from colt_llvm.models.base import LanguageModel, ModelSpec
from colt_llvm.models.registry import load_models
from colt_llvm.objectives.base import Objective
from colt_llvm.objectives.cost import Cost, CostObjective
from colt_llvm.objectives.registry import DEFAULT, known_objective
from colt_llvm.program.output import check_output
from colt_llvm.program.program import Program, Workload, resolve_program
from colt_llvm.program.recipe import Recipe, apply_to_file, load_recipe, with_flags_of
from colt_llvm.run.asking import Hooks
from colt_llvm.run.journal import locked_directory
from colt_llvm.run.progress import Progress, TuneResult
from colt_llvm.run.tuner import resume as resume_run
from colt_llvm.run.tuner import tune as tune_program
from colt_llvm.search.strategy import OwnStrategy, StrategyFactory

if TYPE_CHECKING:
    from typing_extensions import Unpack

#: One source, several, a folder with a program.toml, the name of an included program, or a program.
Sources = str | Path | Program | Sequence[str | Path]
#: As ``--models`` has them, or specifications and objects that answer, mixed.
Models = str | Sequence[str | ModelSpec | LanguageModel]
OnProgress = Callable[[Progress], None]


class BuildArguments(TypedDict, total=False):
    """How a program is built; as of :func:`program_from_files`."""

    cflags: Sequence[str]
    ldflags: Sequence[str]
    harness: Sequence[str | Path]


class ProgramArguments(BuildArguments, total=False):
    """How a program is built, run and compared; as of :func:`program_from_files`."""

    workloads: Sequence[Workload]
    float_tolerance: float
    ignore: Sequence[str]


class RunArguments(TypedDict, total=False):
    """Of a run, and of what goes on with it."""

    output: str | Path | None
    on_progress: OnProgress | None
    stop: threading.Event | None
    llvm_prefix: str | Path | None
    seconds: float | None
    trials: int | None
    max_calls: int | None
    max_tokens: int | None
    max_cost: float | None
    stop_below: float | None
    worth: float | None  # what stop_below was called


class TuneArguments(ProgramArguments, RunArguments, total=False):
    """The keywords of :func:`tune`: the rest are fields of :class:`TuneOptions`."""

    run_directory: str | Path | None
    weights: Mapping[str, float] | None
    seed: int
    workers: int
    scopes: Sequence[str]
    clang_baseline: bool
    strict: bool  # what clang_baseline was called
    unchecked: bool
    test: Sequence[str]
    risky: bool
    allow_nonzero: bool
    timeout_seconds: float
    memory_bytes: int | None
    pass_seconds: float
    pass_memory_bytes: int
    preset: str
    search: Mapping[str, Any]
    store: str


def tune(
    sources: Sources,
    *,
    objective: str | Objective | Cost = DEFAULT,
    models: Models | None = None,
    strategy: str | StrategyFactory | OwnStrategy = "colt",
    check: str | CheckFunction | OwnCheck | None = None,
    pgo: bool = False,
    **arguments: Unpack[TuneArguments],
) -> TuneResult:
    """Find, prove and write down a pass sequence that beats ``clang -O3`` or ``-Oz`` for one program.

    :param sources: a C, C++ or LLVM IR file, several of them, a folder with a ``program.toml``, the name of an
        included program such as ``"sha256"``, or a :class:`Program`.
    :param objective: a name (``size``, ``runtime`` ..., or ``module:NAME``), an :class:`Objective` with weights,
        a :class:`CostObjective`, or a function from figures to a cost (then one over size, text and instructions).
    :param seconds: of the search and, where run time counts, of its proof. Default: 120, without ``trials``.
    :param trials: at most so many. With ``workers=1``, equal seeds give equal trials where nothing is timed.
        Without ``seconds`` and ``trials`` the search ends too once doubling the trials gained less than 0.1%;
        ``stop_below=0`` keeps it going, and ``stop_below=0.5`` takes 0.5% in its place, beside any limit.
    :param models: who proposes: what ``--models`` takes as text, or a list of names, :class:`ModelSpec` and objects
        with the methods of :class:`LanguageModel`. Default: the embedded policies.
    :param strategy: a name as ``--strategy`` has it, or a function that makes one of a run's :class:`Task`.
    :param check: a name as ``--check`` has it, or a function that takes a :class:`ProgramRun` and gives None or the
        reason why it is wrong, in addition to the comparison with the baseline's output; :class:`OwnCheck` can put it
        in the place of that.
    :param pgo: profile the program first, and tune on top of clang with that profile; ``result.profile`` has what it
        gives by itself. For a profile made elsewhere: ``cflags=["-fprofile-use=FILE"]``.
    :param run_directory: a new or empty folder for the journal. Default: ``colt-runs/NAME-N``, the first that is free.
    :param output: where the tuned executable goes, or with a name in ``.o`` the object.
    :param on_progress: called with a :class:`Progress` as the run goes on, in the thread that searches.
    :param stop: when it is set, the search ends, and the best so far is proved.
    :param llvm_prefix: of the LLVM to use, such as ``/usr/lib/llvm-22``. Default: as the commands find it.
    :param cflags: of baseline and candidates alike. ``ldflags``, ``harness``, ``workloads``, ``float_tolerance`` and
        ``ignore`` are those of :func:`program_from_files`; what is given replaces or extends what a folder says.
    :param arguments: any other field of :class:`TuneOptions` too, such as ``workers=1`` or ``max_cost=2.0``.
    :returns: a :class:`TuneResult`; ``result.improved`` only where a gain was proved.
    :raises UsageError: for arguments that mean nothing.
    :raises ToolchainError: without clang and libLLVM of one version.
    :raises CompileError: for a program that does not build.
    :raises ProgramError: for one that cannot be verified: it crashes, never ends, or differs from run to run.
    :raises CostError: where a cost function raises, or gives what is no cost.
    :raises CheckError: where a check function raises.
    :raises RunDirectoryError: for folders and files that cannot be written.
    """
    options = _with_new_names(arguments)
    program = _program(sources, **_taken(options, ProgramArguments))
    name, weights, own_objective = _objective(objective)
    own_strategy = None if isinstance(strategy, str) else _factory(strategy)
    if own_strategy is not None and models is not None:
        raise UsageError("a strategy of your own asks no model; leave out models, or use strategy='colt'")
    specs, objects = _models(models)
    named, own_check = (check, None) if isinstance(check, str) else ("", _check(check))
    hooks = Hooks(own_objective, own_check, own_strategy, objects)
    run = _run_arguments(options)
    chosen_directory = _path(options.pop("run_directory", None))
    given = {
        "objective": name,
        "weights": weights,
        "check": named,
        **({"strategy": strategy} if isinstance(strategy, str) else {}),
    }
    chosen = _options({**given, **options})
    toolchain = find_toolchain(run.pop("llvm_prefix"))
    with (
        locked_directory(chosen_directory, program.name) as directory,
        own_profile(program, toolchain, chosen, wanted=pgo) as profiled,
    ):
        return tune_program(profiled, toolchain, chosen, models=specs, run_directory=directory, hooks=hooks, **run)


def resume(
    run_directory: str | Path,
    *,
    objective: CostObjective | Cost | None = None,
    strategy: StrategyFactory | OwnStrategy | None = None,
    models: Sequence[LanguageModel] = (),
    check: CheckFunction | OwnCheck | None = None,
    **arguments: Unpack[RunArguments],
) -> TuneResult:
    """Go on with a run that was stopped or killed.

    :param seconds: a new total for the search and its proof.
    :param trials: a new total of trials.
    :param objective: a function that the run began with; ``strategy``, ``models`` and ``check`` likewise. Files hold
        only their names, so they have to be given again, by the same names. Whether they are the same, nobody can tell.
    :param max_calls: a new limit for models; ``max_tokens`` and ``max_cost`` likewise. What was spent counts too.
    :param stop_below: as for :func:`tune`.
    :returns: the result of the whole run. Other parameters are those of :func:`tune`.
    :raises UsageError: for other objects than the run began with, or changed sources.
    :raises RunDirectoryError: for a folder that holds no run, or one that another process is writing to.
    """
    if unknown := sorted(arguments.keys() - RunArguments.__optional_keys__):
        raise UsageError(
            f"resume: {unknown[0]!r} is the run's own; only max_calls, max_tokens, max_cost and stop_below may change"
        )
    limits = _with_new_names(arguments)
    run = _run_arguments(limits)
    totals = {name: limits.pop(name, None) for name in ("trials", "seconds")}
    own = None if objective is None else _objective(objective)[2]
    if objective is not None and own is None:
        raise UsageError("resume: the run keeps its objective; give only one of your own that it began with")
    hooks = Hooks(
        own, _check(check), None if strategy is None else _factory(strategy), {m.spec.name: m for m in models}
    )  # fmt: skip
    return resume_run(
        Path(run_directory), find_toolchain(run.pop("llvm_prefix")), limits=limits, hooks=hooks, **totals, **run
    )


def apply(
    recipe: str | Path | Recipe,
    sources: Sources,
    output: str | Path,
    *,
    strict: bool = False,
    llvm_prefix: str | Path | None = None,
    **build: Unpack[BuildArguments],
) -> tuple[str, ...]:
    """Build a program as a recipe says.

    :param recipe: the file that ``tune`` wrote, or its content.
    :param sources: the program, as :func:`tune` takes it.
    :param output: the executable, or with a name in ``.o`` the object.
    :param cflags: in place of the recipe's own; ``ldflags`` likewise. ``harness`` is as :func:`tune` takes it.
    :param strict: refuse what differs, in place of saying so.
    :returns: what is not as it was when the recipe was made, a line each; empty where the object is the same.
    :raises RecipeError: for a recipe that cannot be read, or does not fit this LLVM or, with ``strict``, this program.
    :raises CompileError: for a program that does not build.
    :raises UsageError: for arguments that mean nothing.
    :raises RunDirectoryError: where ``output`` cannot be written.
    """
    loaded = recipe if isinstance(recipe, Recipe) else load_recipe(Path(recipe))
    place, kept = Path(output), [] if isinstance(recipe, Recipe) else [Path(recipe)]
    if unknown := sorted(build.keys() - BuildArguments.__optional_keys__):
        raise UsageError(f"apply: unknown option {unknown[0]!r}; known are cflags, ldflags and harness")
    program = _program(sources, **build)
    program = with_flags_of(loaded, program, cflags=not build.get("cflags"), ldflags=not build.get("ldflags"))
    check_output(place, program, kept)
    name = loaded.program if isinstance(recipe, Recipe) else str(recipe)
    found = apply_to_file(loaded, name, find_toolchain(_path(llvm_prefix)), program, place, strict=strict)
    return tuple(found)


def _taken(arguments: dict[str, Any], kind: Any) -> dict[str, Any]:
    """Those that a TypedDict names, taken out of ``arguments``."""
    return {name: arguments.pop(name) for name in sorted(kind.__optional_keys__ & arguments.keys())}


def _with_new_names(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {OLD_NAMES.get(name, name): value for name, value in arguments.items()}


def _run_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """What is no option, taken out of ``arguments``."""
    return {
        "llvm_prefix": _path(arguments.pop("llvm_prefix", None)),
        "output": _path(arguments.pop("output", None)),
        "on_progress": arguments.pop("on_progress", None),
        "stop": arguments.pop("stop", None),
    }


def _program(sources: Sources, **given: Any) -> Program:
    if isinstance(sources, Program):
        if any(given.values()):
            named = next(name for name, value in given.items() if value)
            raise UsageError(
                f"{named}: is a part of the Program; make it with dataclasses.replace(program, {named}=...)"
            )
        return sources
    names = [sources] if isinstance(sources, (str, Path)) else list(sources)
    if not names:
        raise UsageError("name a program: a source file, a folder with a program.toml, or an included program")
    return resolve_program([str(name) for name in names], **given)


def _objective(objective: str | Objective | Cost) -> tuple[str, Mapping[str, float] | None, CostObjective | None]:
    """Name and weights for the options, and an objective of the caller's own."""
    if isinstance(objective, str):
        return objective, None, None
    if isinstance(objective, CostObjective):
        return objective.base, None, objective
    if isinstance(objective, Objective):
        if known_objective(objective.name) != replace(objective, weights={}):
            raise UsageError(
                f"objective {objective.name}: is of no installed package; name where it is declared, 'module:NAME'"
            )
        return objective.name, objective.weights or None, None
    if not callable(objective):
        raise UsageError(f"objective {objective!r}: give a name, an Objective, or a function from figures to a cost")
    own = CostObjective.of(objective)
    return own.base, None, own


def _factory(strategy: StrategyFactory | OwnStrategy) -> StrategyFactory:
    if callable(strategy):
        return strategy
    if not hasattr(strategy, "ask"):
        raise UsageError(f"strategy {strategy!r}: give a name, or a function that makes a strategy of a run's Task")
    made = strategy

    def ready(task: object) -> OwnStrategy:
        return made

    ready.__name__ = type(made).__name__
    return ready


def _check(check: CheckFunction | OwnCheck | None) -> OwnCheck | None:
    return check if check is None or isinstance(check, OwnCheck) else OwnCheck(check)


def _models(models: Models | None) -> tuple[list[ModelSpec] | None, dict[str, LanguageModel]]:
    """Specifications, and the objects among them by name."""
    if models is None or isinstance(models, str):
        return (None if models is None else load_models(models)), {}
    specs: list[ModelSpec] = []
    objects: dict[str, LanguageModel] = {}
    for model in models:
        if isinstance(model, str):
            specs += load_models(model)
        elif isinstance(model, ModelSpec):
            specs.append(model)
        elif isinstance(getattr(model, "spec", None), ModelSpec) and callable(getattr(model, "ask", None)):
            specs.append(model.spec)
            objects[model.spec.name] = model
        else:
            raise UsageError(f"model {model!r}: give a name, a ModelSpec, or an object with spec, ask and close")
    names = [spec.name for spec in specs]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"model {doubled[0]} is named twice; give each model a name of its own")
    if not specs:
        raise UsageError("no models: name some, or leave models out for the embedded policies")
    return specs, objects


def _options(given: Mapping[str, Any]) -> TuneOptions:
    known = [field.name for field in fields(TuneOptions)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            more = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise UsageError(f"tune: unknown option {name!r}; {more}")
    return TuneOptions(**given)


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
