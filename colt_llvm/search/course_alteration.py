"""Course alteration (arXiv 2602.01935): after persistent regressions by small models the largest one steps in."""

from __future__ import annotations

from dataclasses import dataclass

from colt_llvm.search.protocol import Proposal


def is_regression(child_reward: float, leaf_reward: float) -> bool:
    """A child below its leaf. Equal is no regression."""
    return child_reward < leaf_reward


def replaces(correction_reward: float, small_reward: float) -> bool:
    """The correction's child replaces the small model's unless it is worse."""
    return not correction_reward < small_reward


@dataclass(slots=True)
class RegressionRun:
    """The current run of regressions by small models, over the whole search."""

    period: int | None  # K; None: never correct
    length: int = 0

    def observe(self, regression: bool, by_small_model: bool) -> bool:
        """Take note of one new child; True when it is to be corrected: the run is a multiple of K long.

        Any non-regression ends the run. A regression by the largest model neither lengthens nor ends it (ours:
        it is not the small models' doing, and no sign of recovery either).
        """
        if not regression:
            self.length = 0
            return False
        if not by_small_model:
            return False
        self.length += 1
        return self.period is not None and self.length % self.period == 0


@dataclass(frozen=True)
class Correction:
    """A child that waits for the largest model's word on it."""

    leaf: int  # node id where both models are asked
    child: int  # node id of the small model's child
    rejected: Proposal  # what the small model had proposed
