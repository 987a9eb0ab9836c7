"""Everything of one run, put together: target, timer, journal, compiler services."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from compiler_gym.errors import ServiceError

import colt_llvm.env  # noqa: F401  (compiler_gym cannot be imported before it)
from colt_llvm.core.errors import ColtError, ProgramError
from colt_llvm.core.files import write_json
from colt_llvm.decisions.heat import hot_offers
from colt_llvm.decisions.known import KnownFunctions, Offering
from colt_llvm.decisions.offers import Offer, Scopes, offers_of, plain_flags
from colt_llvm.evaluate.builder import Builders
from colt_llvm.evaluate.corpus import CHECK_STEP, start_builders, verifier_of
from colt_llvm.evaluate.evaluation import Evaluation, Evaluator, Reference
from colt_llvm.evaluate.evaluators import (
    Pool,
    ProgramEvaluator,
    RecordedEvaluator,
    RemoteTarget,
    RemoteWorkers,
    examiner_of,
)
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Target
from colt_llvm.evaluate.timer import Timer
from colt_llvm.llvm.excerpt import function_in, shorten
from colt_llvm.llvm.flow import changed_functions, functions_of
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.pipeline import edits_of
from colt_llvm.llvm.processor import named_target
from colt_llvm.llvm.remarks import Remark
from colt_llvm.measure.host import compile_cores, confined_to, fingerprint
from colt_llvm.measure.samples import CannotProfile, symbol_samples
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.question import Evidence
from colt_llvm.models.replay import recorded_run
from colt_llvm.objectives.base import RUN_TIME, Objective
from colt_llvm.run.asking import KNOWN_FILE, Hooks, recorded_known
from colt_llvm.run.journal import Journal, read_trials
from colt_llvm.run.trials import trial_from_dict
from colt_llvm.search.strategy import Task

_CALLS_IN_FLIGHT = 4
_LEAST_SECONDS = 0.002
_SHORT_SECONDS = 0.03


@dataclass
class Setup:
    """Everything of one run, put together; closed as a whole."""

    target: Target
    journal: Journal
    timer: Timer
    builders: Builders
    figures: dict[str, float]  # of the baseline
    task: Task
    notes: list[str] = field(default_factory=list)
    hooks: Hooks = field(default_factory=Hooks)
    workers: RemoteWorkers | None = None
    known: KnownFunctions | None = None  # None where there is no store

    @property
    def options(self) -> TuneOptions:
        return self.target.options

    @property
    def reference(self) -> Reference:
        return Reference(self.target.objective, self.figures, self.builders.root_key)

    def pool(self) -> Pool[Any]:
        """Builders for the search: on this machine, or on others."""
        return Pool(self.workers.builders if self.workers else self.builders.builders)

    def evaluator(self, builders: Pool[Any], specs: Sequence[ModelSpec]) -> Evaluator:
        """Who values a sequence: this machine or others, and what a recorded run measured."""
        lanes = 1 if self.options.times_the_program else builder_count(self.options)
        examiner = examiner_of(self.timer)
        if self.workers and self.workers.examiner:
            examiner, lanes = self.workers.examiner, self.workers.lanes
        evaluator = ProgramEvaluator(
            builders, examiner, self.reference, lanes=lanes, seed=self.options.seed,
            with_parts=bool(self.task.surroundings.callers),
            check_step=CHECK_STEP if self.target.program.members else 0.0,
        )  # fmt: skip
        recorded = recorded_evaluations(specs) if self.options.times_the_program else {}
        return RecordedEvaluator(evaluator, recorded) if recorded else evaluator

    def in_flight(self, specs: Sequence[ModelSpec]) -> int:
        """Requests under way at once."""
        alone = requests_in_flight(self.options, specs)
        if self.workers is None or self.options.workers or any(spec.can.recorded for spec in specs):
            return alone
        thinking = _CALLS_IN_FLIGHT if any(spec.is_language_model for spec in specs) else 0
        return self.workers.in_flight + thinking

    def in_order(self, specs: Sequence[ModelSpec]) -> bool:
        """Whether results are told in the order of asking: where nothing differs from run to run, but who is first."""
        return not self.options.times_the_program and not any(spec.is_language_model for spec in specs)


def prepare(
    stack: contextlib.ExitStack,
    target: Target,
    begin: Callable[[Target], Journal],
    hooks: Hooks,
    report: Callable[..., None],
) -> Setup:
    """begin: opens the journal, once the baseline is known to be one that can be verified."""
    options, baseline = target.options, target.baseline
    timer = Timer(verifier_of(target))
    stack.callback(timer.verifier.close)
    notes = _check_length(timer, target.program.timed_workload.name) if options.times_the_program else []
    notes += [*baseline.notes, *timer.verifier.notes]
    journal = begin(target)
    stack.callback(journal.close)
    if target.core is not None:
        stack.enter_context(confined_to(compile_cores()))
    report(message="starting the compiler services")
    builders = stack.enter_context(start_builders(target, 1 if hooks.remote else builder_count(options)))
    figures = dict(builders.figures)
    if options.times_the_program:  # elsewhere a time would be all that differs between equal runs
        figures[RUN_TIME] = timer.cpu_seconds
    shares = None
    if options.times_the_program and set(options.scopes) - {"passes", "module"}:
        shares, said = time_shares(target, timer, journal)
        notes += said
    task = make_task(target, program_features(builders.first), options.scopes, shares)
    task = replace(task, trials_wanted=options.trials, seed=options.seed)
    setup = Setup(target, journal, timer, builders, figures, task, notes, hooks)
    if options.store and set(options.scopes) - {"passes", "module"}:  # else nothing is decided about functions
        setup.known = known_functions(target)
        setup.task = replace(task, begin_with=begin_with(setup))
    target.objective.try_out(figures)
    if hooks.remote is not None:
        report(message="preparing the workers")
        setup.workers = stack.enter_context(hooks.remote.workers_for(RemoteTarget.of(target, builders)))
        setup.notes += setup.workers.notes
    if target.with_objects and builders.empty.key != builders.root_key:
        setup.notes.append(
            f"this LLVM's pipeline by itself does not give the object of {baseline.name}; "
            "the baseline measured is clang's own object"
        )
    return setup


def recorded_evaluations(specs: Sequence[ModelSpec]) -> dict[str, Evaluation]:
    """For a replay: what was measured of each object code in the recorded run. The final proof is made anew."""
    known: dict[str, Evaluation] = {}
    for run in {recorded_run(spec) for spec in specs} - {None}:
        for trial in map(trial_from_dict, read_trials(Path(str(run)))):
            if trial.outcome.key is not None:
                known.setdefault(str(trial.outcome.key), trial.outcome)
    return known


def _check_length(timer: Timer, name: str) -> list[str]:
    """Refuse to time what is over too soon. name: of the workload. Raises ProgramError."""
    milliseconds = timer.cpu_seconds * 1000
    if timer.cpu_seconds < _LEAST_SECONDS:
        raise ProgramError(
            f"workload {name}: takes {milliseconds:.2g} ms, which cannot be timed; "
            "give it more work with --args or --run, or use --objective size"
        )
    if timer.cpu_seconds < _SHORT_SECONDS:
        return [f"workload {name} takes only {milliseconds:.0f} ms; 100 ms or more give narrower intervals"]
    return []


def builder_count(options: TuneOptions) -> int:
    """Services that build at once: one for each core that is not kept for measuring."""
    cores = len(compile_cores()) if options.times_the_program else len(os.sched_getaffinity(0))
    return max(1, min(cores, options.workers or cores))


def requests_in_flight(options: TuneOptions, specs: Sequence[ModelSpec]) -> int:
    """Enough that the measuring core always has a candidate waiting, also while models think for seconds.

    A replay goes in turn, as the recorded run has to have gone.
    """
    if any(spec.can.recorded for spec in specs):
        return 1
    thinking = _CALLS_IN_FLIGHT if any(spec.is_language_model for spec in specs) else 0
    return options.workers or builder_count(options) + (2 if options.times_the_program else 0) + thinking


#: A sampled run is repeated until there are so many samples, or so many seconds have gone.
_ENOUGH_SAMPLES, _SAMPLING_SECONDS = 400, 2.0
_HEAT = "heat.json"
#: What a decision about the whole module promises for run time, a log ratio.
_LITTLE = 0.0005

Names = tuple[str, ...]


def time_shares(target: Target, timer: Timer, journal: Journal) -> tuple[dict[str, float], list[str]]:
    """Symbol -> share of the baseline's time in its own code, and notes; without perf an estimate by loops.

    A run that goes on has the shares that it began with. Raises what a run of the program raises.
    """
    file = journal.directory / _HEAT
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        return {str(name): float(share) for name, share in json.loads(file.read_text()).items()}, []
    notes: list[str] = []
    weights: Counter[str] = Counter()
    workload, end = target.program.timed_workload, time.monotonic() + _SAMPLING_SECONDS
    try:
        while sum(weights.values()) < _ENOUGH_SAMPLES and (not weights or time.monotonic() < end):
            weights.update(symbol_samples(timer.verifier.baseline, workload, timer.run_seconds, target.core))
    except CannotProfile as error:
        notes = [f"where the time goes is not measured but estimated by loops: {error}"]
        for bitcode in target.baseline.bitcodes:
            with Module.parse(target.toolchain.load(), bitcode) as module:
                weights.update({function.name: int(function.weight) for function in functions_of(module)})
    total = sum(weights.values()) or 1
    shares = {name: weight / total for name, weight in weights.items()}
    write_json(file, {name: round(share, 6) for name, share in shares.items()})
    return shares, notes


def known_functions(target: Target) -> KnownFunctions:
    """Raises InvalidIR."""
    triple = named_target(target.program.cflags) or target.toolchain.triple
    context = f"LLVM {target.toolchain.version}, {triple}, {target.objective.name} against {target.baseline.name}"
    return KnownFunctions.of(target.options.store, context, target.toolchain.load(), target.baseline.bitcodes)


def begin_with(setup: Setup) -> tuple[Names, ...]:
    """What the store knows of the functions; a run that goes on has what it began with, whatever is known by then."""
    directory, task, known = setup.journal.directory, setup.task, setup.known
    if (recorded := recorded_known(directory)) is not None or known is None:
        return recorded or ()
    found = known.sequences(Offering({*task.passes, *task.edits}, task.surroundings))
    if found:
        setup.notes.append(f"{known.known} functions are known from earlier runs; the first trial has what they found")
    write_json(directory / KNOWN_FILE, {"store": setup.options.store, "functions": known.known, "sequences": found})
    return found


def make_task(
    target: Target, program: Mapping[str, float], scopes: Scopes, shares: Mapping[str, float] | None = None
) -> Task:
    """program: features of the baseline's code. Raises InvalidIR.

    Without the scope "passes" there are decisions alone. shares: of the run time, by symbol; where it counts, decisions
    about functions are those of ``decisions.heat``.
    """
    baseline, catalogue, objective = target.baseline, target.catalogue, target.objective
    expanded, rows = baseline.completion.expanded, baseline.has_unwind_rows
    library, own = target.toolchain.load(), target.baseline_built
    of_all = scopes if shares is None else tuple({"module"} & {*scopes})
    offered = offers_of(library, baseline.bitcodes, of_all, catalogue, expanded, rows=rows)
    if shares is not None:
        hot = hot_offers(library, baseline.bitcodes, scopes, shares, own.parts)
        offered = replace(hot, offers=(*hot.offers, *_of_time(offered.offers, objective)))
    passes = tuple(catalogue.names()) if "passes" in scopes else ()
    edits = edits_of(expanded) if expanded and passes else []
    edits += (offer.name for offer in offered.offers)
    edits += (name for names in offered.begin_with for name in names if name not in edits)
    flags = plain_flags({*passes, *edits}, rows=rows) if objective.plain_flags and "module" in scopes else ()
    return Task(
        objective=objective.name,
        baseline=baseline.name,
        cpu=fingerprint().cpu,
        passes=passes,
        edits=tuple(dict.fromkeys(edits)),
        promised={offer.name: offer.promise for offer in offered.offers},
        known_good=(*offered.begin_with, *flags),
        program=program,
        surroundings=replace(offered.surroundings, parts=own.parts, size=own.size),
    )


def _of_time(offers: Sequence[Offer], objective: Objective) -> list[Offer]:
    """What is promised of size is not promised of run time."""
    return [replace(offer, promise=min(offer.promise, _LITTLE)) if objective.time_alone else offer for offer in offers]


logger = logging.getLogger(__name__)

MAX_REMARKS = 24
MAX_FUNCTIONS = 24
DEFAULT_CHARACTERS = 6_000
_FAILURES = (ColtError, ServiceError)
_REMARK_SHARE = 0.4  # of the characters, at most


class Observer(Protocol):
    """``tune.builder.Builder``, as far as this needs it."""

    def observe(self, sequence: Sequence[str], observations: Sequence[str]) -> list[Any]: ...


def gather(
    builder: Observer,
    sequence: Sequence[str],
    *,
    max_characters: int = DEFAULT_CHARACTERS,
    for_size: bool = False,
) -> Evidence:
    """Evidence about the completed sequence, its remarks and excerpt together in at most ``max_characters``.

    Functions count as changed against the empty sequence, which is the baseline. for_size: the excerpt shows the
    largest function, not the hottest. A pass or an observation that fails gives empty Evidence: a run goes on without.
    """
    excerpt_space = "IrExcerptLargest" if for_size else "IrExcerpt"
    try:
        before = str(builder.observe((), ["FunctionHashes"])[0])
        wanted = ["InstCountDict", "OptRemarks", excerpt_space, "FunctionHashes"]
        counts, remarks, excerpt, after = builder.observe(sequence, wanted)
    except _FAILURES as error:
        logger.info("no evidence for %s: %s", list(sequence), error)
        return Evidence()
    lines = _within(
        [Remark.from_json(line).line() for line in str(remarks).splitlines()], int(max_characters * _REMARK_SHARE)
    )
    text = shorten(str(excerpt), max(0, max_characters - sum(len(line) + 1 for line in lines)), for_size=for_size)
    changed = changed_functions(json.loads(before), json.loads(str(after)))
    return Evidence(
        features=_floats(counts),
        changed_functions=tuple(changed[:MAX_FUNCTIONS]),
        remarks=tuple(lines),
        excerpt=text,
        excerpt_of=function_in(text),
    )


def program_features(builder: Observer) -> Mapping[str, float]:
    """InstCount of the baseline's IR by name (``TotalInstsCount``, ``LoadCount``, ...). Empty where it fails."""
    try:
        return _floats(builder.observe((), ["InstCountDict"])[0])
    except _FAILURES as error:
        logger.info("no features of the program: %s", error)
        return {}


def _within(lines: Sequence[str], max_characters: int) -> list[str]:
    kept: list[str] = []
    room = max_characters
    for line in lines[:MAX_REMARKS]:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return kept


def _floats(counts: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(count) for name, count in sorted(counts.items())}
