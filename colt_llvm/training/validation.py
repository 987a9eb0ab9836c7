"""Old numbers against new ones: equal searches of each model alone, built and not executed, so without noise.

Size is that of the objects' loaded sections, instructions are those of the IR. No output is checked here, so these
rewards are good for training and for comparing proposers, and prove nothing about a program.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from statistics import fmean

import numpy as np

from colt_llvm.core.errors import PassError, UsageError
from colt_llvm.env import ServiceOptions
from colt_llvm.evaluate.builder import Builder
from colt_llvm.evaluate.evaluation import Evaluation, Standing
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Built, Target, prepare_target
from colt_llvm.llvm.features import INST_COUNT_NAMES, inst_count
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.models.base import LanguageModel, Prompt
from colt_llvm.models.budget import Spending
from colt_llvm.models.embedded import SPECS
from colt_llvm.models.embedded.policy import EmbeddedModel
from colt_llvm.models.embedded.weights import Weights
from colt_llvm.objectives.base import RUN_TIME, Objective
from colt_llvm.program.program import Program
from colt_llvm.proposal.questions import Questions
from colt_llvm.run.loop import Loop, Proposer
from colt_llvm.run.trials import TrialRecord
from colt_llvm.search import ActionSet, ColtOptions, ColtSearch, Model, Outcome, Proposal, Refiner, Request
from colt_llvm.search.options import PRESETS
from colt_llvm.search.strategy import Task

PASS_SECONDS = 5.0


@dataclass
class CachedEvaluator:
    """One program under one objective: whatever was built is known from then on, to each search that uses this."""

    objective: Objective
    baseline_name: str
    builder: Builder
    passes: tuple[str, ...]
    edits: tuple[str, ...]
    features: dict[str, float]  #: InstCount of the root's completed IR, by name
    figures: dict[str, float]  #: of the baseline
    root_key: str
    known: dict[tuple[str, ...], Evaluation] = field(default_factory=dict)  #: every sequence built
    #: For objectives that time the program, against the baseline's time; None for a program that is wrong.
    relative_time: Callable[[Built], float | None] | None = None
    _times: dict[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.baseline: Evaluation | None = Evaluation(0.0, self.root_key, None, self.figures)

    def evaluate(self, sequence: tuple[str, ...], standing: Standing) -> Evaluation:
        """As ``outcome``: what it depends on is the sequence alone."""
        return self.outcome(sequence)

    def outcome(self, sequence: Sequence[str]) -> Evaluation:
        """As a run has it, but for the check of the output. Built once."""
        sequence = tuple(sequence)
        if sequence not in self.known:
            self.known[sequence] = self._build(sequence)
        return self.known[sequence]

    def forget(self) -> None:
        """Build and time anew whatever is asked for from now on."""
        self.known.clear()
        self._times.clear()

    def close(self) -> None:
        """Of one search that used this: the service stays for the next."""

    def _build(self, sequence: tuple[str, ...]) -> Evaluation:
        try:
            built = self.builder.build(sequence)
        except PassError as error:
            return Evaluation(None, failure=type(error).__name__)
        figures = built.figures
        if self.relative_time is not None:
            if built.key not in self._times:
                self._times[built.key] = 1.0 if built.key == self.root_key else self.relative_time(built)
            relative = self._times[built.key]
            if relative is None:
                return Evaluation(None, built.key, "wrong")
            figures = figures | {RUN_TIME: relative}
        if not all(value > 0 for value in figures.values()):
            return Evaluation(None, built.key, "empty")
        return Evaluation(self.objective.reward(figures, self.figures), built.key, None, figures)


@contextmanager
def cached_evaluator(toolchain: Toolchain, program: Program, objective: str) -> Iterator[CachedEvaluator]:
    """Starts one service process, and ends it. Raises ColtError when the program does not build."""
    target = prepare_target(toolchain, program, TuneOptions(objective=objective))
    service = ServiceOptions(llvm_prefix=toolchain.prefix, action_seconds=PASS_SECONDS)
    with Builder(target, "library", service) as builder:
        empty = builder.build(())
        figures = empty.figures
        if target.objective.builds_objects and target.objective.level == "Oz":
            figures = replace(target.baseline_built, instructions=empty.instructions).figures
        yield CachedEvaluator(
            target.objective, target.baseline.name, builder, tuple(target.catalogue.names()),
            tuple(target.sequences.edits), features_of(target), figures | {RUN_TIME: 1.0}, empty.key,
        )  # fmt: skip


def features_of(target: Target) -> dict[str, float]:
    """InstCount of the baseline's completed IR, by name: what a model is told of the program. Raises PassError."""
    counts = []
    for bitcode in target.optimise(target.baseline.completion.pipeline):
        with Module.parse(target.toolchain.load(), bitcode) as module:
            counts.append(inst_count(module))
    total = map(float, np.sum(counts, axis=0))
    return dict(zip((f"{name}Count" for name in INST_COUNT_NAMES), total, strict=True))


_ASK_SECONDS = 10.0


Observer = Callable[[TrialRecord], None]


@dataclass(frozen=True)
class LearningCurve:
    """Of one search."""

    best: tuple[float, ...]  #: the greatest reward so far, before the first trial (0) and after each
    asked: Mapping[str, int]  #: calls by model

    @property
    def mean(self) -> float:
        """Of the best over all trials: finding something good early counts, and so does finding more later."""
        return sum(self.best[1:]) / max(1, len(self.best) - 1)


def learning_curve(
    evaluator: CachedEvaluator,
    models: Sequence[LanguageModel],
    options: ColtOptions,
    trials: int,
    seed: int,
    observers: Sequence[Observer] = (),
) -> LearningCurve:
    """The tree search with these models, each asked when the search says so. observers: told of each trial as well."""
    search = ColtSearch([Model(model.spec.name, model.spec.parameters) for model in models], options, seed)
    task = Task(
        evaluator.objective.name, evaluator.baseline_name, "", evaluator.passes, evaluator.edits, evaluator.features,
        trials_wanted=trials, seed=seed,
    )  # fmt: skip
    return curve_of(evaluator, search, _Policies(models, task, search), trials, observers)


class _Policies:
    """Embedded models as a proposer: asked at once, and nothing is kept of their calls."""

    def __init__(self, models: Sequence[LanguageModel], task: Task, search: ColtSearch) -> None:
        self._models = {model.spec.name: model for model in models}
        self._questions = Questions(task, search, [model.spec for model in models])
        policies = (model for model in models if isinstance(model, EmbeddedModel))
        promised = next((policy.append_gains(task.objective) for policy in policies), {})
        self._refiner = Refiner(ActionSet(task.passes, task.edits), task.seed, promised)

    def prepare(self, request: Request) -> Callable[[], Proposal]:
        if request.kind == "refine":
            return self._refiner.prepare(request)
        question = self._questions.make(request, request.model, lambda name: True, Spending())

        def answer() -> Proposal:
            said = json.loads(self._models[request.model].ask(Prompt(question, tuple), _ASK_SECONDS).text)
            return Proposal(
                tuple(said["passes"]), said["next_model"], request.model, confidence=said.get("confidence")
            )  # fmt: skip

        return answer

    def observe(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        self._questions.observe(request, proposal, outcome)
        self._refiner.observe(request, proposal, outcome)


def curve_of(
    evaluator: CachedEvaluator,
    search: ColtSearch,
    proposer: Proposer,
    trials: int,
    observers: Sequence[Observer] = (),
) -> LearningCurve:
    """One request after another. A search that ends early keeps its best for the trials that are left."""
    curve = [0.0]

    def on_trial(trial: TrialRecord) -> None:
        curve.append(max(curve[-1], trial.outcome.reward or 0.0))
        for observe in observers:
            observe(trial)

    Loop(search, proposer, evaluator, on_trial).run(trials=trials, seconds=None)
    curve += [curve[-1]] * (trials + 1 - len(curve))
    calls = {name: record.calls + record.corrections for name, record in search.statistics.by_model.items()}
    return LearningCurve(tuple(curve), calls)


#: As ``tune`` searches with the embedded policies.
_SEARCH = PRESETS["retrieval"]
#: Of a mean reward: what is nearer than this is level.
_LEVEL = 1e-6


@dataclass(frozen=True)
class Comparison:
    """One model on one program under one objective: curves by seed, of the old numbers and of the new ones."""

    model: str
    program: str
    objective: str
    old: tuple[LearningCurve, ...]
    new: tuple[LearningCurve, ...]


@dataclass(frozen=True)
class Figures:
    """Means over programs and seeds; rewards, so log ratios."""

    old_mean: float  #: of the best over all trials
    new_mean: float
    old_last: float  #: of the best at the end
    new_last: float

    @property
    def worse(self) -> bool:
        """Whether the new numbers find less, or find it later."""
        return self.new_mean < self.old_mean - _LEVEL


@dataclass(frozen=True)
class Validation:
    """Of one model."""

    model: str
    kept: bool  #: whether the new numbers are: where they are worse under no objective
    figures: Mapping[str, Figures]  #: by objective


@dataclass(frozen=True)
class Effort:
    """Of the comparison of old and new numbers. Raises UsageError for less than one of either."""

    trials: int = 40  #: of each search
    seeds: int = 3  #: searches of each program and model, with the seeds 1 to so many

    def __post_init__(self) -> None:
        for option, value in (("--trials", self.trials), ("--seeds", self.seeds)):
            if value < 1:
                raise UsageError(f"{option} {value}: use 1 or more")


def compare(evaluator: CachedEvaluator, program: str, old: Weights, new: Weights, effort: Effort) -> list[Comparison]:
    """Each model by this evaluator, which builds no sequence twice."""

    def curves(name: str, known: Weights) -> tuple[LearningCurve, ...]:
        model = EmbeddedModel(SPECS[name], known=known)
        seeds = range(1, effort.seeds + 1)
        return tuple(learning_curve(evaluator, [model], _SEARCH, effort.trials, seed) for seed in seeds)

    objective = evaluator.objective.name
    return [Comparison(name, program, objective, curves(name, old), curves(name, new)) for name in SPECS]


def validations(comparisons: Sequence[Comparison]) -> list[Validation]:
    """Of each model, in the order of their size."""
    found = []
    for model in SPECS:
        mine = [one for one in comparisons if one.model == model]
        objectives = sorted({one.objective for one in mine})
        figures = {name: _figures([one for one in mine if one.objective == name]) for name in objectives}
        found.append(Validation(model, not any(one.worse for one in figures.values()), figures))
    return found


def _figures(of: Sequence[Comparison]) -> Figures:
    old = [curve for one in of for curve in one.old]
    new = [curve for one in of for curve in one.new]
    old_mean, new_mean = (fmean(curve.mean for curve in curves) for curves in (old, new))
    old_last, new_last = (fmean(curve.best[-1] for curve in curves) for curves in (old, new))
    return Figures(old_mean, new_mean, old_last, new_last)
