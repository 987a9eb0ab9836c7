"""Learning curves: the best reward after each trial of a tree search that executes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from colt_llvm.models.base import LanguageModel, Prompt
from colt_llvm.models.budget import Spending
from colt_llvm.models.embedded.policy import EmbeddedModel
from colt_llvm.proposal.questions import Questions
from colt_llvm.run.loop import Loop, Proposer
from colt_llvm.run.trials import TrialRecord
from colt_llvm.search import ActionSet, ColtOptions, ColtSearch, Model, Outcome, Proposal, Refiner, Request
from colt_llvm.search.strategy import Task
from colt_llvm.training.evaluator import CachedEvaluator

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
        promised = next((policy.additions(task.objective) for policy in policies), {})
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
