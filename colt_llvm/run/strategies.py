"""From the name of a strategy to a search and whoever answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from colt_llvm.core.errors import UsageError
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.llvm.catalogue import Catalogue
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.replay import asked_as
from colt_llvm.proposal.questions import Task
from colt_llvm.run.asking import Asking, ask_models, default_models
from colt_llvm.search import (
    ActionSet,
    ColtOptions,
    ColtSearch,
    GeneticSearch,
    GreedySearch,
    Model,
    Outcome,
    Proposal,
    RandomProposer,
    RandomSequences,
    Request,
    SequenceSearch,
)
from colt_llvm.search.strategy_names import STRATEGIES, refuse_models, split_name, takes_models, takes_search_options

__all__ = [
    "STRATEGIES", "asking_alone", "default_preset", "make_strategy", "specs_for", "with_earlier_preset", "with_preset",
]  # fmt: skip


def specs_for(strategy: str, models: Sequence[ModelSpec] | None) -> list[ModelSpec]:
    """The models of a run: those named, or the embedded policies; none where the strategy asks none.

    Raises UsageError where models are named for a strategy that asks none.
    """
    if not takes_models(strategy):
        if models:
            refuse_models(strategy)
        return []
    return list(models) if models is not None else default_models()


def default_preset(specs: Sequence[ModelSpec]) -> str:
    """Of the search, where the user chose none: by what asking costs, and by whether whole sequences are known."""
    asked = [asked_as(spec) for spec in specs]
    if any(spec.is_language_model for spec in asked):
        return "paper"
    return "retrieval" if any(spec.kind == "embedded" for spec in asked) else "broad"


def with_preset(options: TuneOptions, specs: Sequence[ModelSpec]) -> TuneOptions:
    """With the preset named that a new run has: a later version may have another default, and goes on alike."""
    if options.preset or not takes_search_options(options.strategy):
        return options
    return replace(options, preset=default_preset(specs))


def with_earlier_preset(options: TuneOptions, specs: Sequence[ModelSpec]) -> TuneOptions:
    """The same for the options of a run that names none: it was made before presets were written down."""
    if options.preset or not takes_search_options(options.strategy):
        return options
    reading = any(asked_as(spec).is_language_model for spec in specs)
    return replace(options, preset="paper" if reading else "broad")


def make_strategy(
    options: TuneOptions, task: Task, catalogue: Catalogue, specs: Sequence[ModelSpec] | None = None, **of_models: Any
) -> Asking:
    """What ``options.strategy`` names, with ``task.seed``. Raises UsageError.

    specs: the models of "colt" (None: the embedded policies), of no other. of_models: further arguments of
    ``ask_models``; they have no meaning for a strategy without models.
    """
    specs = specs_for(options.strategy, specs)
    if takes_models(options.strategy):
        return ask_models(specs, task, with_preset(options, specs).colt_options, catalogue, **of_models)
    name, algorithm = split_name(options.strategy)
    actions = ActionSet(task.passes, task.edits)
    if name == "mcts":
        return random_tree(actions, with_preset(options, []).colt_options, task.seed)
    if name in _PEERS:
        return asking_alone(_PEERS[name](actions, task.seed, algorithm, task.trials_wanted))
    return asking_alone(_OWN[name](actions, task.seed))


def asking_alone(strategy: SequenceSearch) -> Asking:
    """A strategy that is its own proposer."""
    return Asking(strategy, strategy, note=f"proposed by {strategy.name} search, no model")


class _Signed:
    """Random proposals as the driver wants them."""

    def __init__(self, proposer: RandomProposer) -> None:
        self._proposer = proposer

    def prepare(self, request: Request) -> Callable[[], Proposal]:
        return lambda: self._proposer.propose(request)

    def observe(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """It learns nothing."""


def random_tree(actions: ActionSet, options: ColtOptions, seed: int) -> Asking:
    """Plain Monte Carlo tree search: COLT's tree where one model, which draws at random, is all there is.

    Without a preset it has "broad", as COLT with models that cost nothing: on a train program (queens, 150 trials of 3
    seeds, IR count) it found 3.3%, and 2.3% with "paper".
    """
    if options.refine_share:
        raise UsageError("--strategy mcts: refines nothing; leave out refine_share, or use --strategy colt")
    models = [Model("mcts", 1.0)]
    proposer = RandomProposer(actions.names, models, seed, weights=actions.weights, signed=None)
    search = ColtSearch(models, options, seed)
    return Asking(search, _Signed(proposer), note="proposed at random to a tree search, no model")


def _nevergrad(actions: ActionSet, seed: int, algorithm: str, trials: int | None) -> SequenceSearch:
    from colt_llvm.search.rivals.nevergrad_search import NevergradSearch

    return NevergradSearch(actions, seed, algorithm, trials)


def _optuna(actions: ActionSet, seed: int, algorithm: str, _: int | None) -> SequenceSearch:
    from colt_llvm.search.rivals.optuna_search import OptunaSearch

    return OptunaSearch(actions, seed, algorithm)


_OWN: Mapping[str, Callable[[ActionSet, int], SequenceSearch]] = {
    "random": RandomSequences,
    "greedy": GreedySearch,
    "genetic": GeneticSearch,
}
_PEERS: Mapping[str, Callable[[ActionSet, int, str, int | None], SequenceSearch]] = {
    "nevergrad": _nevergrad,
    "optuna": _optuna,
}
