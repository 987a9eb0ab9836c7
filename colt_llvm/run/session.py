"""Everything of one run, put together: baseline, judge, journal, compiler services."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import ProgramError
from colt_llvm.env import ServiceOptions
from colt_llvm.evaluate.builder import Builder, Built, Sequences, baseline_figures, built_from_objects
from colt_llvm.evaluate.evaluation import Examiner, ExaminingEvaluator, judging
from colt_llvm.evaluate.judge import Judge, Linker
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.remote import Hired, Job
from colt_llvm.llvm.acceptance import toolchain_catalogue
from colt_llvm.llvm.catalogue import Catalogue
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.host import compile_cores, confined_to, measuring_core
from colt_llvm.models.base import ModelSpec
from colt_llvm.objectives.base import RUN_TIME, Objective
from colt_llvm.program.baseline import Baseline, prepare_baseline
from colt_llvm.program.program import Program
from colt_llvm.proposal.questions import Task
from colt_llvm.run.evidence import program_features
from colt_llvm.run.hooks import Hooks
from colt_llvm.run.journal import Journal
from colt_llvm.run.records import run_header
from colt_llvm.run.task import make_task

#: Flags of the catalogue that keep an action out of the search, unless the user takes the risk.
RISKS_AVOIDED = ("miscompile", "crash", "nondeterministic", "slow")

_CALLS_IN_FLIGHT = 4
_LEAST_SECONDS = 0.002
_SHORT_SECONDS = 0.03


@dataclass
class Session:
    """Everything of one run, put together; closed as a whole."""

    program: Program
    options: TuneOptions
    toolchain: Toolchain
    journal: Journal
    baseline: Baseline
    catalogue: Catalogue
    sequences: Sequences
    judge: Judge
    builders: list[Builder]
    figures: dict[str, float]
    root_key: str
    task: Task
    notes: list[str] = field(default_factory=list)
    hooks: Hooks = field(default_factory=Hooks)
    hired: Hired | None = None

    @property
    def lent(self) -> Sequence[Any]:
        """Builders for the search: on this machine, or on others."""
        return self.hired.builders if self.hired else self.builders

    def evaluator(self) -> ExaminingEvaluator:
        """Who says what a candidate is worth."""
        examiner: Examiner | None
        if self.hired and self.hired.examiner:
            examiner, lanes = self.hired.examiner, self.hired.lanes
        else:
            examiner, lanes = judging(self.judge), 1 if self.options.times_the_program else builder_count(self.options)
        return ExaminingEvaluator(examiner, self.objective, self.figures, self.options.seed, lanes)

    def in_flight(self, specs: Sequence[ModelSpec]) -> int:
        """Requests under way at once."""
        alone = requests_in_flight(self.options, specs)
        if self.hired is None or self.options.workers or any(spec.kind == "replay" for spec in specs):
            return alone
        thinking = _CALLS_IN_FLIGHT if any(spec.is_language_model for spec in specs) else 0
        return self.hired.in_flight + thinking

    def in_order(self, specs: Sequence[ModelSpec]) -> bool:
        """Whether results are told in the order of asking: where nothing differs from run to run, but who is first."""
        return not self.options.times_the_program and not any(spec.is_language_model for spec in specs)

    @property
    def objective(self) -> Objective:
        return self.hooks.objective or self.options.goal


def prepare(
    stack: contextlib.ExitStack,
    program: Program,
    toolchain: Toolchain,
    options: TuneOptions,
    directory: Path,
    specs: Sequence[ModelSpec],
    resumed: bool,
    output: Path | None,
    report: Callable[..., None],
    linker: Linker | None = None,
    hooks: Hooks | None = None,
) -> Session:
    hooks = hooks or Hooks()
    baseline = prepare_baseline(toolchain, program, options.objective, options.strict)
    core = measuring_core() if options.times_the_program else None
    judge = Judge.of(toolchain, program, options, baseline.objects, core, linker, hooks.check)
    stack.callback(judge.close)
    notes = _check_length(judge, program) if options.times_the_program else []
    notes += judge.notes
    header = run_header(program, toolchain, options, baseline, specs, output, hooks)
    journal = Journal.open(directory)[0] if resumed else Journal.create(directory, header)
    stack.callback(journal.close)
    if core is not None:
        stack.enter_context(confined_to(compile_cores()))
    report(message="starting the compiler services")
    catalogue = toolchain_catalogue(toolchain)
    if not options.risky:
        catalogue = catalogue.without(RISKS_AVOIDED)
    mark = built_from_objects(baseline.objects, 0)
    count = 1 if hooks.workforce else builder_count(options)
    builders, empty = _start_builders(stack, program, toolchain, options, baseline, catalogue, mark, count)
    objective = hooks.objective or options.goal
    figures = baseline_figures(objective, mark, empty)
    if options.times_the_program:  # elsewhere a time would be all that differs between equal runs
        figures[RUN_TIME] = judge.cpu_seconds
    sequences = Sequences(catalogue, baseline)
    task = make_task(
        objective, toolchain, baseline, catalogue, mark, options.scopes,
        program_features(builders[0]),
    )  # fmt: skip
    session = Session(
        program, options, toolchain, journal, baseline, catalogue, sequences, judge, builders,
        figures, mark.key if objective.builds_objects else empty.key,
        replace(task, trials_wanted=options.trials, seed=options.seed), notes, hooks,
    )  # fmt: skip
    objective.try_out(figures)
    if hooks.workforce is not None:
        report(message="preparing the workers")
        job = Job(
            toolchain, program, baseline, catalogue, _service_options(toolchain, options), builders[0].record, empty,
            options, portable=linker is None and hooks.check is None,
        )  # fmt: skip
        session.hired = stack.enter_context(hooks.workforce.hire(job))
        session.notes += session.hired.notes
    if objective.builds_objects and empty.key != mark.key:
        session.notes.append(
            f"this LLVM's pipeline by itself does not give the object of {baseline.name}; "
            "the baseline measured is clang's own object"
        )
    return session


def _check_length(judge: Judge, program: Program) -> list[str]:
    """Refuse to time what is over too soon. Raises ProgramError."""
    name, milliseconds = program.timed_workload.name, judge.cpu_seconds * 1000
    if judge.cpu_seconds < _LEAST_SECONDS:
        raise ProgramError(
            f"workload {name}: takes {milliseconds:.2g} ms, which cannot be timed; "
            "give it more work with --args or --run, or use --objective size"
        )
    if judge.cpu_seconds < _SHORT_SECONDS:
        return [f"workload {name} takes only {milliseconds:.0f} ms; 100 ms or more give narrower intervals"]
    return []


def _start_builders(
    stack: contextlib.ExitStack,
    program: Program,
    toolchain: Toolchain,
    options: TuneOptions,
    baseline: Baseline,
    catalogue: Catalogue,
    mark: Built,
    count: int,
) -> tuple[list[Builder], Built]:
    """The builders, and what the empty sequence gives.

    Code generation in libLLVM is much the faster; where it does not give the very object that clang gives
    (clang knows options that the C API has not), clang does it.
    """
    service = _service_options(toolchain, options)
    with_objects = options.goal.builds_objects

    def start(codegen: str) -> Builder:
        return Builder(
            toolchain, program, baseline, catalogue, with_objects=with_objects, codegen=codegen, options=service
        )

    codegen = "library"
    first = start(codegen)
    try:
        empty = first.build(())
        if with_objects and baseline.completion.exact and empty.key != mark.key:
            first.close()
            codegen = "clang"
            first = start(codegen)
            empty = first.build(())
    finally:
        stack.callback(lambda: first.close())
    builders = [first]
    for _ in range(count - 1):
        builders.append(start(codegen))
        stack.callback(builders[-1].close)
    return builders, empty


def _service_options(toolchain: Toolchain, options: TuneOptions) -> ServiceOptions:
    """Steps are exact: else what a service built before can show in the next result (attributes of declarations are
    set anew when a module is read), and services would not agree. It costs a few percent.
    """
    return ServiceOptions(
        llvm_prefix=toolchain.prefix, action_seconds=options.pass_seconds, memory_bytes=options.pass_memory_bytes,
        exact_steps=True,
    )  # fmt: skip


def builder_count(options: TuneOptions) -> int:
    """Services that build at once: one for each core that is not kept for measuring."""
    cores = len(compile_cores()) if options.times_the_program else len(os.sched_getaffinity(0))
    return max(1, min(cores, options.workers or cores))


def requests_in_flight(options: TuneOptions, specs: Sequence[ModelSpec]) -> int:
    """Enough that the measuring core always has a candidate waiting, also while models think for seconds.

    A replay goes in turn, as the recorded run has to have gone.
    """
    if any(spec.kind == "replay" for spec in specs):
        return 1
    thinking = _CALLS_IN_FLIGHT if any(spec.is_language_model for spec in specs) else 0
    return options.workers or builder_count(options) + (2 if options.times_the_program else 0) + thinking
