"""Learning curves: the best reward after each trial of a tree search that builds and executes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from colt_llvm.models.base import LanguageModel, Prompt
from colt_llvm.models.budget import Spending
from colt_llvm.models.embedded.policy import EmbeddedModel
from colt_llvm.proposal.questions import Questions
from colt_llvm.search import ActionSet, ColtOptions, ColtSearch, Model, Outcome, Proposal, Refiner, Request
from colt_llvm.search.strategy import Task
from colt_llvm.training.workbench import Workbench

_ASK_SECONDS = 10.0


class Observer(Protocol):
    """Whoever is told of each trial."""

    def __call__(self, request: Request, proposal: Proposal, outcome: Outcome) -> None: ...


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
    bench: Workbench,
    models: Sequence[LanguageModel],
    options: ColtOptions,
    trials: int,
    seed: int,
    observers: Sequence[Observer] = (),
) -> LearningCurve:
    """The tree search with these models, each asked when the search says so. observers: told of each trial as well."""
    specs = [model.spec for model in models]
    by_name = {model.spec.name: model for model in models}
    search = ColtSearch([Model(spec.name, spec.parameters) for spec in specs], options, seed)
    task = Task(
        bench.objective.name, bench.baseline, "", bench.passes, bench.edits, bench.features,
        trials_wanted=trials, seed=seed,
    )  # fmt: skip
    questions = Questions(task, search, specs)
    promised = next((model.additions(bench.objective.name) for model in models if isinstance(model, EmbeddedModel)), {})
    refiner = Refiner(ActionSet(bench.passes, bench.edits), seed, promised)

    def propose(request: Request) -> Proposal:
        if request.kind == "refine":
            return refiner.propose(request)
        question = questions.make(request, request.model, lambda name: True, Spending())
        answer = json.loads(by_name[request.model].ask(Prompt(question, tuple), _ASK_SECONDS).text)
        return Proposal(
            tuple(answer["passes"]), answer["next_model"], request.model, confidence=answer.get("confidence")
        )  # fmt: skip

    return curve_of(bench, search, propose, [questions.observe, refiner.observe, *observers], trials)


def curve_of(
    bench: Workbench,
    search: ColtSearch,
    propose: Callable[[Request], Proposal],
    observers: Sequence[Observer],
    trials: int,
) -> LearningCurve:
    """One request after another. A search that ends early keeps its best for the trials that are left."""
    search.set_root_key(bench.root_key)
    best, curve = 0.0, [0.0]
    for _ in range(trials):
        request = search.ask()
        if request is None:
            break
        proposal = propose(request)
        outcome = bench.outcome(request.sequence + proposal.passes)
        search.tell(request, proposal, outcome)
        for observe in observers:
            observe(request, proposal, outcome)
        if outcome.reward is not None:
            best = max(best, outcome.reward)
        curve.append(best)
    curve += [best] * (trials + 1 - len(curve))
    calls = {name: record.calls + record.corrections for name, record in search.statistics.by_model.items()}
    return LearningCurve(tuple(curve), calls)
