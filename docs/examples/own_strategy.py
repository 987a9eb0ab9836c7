"""A strategy of your own: simulated annealing over whole sequences."""

import math
from pathlib import Path

import colt_llvm

SOURCE = Path(__file__).with_name("words.c")


class Annealing(colt_llvm.SequenceSearch):
    """Changes the sequence it stands at; moves to better ones always, to worse ones less and less often."""

    def __init__(self, task):
        super().__init__("annealing", colt_llvm.ActionSet(task.passes, task.edits), task.seed)
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
        temperature = 0.01 / (1 + request_id)
        worse = self.reward - outcome.reward
        if worse <= 0 or (request_id * 0.618) % 1 < math.exp(-worse / temperature):
            self.here, self.reward = sequence, outcome.reward


result = colt_llvm.tune(SOURCE, objective="size", strategy=Annealing, trials=25, workers=1)
print(result.notes[-1])
print(f"{result.verdict}, {result.ratio:.4f}x after {result.trials} trials, {result.distinct} different results")
