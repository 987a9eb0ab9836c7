"""Strategies that learn nothing: random sequences, and COLT's tree with random proposals (plain MCTS)."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from colt_llvm.core.errors import UsageError
from colt_llvm.search.colt import ColtSearch
from colt_llvm.search.options import ColtOptions
from colt_llvm.search.protocol import Model, Outcome, Proposal, Request
from colt_llvm.search.random_proposer import DrawOptions, RandomProposer
from colt_llvm.search.sequences import FIRST_LONGEST, ActionSet, Names, SequenceSearch
from colt_llvm.search.strategy import DeclaredStrategy


class RandomSequences(SequenceSearch):
    """Random search: sequences of 1 to ``longest`` actions, each drawn by itself."""

    def __init__(self, actions: ActionSet, seed: int, longest: int = FIRST_LONGEST) -> None:
        super().__init__("random", actions, seed)
        self.longest = longest

    def _choose(self, request_id: int, random: Random) -> Names:
        return self.actions.draw_sequence(random, self.longest)


RANDOM = DeclaredStrategy(
    "random", "random sequences", lambda task, _algorithm, _options: RandomSequences(task.actions, task.seed)
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
    lambda task, _algorithm, options: RandomTree(task.actions, options, task.seed),
    has_tree=True,
    note="proposed at random to a tree search, no model",
)
