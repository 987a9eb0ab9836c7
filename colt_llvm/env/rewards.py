"""Reward spaces as CompilerGym's users know them: a cost's decrease since the step before, higher is better.

``X``: in units of the cost. ``XNorm``: as a share of the first state's cost. ``XO3``, ``XOz``: in units of what that
pipeline gains over the first state (at least 1), so that 1 in all is as good as that pipeline. The Runtime
and Buildtime rewards are noisy, and count from the first step of an episode.
"""

from __future__ import annotations

import statistics
from typing import Any

from compiler_gym.spaces import Reward


class CostReward(Reward):
    """The decrease of one observation.

    cost: the observation. first_cost: the one that gives the first state's cost. norm: in units of that.
    baseline: the observation whose gain over the first cost is the unit. options: of compiler_gym's Reward.
    """

    def __init__(
        self, name: str, cost: str, first_cost: str, *, norm: bool = False, baseline: str | None = None, **options: Any
    ) -> None:
        super().__init__(name=name, observation_spaces=[cost], default_value=0, default_negates_returns=True, **options)
        self.cost = cost
        self.first_cost = first_cost
        self.norm = norm
        self.baseline = baseline
        self._previous: float | None = None
        self._unit: float | None = None

    def reset(self, benchmark: Any, observation_view: Any) -> None:
        """An episode begins."""
        self._previous = self._unit = None

    def update(self, actions: Any, observations: Any, observation_view: Any) -> float:
        """The reward of a step. observations: the cost after it."""
        cost = _number(observations[0])
        if self._previous is None:
            self._previous = _number(observation_view[self.first_cost])
        if self._unit is None:
            self._unit = self._find_unit(observation_view)
        reward = (self._previous - cost) / self._unit
        self._previous = cost
        return reward

    def _find_unit(self, view: Any) -> float:
        if self.baseline:
            return max(_number(view[self.first_cost]) - _number(view[self.baseline]), 1.0)
        return max(_number(view[self.first_cost]), 1.0) if self.norm else 1.0

    def copy(self) -> CostReward:
        """For a fork: it goes on from the same cost."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other


class TimeReward(CostReward):
    """Seconds saved. The first figure of an episode is its first step's own: there is none for the first state."""

    def __init__(self, name: str) -> None:
        super().__init__(name, name, name, deterministic=False, platform_dependent=True)

    def update(self, actions: Any, observations: Any, observation_view: Any) -> float:
        """The reward of a step. observations: the cost after it."""
        if not len(observations[0]):
            return 0.0
        if self._previous is None:
            self._previous = _number(observations[0])
        return super().update(actions, observations, observation_view)


def _number(value: Any) -> float:
    return float(value) if not hasattr(value, "__len__") else statistics.median(map(float, value))


def make_rewards() -> list[Reward]:
    """All reward spaces of an environment."""
    rewards: list[Reward] = []
    stems = (("IrInstructionCount", "IrInstructionCount", False), ("ObjectTextSizeBytes", "ObjectTextSize", True))
    for cost, stem, dependent in stems:
        options: dict[str, Any] = {"deterministic": True, "platform_dependent": dependent}
        first = f"{stem}O0"
        rewards.append(CostReward(cost, cost, first, **options))
        rewards.append(CostReward(f"{stem}Norm", cost, first, norm=True, max=1.0, **options))
        for level in ("O3", "Oz"):
            baseline = f"{stem}{level}"
            rewards.append(CostReward(baseline, cost, first, baseline=baseline, success_threshold=1.0, **options))
    return [*rewards, TimeReward("Runtime"), TimeReward("Buildtime")]
