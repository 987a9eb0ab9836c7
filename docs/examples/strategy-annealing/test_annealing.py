"""What a run relies on: pytest collects the tests that StrategySuite holds."""

from colt_annealing import Annealing

from colt_llvm.testing import StrategySuite


class TestAnnealing(StrategySuite):
    def make(self, task):
        return Annealing(task)
