"""A genetic search over sequences, in a steady state: each trial may change the population at once.

There are no generations to wait for, so any number may be in flight, and with one the search repeats from its seed.

A child differs from what it was crossed from by up to six changes, insertions above all. With one or two changes, as
the literature has it for short lists of flags, it found less than random sequences do, for most of our 330 actions
change nothing: on landscapes made from the measured effects of single actions on two train programs, 22% at 200 trials
with a population of 30 and 1.5 changes, 37% with 10 and up to six. Populations from 6 to 20, tournaments of 2 or 3 and
crossover from 0.4 to 0.8 mattered less.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from colt_llvm.core.errors import UsageError
from colt_llvm.search.protocol import Outcome
from colt_llvm.search.sequences import INSERT, REMOVE, REPLACE, SWAP, ActionSet, Names, SequenceSearch, changed
from colt_llvm.search.strategy import DeclaredStrategy


@dataclass(frozen=True)
class GeneticOptions:
    """population: sequences that are kept, the best of each object code.

    tournament: how many are compared for a parent. crossover: share of children that have two parents.
    most_changes: of a child, from one up. insert_weight: how much more often one is an insertion than each other kind.
    longest: actions in a sequence; first_longest: in one of the first population.
    """

    population: int = 10
    tournament: int = 2
    crossover: float = 0.6
    most_changes: int = 6
    insert_weight: int = 4
    longest: int = 40
    first_longest: int = 8

    def __post_init__(self) -> None:
        if self.population < 2 or self.tournament < 1 or not 1 <= self.first_longest <= self.longest:
            raise UsageError(
                f"{self}: give a population of 2 or more, a tournament of 1 or more, and 1 <= first_longest <= longest"
            )
        if not 0 <= self.crossover <= 1 or self.most_changes < 1 or self.insert_weight < 1:
            raise UsageError(f"{self}: give a crossover from 0 to 1, and 1 or more for most_changes and insert_weight")


@dataclass(frozen=True)
class Individual:
    """A sequence that was measured."""

    sequence: Names
    reward: float
    key: str | None
    request_id: int

    @property
    def rank(self) -> tuple[float, int, int]:
        """Greatest is best: the reward, then the shorter sequence, then the earlier one."""
        return self.reward, -len(self.sequence), -self.request_id


class GeneticSearch(SequenceSearch):
    """Tournament selection, one- or two-point crossover, mutation; the worst makes room, so the best stay (elitism)."""

    def __init__(self, actions: ActionSet, seed: int, options: GeneticOptions | None = None) -> None:
        super().__init__("genetic", actions, seed)
        self.options = options or GeneticOptions()
        self.population: list[Individual] = []
        self._told = 0
        self._kinds = (INSERT,) * self.options.insert_weight + (REMOVE, REPLACE, SWAP)

    def _choose(self, request_id: int, random: Random) -> Names:
        if self._told + self.under_way < self.options.population or len(self.population) < 2:
            return self.actions.draw_sequence(random, self.options.first_longest)
        child = self._parent(random).sequence
        if random.random() < self.options.crossover:
            child = crossover(child, self._parent(random).sequence, random)[: self.options.longest]
        for _ in range(random.randint(1, self.options.most_changes)):
            child = changed(child, self._kinds, self.actions, random, self.options.longest)
        return self.actions.tidy(child)

    def _parent(self, random: Random) -> Individual:
        return max((random.choice(self.population) for _ in range(self.options.tournament)), key=lambda one: one.rank)

    def _learn(self, request_id: int, sequence: Names, outcome: Outcome) -> None:
        self._told += 1
        if outcome.reward is None:
            return
        new = Individual(sequence, outcome.reward, outcome.key, request_id)
        twin = next((one for one in self.population if one.key is not None and one.key == new.key), None)
        if twin is not None:
            if new.rank > twin.rank:
                self.population[self.population.index(twin)] = new
            return
        self.population.append(new)
        if len(self.population) > self.options.population:
            self.population.remove(min(self.population, key=lambda one: one.rank))


def crossover(first: Names, second: Names, random: Random) -> Names:
    """One point in half of the cases: the head of one and the tail of the other. Else two: a stretch of it inserted."""
    if random.random() < 0.5:
        return first[: random.randint(0, len(first))] + second[random.randint(0, len(second)) :]
    start, end = sorted((random.randint(0, len(first)), random.randint(0, len(first))))
    low, high = sorted((random.randint(0, len(second)), random.randint(0, len(second))))
    return first[:start] + second[low:high] + first[end:]


GENETIC = DeclaredStrategy(
    "genetic",
    "a population of sequences, crossover and mutation",
    lambda task, _algorithm, _options: GeneticSearch(task.table, task.seed),
)
