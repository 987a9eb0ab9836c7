"""The candidates of a timed search once more, side by side, so that not the luckiest become finalists."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.core.errors import CompileError, PassError
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.measure.rounds import affordable, rerank
from colt_llvm.run.trials import TrialRecord

#: What says that a candidate does not stand as its recipe would build it.
UNFIT = Miscompiled, PassError, CompileError
MOST_CANDIDATES = 12
#: Of the proof's seconds; the A/B test has the rest.
SHARE = 0.3


def passes_of(trial: TrialRecord) -> str:
    """The whole sequence with commas, as evidence names it."""
    return ",".join(trial.sequence)


def seconds_for(
    candidates: Sequence[TrialRecord], finalists: Callable[[float], int], seconds: float, run_seconds: float
) -> float:
    """How much of the proof's ``seconds`` a re-ranking takes; 0 where there is no time for more than the finalists.

    finalists: how many the A/B test can time in so many seconds.
    """
    share = seconds * SHARE
    return share if _taking_part(candidates, share, run_seconds) > finalists(seconds - share) else 0.0


def _taking_part(candidates: Sequence[TrialRecord], seconds: float, run_seconds: float) -> int:
    return min(len(candidates), affordable(MOST_CANDIDATES, seconds, run_seconds))


@dataclass
class Reranking:
    """Measures the candidates of a timed search once more."""

    timer: Timer
    build: Callable[[TrialRecord, str], Path]  # the executable as the recipe builds it, under this name
    reward: Callable[[TrialRecord, float], float]  # that a trial has at this ratio of run times
    seed: int
    clock: Callable[[], float]

    def order(
        self, candidates: Sequence[TrialRecord], seconds: float, rejected: dict[str, str]
    ) -> tuple[list[TrialRecord], dict[str, float]]:
        """The candidates in a new order, and the ratio that each of the first showed, by its passes.

        The first go by the reward that they have at that ratio, the others behind them as they were. One that does not
        stand is left out, and ``rejected`` says why.
        """
        count = _taking_part(candidates, seconds, self.timer.run_seconds)
        first = candidates[:count]
        arms: dict[str, Path] = {}
        for number, trial in enumerate(first):
            try:
                arms[passes_of(trial)] = self.build(trial, f"candidate-{number}")
            except UNFIT as error:
                rejected[passes_of(trial)] = str(error)
        names = {executable: name for name, executable in arms.items()}

        def time_round(executables: Sequence[Path]) -> list[float]:
            spent = dict.fromkeys(executables, math.inf)  # what was at fault is not run again: it may hang each time
            standing = [executable for executable in executables if names.get(executable) not in rejected]
            for executable, outcome in zip(standing, self.timer.outcomes(standing), strict=True):
                if not isinstance(outcome, Miscompiled):
                    spent[executable] = outcome
                elif executable in names:
                    rejected[names[executable]] = str(outcome)
                else:
                    raise outcome  # the baseline
            return [spent[executable] for executable in executables]

        ratios = rerank(arms, self.timer.baseline, time_round, seconds, seed=self.seed, clock=self.clock)
        for executable in arms.values():
            executable.unlink(missing_ok=True)
        fit = [trial for trial in first if passes_of(trial) not in rejected]
        fit.sort(key=lambda trial: -self.reward(trial, ratios[passes_of(trial)]))
        return [*fit, *candidates[count:]], {name: ratio for name, ratio in ratios.items() if name not in rejected}
