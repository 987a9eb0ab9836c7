"""What did good to programs like this one: whole sequences from a small set, the most promising first.

A program is like another in two ways: by its instruction counts, and by how it answered to the sequences that were
tried so far. The set is a coreset: chosen so that every train program finds something good in few trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from colt_llvm.models.question import Question

Array = npt.NDArray[np.float64]
Names = tuple[str, ...]

#: Features are alike within about this distance of the mean distance, and rewards within this log ratio.
FEATURE_WIDTH = 1.0
REWARD_WIDTH = 0.04
#: The same for run time, where a program's answer is noisy.
TIMED_WIDTH = 0.08
#: Features of a program where it was not searched for an objective: so far away that it is like no other.
FAR = 99.0
#: A sequence that is expected to bring less than this (a log ratio) beyond what is known is not worth a trial.
LEAST_GAIN = 2e-4
#: Where a sequence's worth is known for some programs only: how much likeness says that it is worth nothing.
DOUBT = 0.1


@dataclass(frozen=True)
class Coreset:
    """sequences: whole ones. rewards: [programs, sequences], log ratios; NaN where it was not tried.

    features: [programs, features], scaled. reward_width: see REWARD_WIDTH.
    """

    sequences: tuple[Names, ...]
    rewards: Array
    features: Array
    reward_width: float = REWARD_WIDTH

    def choose(self, question: Question, vector: Array, known: frozenset[str]) -> Names | None:
        """The sequence with the greatest expected gain over the best so far; None where none promises any.

        vector: [features] of the program, scaled. known: the actions that may be proposed; others are left out of
        a sequence. What is in flight counts as if it had brought what is expected of it; where it is not known, the
        answer is as many places further down, so that they differ.
        """
        offered = [tuple(name for name in sequence if name in known) for sequence in self.sequences]
        tried = {attempt.passes: attempt.gain for attempt in question.tried}
        alike = self._alike(vector, offered, tried)
        best = np.full(len(self.features), max(0.0, question.best.reward if question.best else 0.0))
        free = np.array([bool(sequence) and sequence not in tried for sequence in offered])
        for place, sequence in enumerate(offered):
            if sequence in question.proposed:
                free[place] = False
                best = np.fmax(best, self.rewards[:, place])
        sure = self._sure(alike)
        for _ in range(question.in_flight + 1):
            more = np.fmax(self.rewards - best[:, None], 0.0)  # nothing where it is not known
            gains = np.where(free, alike @ more * sure, 0.0).round(7)
            place = int(gains.argmax())
            if gains[place] < LEAST_GAIN:
                return None
            free[place] = False
            best = np.fmax(best, self.rewards[:, place])
        return offered[place]

    def _sure(self, alike: Array) -> Array:
        """[sequences]: what a mean over the programs that are known is to be multiplied by; 1 where all are.

        As if the worth of a sequence had also been seen to be nothing, for a program with DOUBT of all likeness.
        """
        known = ~np.isnan(self.rewards)
        result: Array = np.where(known.all(axis=0), 1.0, (1.0 + DOUBT) / (alike @ known + DOUBT))
        return result

    def _alike(self, vector: Array, offered: Sequence[Names], tried: dict[Names, float | None]) -> Array:
        """[programs]: how much each counts, in sum 1."""
        distance = ((self.features - vector) ** 2).mean(axis=1)
        logs = -distance / (2.0 * FEATURE_WIDTH**2)
        seen = [(place, tried[names]) for place, names in enumerate(offered) if tried.get(names) is not None]
        for place, gain in seen:
            off = ((self.rewards[:, place] - (gain or 0.0)) / self.reward_width) ** 2
            unknown = np.isnan(off)
            if unknown.all():
                continue
            off[unknown] = off[~unknown].mean()  # neither like nor unlike
            logs = logs - off / (2.0 * len(seen) ** 0.5)
        shares = np.exp(logs - logs.max())
        result: Array = shares / shares.sum()
        return result
