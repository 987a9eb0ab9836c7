"""Random search: what every other strategy has to beat at the same number of trials."""

from __future__ import annotations

from random import Random

from colt_llvm.search.sequences import FIRST_LONGEST, ActionSet, Names, SequenceSearch
from colt_llvm.search.strategy import DeclaredStrategy


class RandomSequences(SequenceSearch):
    """Sequences of 1 to ``longest`` actions, each drawn by itself."""

    def __init__(self, actions: ActionSet, seed: int, longest: int = FIRST_LONGEST) -> None:
        super().__init__("random", actions, seed)
        self.longest = longest

    def _choose(self, request_id: int, random: Random) -> Names:
        return self.actions.draw_sequence(random, self.longest)


RANDOM = DeclaredStrategy(
    "random", "random sequences", lambda task, _algorithm, _options: RandomSequences(task.actions, task.seed)
)
