"""Simulated annealing over whole sequences (Kirkpatrick, Gelatt and Vecchi, Science 220, 1983)."""

import math
import random

from colt_llvm import SequenceSearch

FIRST, COOLING = 0.02, 0.97  # temperature of the rewards, natural logs; what one trial leaves of it


class Annealing(SequenceSearch):
    """Changes the sequence it stands at; moves to better ones always, to worse ones less and less often."""

    def __init__(self, task):
        super().__init__("annealing", task.actions, task.seed)
        self.here, self.reward = (), 0.0

    def _choose(self, request_id, random):
        names = list(self.here)
        if names and random.random() < 0.3:
            names.pop(random.randrange(len(names)))
        else:
            names.insert(random.randint(0, len(names)), self.actions.draw(random))
        return self.actions.tidy(names)

    def _learn(self, request_id, sequence, outcome):
        if outcome.reward is None:  # it crashed, or did something else than the program
            return
        temperature = FIRST * COOLING**request_id
        chance = math.exp(min(0.0, outcome.reward - self.reward) / temperature)
        if random.Random(f"{self.seed}/{request_id}").random() < chance:
            self.here, self.reward = sequence, outcome.reward
