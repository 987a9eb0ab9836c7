"""A genetic search over sequences, in a steady state: each trial may change the population at once.

There are no generations to wait for, so any number may be in flight, and with one the search repeats from its seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from colt_llvm.errors import UsageError
from colt_llvm.search.changes import INSERT, REMOVE, REPLACE, SWAP, changed
from colt_llvm.search.protocol import Outcome
from colt_llvm.search.sequences import ActionSet, Names, SequenceSearch


@dataclass(frozen=True)
class GeneticOptions:
    """population: sequences that are kept, the best of each object code.

    tournament: how many are compared for a parent. crossover: share of children that have two parents.
    mutations: changes of a child, on average; at least one where it has one parent.
    longest: actions in a sequence; first_longest: in one of the first population.
    """

    population: int = 30
    tournament: int = 3
    crossover: float = 0.6
    mutations: float = 1.5
    longest: int = 40
    first_longest: int = 8

    def __post_init__(self) -> None:
        if self.population < 2 or self.tournament < 1 or not 1 <= self.first_longest <= self.longest:
            raise UsageError(
                f"{self}: give a population of 2 or more, a tournament of 1 or more, and 1 <= first_longest <= longest"
            )
        if not 0 <= self.crossover <= 1 or not 1 <= self.mutations <= 10:
            raise UsageError(f"{self}: give a crossover from 0 to 1, and mutations from 1 to 10")


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

    def _choose(self, request_id: int, random: Random) -> Names:
        if self._told + self.under_way < self.options.population or len(self.population) < 2:
            return self.actions.draw_sequence(random, self.options.first_longest)
        child = self._parent(random).sequence
        crossed = random.random() < self.options.crossover
        if crossed:
            child = crossover(child, self._parent(random).sequence, random)[: self.options.longest]
        mutated = not crossed or random.random() < 1 - 1 / (1 + self.options.mutations)
        while mutated:
            child = changed(child, (INSERT, REMOVE, REPLACE, SWAP), self.actions, random, self.options.longest)
            mutated = random.random() < 1 - 1 / self.options.mutations
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
