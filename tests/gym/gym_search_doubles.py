"""Environments in this process, for tests: a number that actions change."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import gym
import numpy as np

ACTIONS = ("add", "double", "less", "nothing")
#: What the actions do, by number; the reward of a step is how much the number grew.
EFFECTS: tuple[Callable[[int], int], ...] = (lambda x: x + 1, lambda x: 2 * x, lambda x: x - 1, lambda x: x)


class Named(gym.spaces.Discrete):
    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(len(names))
        self.names = list(names)


class NumberEnv(gym.Env):
    """Old protocol of four values, no multistep, no fork. ``crashes``: number of the step, over all, that raises."""

    observation_space = gym.spaces.Box(-1e9, 1e9, (1,))

    def __init__(
        self,
        limit: int = 20,
        names: tuple[str, ...] | None = ACTIONS,
        crashes: tuple[int, ...] = (),
        error: BaseException | None = None,
        noise: float = 0.0,
    ) -> None:
        self.action_space = Named(names) if names else gym.spaces.Discrete(len(ACTIONS))
        self.limit, self.crashes, self.noise = limit, crashes, noise
        self.error = error or RuntimeError("the compiler broke")
        self.value, self.steps = 1, 0
        self.resets = self.all_steps = self.closed = 0

    def reset(self) -> Any:  # type: ignore[override]
        self.value, self.steps = 1, 0
        self.resets += 1
        return self._look()

    def step(self, action: int) -> Any:
        self.all_steps += 1
        if self.all_steps in self.crashes:
            raise self.error
        before, self.value = self.value, EFFECTS[action](self.value)
        self.steps += 1
        reward = self.value - before + self.noise * self.all_steps
        return self._look(), reward, self.steps >= self.limit, {}

    def _look(self) -> Any:
        return np.array([self.value], dtype=np.int64)

    def close(self) -> None:
        self.closed += 1


class NewProtocol(NumberEnv):
    """reset gives (observation, info), step gives five values."""

    def reset(self) -> Any:
        return super().reset(), {}

    def step(self, action: int) -> Any:
        observation, reward, done, info = super().step(action)
        return observation, reward, False, done, info


class Forking(NumberEnv):
    """``shared``: what is called a fork is the environment itself."""

    shared = False

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.forks: list[Forking] = []
        self.log: list[int] = []  # actions, of all forks together

    def fork(self) -> Forking:
        if self.shared:
            return self
        fork = copy.copy(self)
        fork.closed = 0
        self.forks.append(fork)
        return fork

    def step(self, action: int) -> Any:
        self.log.append(action)
        return super().step(action)


class NotApart(Forking):
    shared = True


class Reporting(NumberEnv):
    """Says that a step failed, as compiler_gym's client does: done, and why in ``info``."""

    def step(self, action: int) -> Any:
        try:
            return super().step(action)
        except TimeoutError as error:
            return self._look(), 0.0, True, {"error_type": "TimeoutError", "error_details": str(error)}
