"""Hill climbing with restarts: one action more, less or another, kept where that is better."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from colt_llvm.errors import UsageError
from colt_llvm.search.changes import INSERT, REMOVE, REPLACE, changed
from colt_llvm.search.protocol import Outcome
from colt_llvm.search.sequences import ActionSet, Names, SequenceSearch


@dataclass(frozen=True)
class GreedyOptions:
    """patience: trials in a neighbourhood that gave nothing, before the search starts elsewhere.

    longest: actions in a sequence, at most; first_longest: in one that is drawn to start from.
    insert_weight: how much more often an action is inserted than removed or replaced.
    """

    patience: int = 60
    longest: int = 40
    first_longest: int = 8
    insert_weight: int = 2

    def __post_init__(self) -> None:
        if self.patience < 1 or self.insert_weight < 1 or not 1 <= self.first_longest <= self.longest:
            raise UsageError(
                f"{self}: give a patience and an insert_weight of 1 or more, and 1 <= first_longest <= longest"
            )


class GreedySearch(SequenceSearch):
    """First improvement: what is better than the sequence climbed from takes its place at once."""

    def __init__(self, actions: ActionSet, seed: int, options: GreedyOptions | None = None) -> None:
        super().__init__("greedy", actions, seed)
        self.options = options or GreedyOptions()
        self._from: Names | None = None  # what is climbed from; None: a sequence to start from is wanted
        self._reward = 0.0
        self._without_news = 0
        self._kinds = (INSERT,) * self.options.insert_weight + (REMOVE, REPLACE)

    def _choose(self, request_id: int, random: Random) -> Names:
        if self._from is None:
            return self.actions.draw_sequence(random, self.options.first_longest)
        return changed(self._from, self._kinds, self.actions, random, self.options.longest)

    def _learn(self, request_id: int, sequence: Names, outcome: Outcome) -> None:
        if outcome.reward is not None and (self._from is None or outcome.reward > self._reward):
            self._from, self._reward, self._without_news = sequence, outcome.reward, 0
            return
        self._without_news += 1
        if self._without_news >= self.options.patience:
            self._from, self._without_news = None, 0
