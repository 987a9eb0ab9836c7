"""What learns nothing: blind proposals, random sequences, and COLT's tree with random proposals (plain MCTS)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from colt_llvm.core.errors import UsageError
from colt_llvm.search.colt import ColtSearch
from colt_llvm.search.model_set import ModelSet
from colt_llvm.search.options import ColtOptions
from colt_llvm.search.protocol import Model, Outcome, Proposal, Request, derived
from colt_llvm.search.sequences import FIRST_LONGEST, ActionSet, Names, SequenceSearch
from colt_llvm.search.strategy import DeclaredStrategy


@dataclass(frozen=True)
class DrawOptions:
    """How a proposal is drawn. Raises UsageError."""

    min_passes: int = 2  # 2 to 6 a proposal did better than 1 to 3 (ours, see docs)
    max_passes: int = 6
    weights: Sequence[float] | None = None  # one for each action; None: all alike
    switch_probability: float = 0.5  # of a next model drawn at random; else the acting one goes on
    signed: str | None = "random"  # Proposal.model; None signs as the acting model, to stand in for it

    def __post_init__(self) -> None:
        if not 1 <= self.min_passes <= self.max_passes:
            raise UsageError(f"passes from {self.min_passes} to {self.max_passes}: give 1 <= min_passes <= max_passes")
        if not 0 <= self.switch_probability <= 1:
            raise UsageError(f"switch_probability is {self.switch_probability}: give a number from 0 to 1")
        weights = self.weights
        if weights is not None and (not all(math.isfinite(w) and w >= 0 for w in weights) or not sum(weights) > 0):
            raise UsageError("weights must be 0 or more, with one above 0")


_DEFAULTS = DrawOptions()


class RandomProposer:
    """Stateless: the answer to a request depends on the seed, the request's id and its acting model alone."""

    def __init__(
        self, actions: Sequence[str], models: Sequence[Model], seed: int, draws: DrawOptions = _DEFAULTS
    ) -> None:
        """Raises UsageError when nothing can be drawn."""
        weights = draws.weights
        if not actions:
            raise UsageError("no actions to draw from: give at least one pass")
        if weights is not None and len(weights) != len(actions):
            raise UsageError(f"{len(weights)} weights for {len(actions)} actions: give one for each")
        self._actions = tuple(actions)
        self._models = ModelSet.of(models)
        self._seed = seed
        self._lengths = (draws.min_passes, draws.max_passes)
        self._cumulative = None if weights is None else list(itertools.accumulate(weights))
        self._switch_probability = draws.switch_probability
        self._signed = draws.signed

    def propose(self, request: Request) -> Proposal:
        """Passes drawn with repetition, and a next model."""
        random = derived(self._seed, "proposal", request.id)
        passes = random.choices(self._actions, cum_weights=self._cumulative, k=random.randint(*self._lengths))
        switch = random.random() < self._switch_probability
        next_model = random.choice(self._models.names) if switch else request.model
        return Proposal(tuple(passes), next_model, self._signed or request.model)


class RandomSequences(SequenceSearch):
    """Random search: sequences of 1 to ``longest`` actions, each drawn by itself."""

    def __init__(self, actions: ActionSet, seed: int, longest: int = FIRST_LONGEST) -> None:
        super().__init__("random", actions, seed)
        self.longest = longest

    def _choose(self, request_id: int, random: Random) -> Names:
        return self.actions.draw_sequence(random, self.longest)


RANDOM = DeclaredStrategy(
    "random", "random sequences", lambda task, _algorithm, _options: RandomSequences(task.table, task.seed)
)


class RandomTree(ColtSearch):
    """Answers its own requests at random.

    Without a preset a run has "broad", as COLT with models that cost nothing: on a train program (queens, 150 trials of
    3 seeds, IR count) it found 3.3%, and 2.3% with "paper".
    """

    def __init__(self, actions: ActionSet, options: ColtOptions, seed: int) -> None:
        """Raises UsageError for options that it has no use for."""
        if options.refine_share:
            raise UsageError("--strategy mcts: refines nothing; leave out refine_share, or use --strategy colt")
        models = [Model(MCTS.name, 1.0)]
        super().__init__(models, options, seed)
        self._proposer = RandomProposer(actions.names, models, seed, DrawOptions(weights=actions.weights, signed=None))

    def prepare(self, request: Request) -> Callable[[], Proposal]:
        """The answer depends on the seed and the request alone."""
        return lambda: self._proposer.propose(request)

    def observe(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """It learns nothing but what ``tell`` has taken in."""


MCTS = DeclaredStrategy(
    "mcts",
    "the same tree with random proposals, no model",
    lambda task, _algorithm, options: RandomTree(task.table, options, task.seed),
    has_tree=True,
    note="proposed at random to a tree search, no model",
)
