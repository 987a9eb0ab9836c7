"""Compares proposers at equal trials: the tree search of a run, with rewards from builds alone and nothing executed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from embedded_workbench import Workbench

from colt_llvm.models.base import Prompt
from colt_llvm.models.budget import Spending
from colt_llvm.models.embedded import SPECS
from colt_llvm.models.embedded.policy import EmbeddedModel
from colt_llvm.proposal.blind import BlindProposer
from colt_llvm.proposal.questions import Questions, Task
from colt_llvm.search import ColtOptions, ColtSearch, Model, Outcome, Proposal, Request

#: As tune searches with a proposer that looks at no code.
BREADTH = ColtOptions(branching=4, exploration=0.1, max_expansion_failures=20)
BLIND = Model("blind", 1.0)

#: Sets of models that are compared, by name; "blind" is the proposer without a model.
SETS: Mapping[str, tuple[str, ...]] = {
    "blind": (),
    "nano": ("embedded/nano",),
    "small": ("embedded/small",),
    "base": ("embedded/base",),
    "all three": tuple(SPECS),
}


@dataclass(frozen=True)
class Course:
    """One search. best: the greatest reward after each trial, from the root's 0. asked: calls by model."""

    best: tuple[float, ...]
    asked: Mapping[str, int]


def blind_course(bench: Workbench, trials: int, seed: int) -> Course:
    """Exactly what tune does without models, less the check of the output."""
    proposer = BlindProposer(bench.passes, bench.edits, seed)
    search = ColtSearch([BLIND], replace(BREADTH, seeds=len(proposer.first) or BREADTH.seeds), seed)
    return _course(bench, search, lambda request: proposer.propose(request), [proposer.observe], trials)


def model_course(
    bench: Workbench, models: Sequence[EmbeddedModel], options: ColtOptions, trials: int, seed: int
) -> Course:
    """The tree search with these models, each asked when the search says so."""
    specs = [model.spec for model in models]
    by_name = {model.spec.name: model for model in models}
    search = ColtSearch([Model(spec.name, spec.parameters) for spec in specs], options, seed)
    task = Task(
        bench.objective.name, bench.baseline, "", bench.passes, bench.edits, bench.features,
        trials_wanted=trials, seed=seed,
    )  # fmt: skip
    questions = Questions(task, search, specs)

    def propose(request: Request) -> Proposal:
        import json

        question = questions.make(request, request.model, lambda name: True, Spending())
        answer = json.loads(by_name[request.model].ask(Prompt(question, tuple), 10.0).text)
        return Proposal(tuple(answer["passes"]), answer["next_model"], request.model)

    return _course(bench, search, propose, [questions.observe], trials)


def _course(
    bench: Workbench,
    search: ColtSearch,
    propose: Callable[[Request], Proposal],
    observers: Sequence[Callable[[Request, Proposal, Outcome], None]],
    trials: int,
) -> Course:
    search.set_root_key(bench.root_key)
    best, course = 0.0, [0.0]
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
        course.append(best)
    course += [best] * (trials + 1 - len(course))
    calls = {name: record.calls + record.corrections for name, record in search.statistics.by_model.items()}
    return Course(tuple(course), calls)
