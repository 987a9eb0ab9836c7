"""Run times as a busy host gives them, from a seed: no clock, no luck."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from colt_llvm.measure.rounds import TimeRound

T = TypeVar("T")


class Host:
    """Times arms by name: lognormal noise, one-sided outliers, slow drift.

    speeds: seconds of each arm on a quiet host.
    """

    def __init__(
        self,
        speeds: dict[str, float],
        seed: int,
        *,
        noise: float = 0.01,
        outliers: float = 0.08,
        outlier_size: float = 0.15,
        drift: float = 0.03,
        period_runs: float = 70.0,
    ) -> None:
        self.speeds = speeds
        self.noise, self.outliers, self.outlier_size, self.drift = noise, outliers, outlier_size, drift
        self.rng = np.random.default_rng(seed)
        self.phase = self.rng.uniform(0, 2 * np.pi)
        self.period_runs = period_runs * self.rng.uniform(0.3, 3)
        self.runs = 0
        self.seconds = 0.0
        self.order: list[str] = []

    def time(self, arm: str) -> float:
        self.runs += 1
        self.order.append(arm)
        wander = self.drift * np.sin(self.phase + 2 * np.pi * self.runs / self.period_runs)
        disturbed = self.rng.exponential(self.outlier_size) if self.rng.random() < self.outliers else 0.0
        seconds = self.speeds[arm] * float(np.exp(wander + disturbed + self.noise * self.rng.standard_normal()))
        self.seconds += seconds
        return seconds

    def clock(self) -> float:
        return self.seconds


def in_turn(time_run: Callable[[T], float]) -> TimeRound[T]:
    """A round as one run after another, with ``time_run`` giving the seconds of one."""
    return lambda arms: [time_run(arm) for arm in arms]
