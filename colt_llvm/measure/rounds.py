"""Arms in rounds: one run of each in a round, each round in an order of its own, so that what drifts meets all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

T = TypeVar("T")

#: One run of each arm; their seconds in the same order. The runs may go on at once: see ``tune.judge``.
TimeRound = Callable[[Sequence[T]], Sequence[float]]


def in_turn(time_run: Callable[[T], float]) -> TimeRound[T]:
    """A round as one run after another, with ``time_run`` giving the seconds of one."""
    return lambda arms: [time_run(arm) for arm in arms]


@dataclass(frozen=True)
class Rounds:
    """By arm: seconds in the order of rounds, and those of the warm-up. orders: the arms of each round as they ran."""

    seconds: Mapping[str, list[float]]
    warmup: Mapping[str, tuple[float, ...]] = field(repr=False)
    orders: tuple[tuple[str, ...], ...] = field(repr=False)


def time_in_rounds(
    arms: Mapping[str, T],
    time_round: TimeRound[T],
    *,
    seconds: float,
    most_rounds: int,
    warmup_runs: int,
    seed: int,
    clock: Callable[[], float],
) -> Rounds:
    """Until ``seconds`` of wall-clock time are over, warm-up included, or there are ``most_rounds``.

    The round under way is finished, and one round is run in any case.
    """
    rng = np.random.default_rng(seed)
    deadline = clock() + seconds
    warmup = {name: tuple(time_round([arm])[0] for _ in range(warmup_runs)) for name, arm in arms.items()}
    times: dict[str, list[float]] = {name: [] for name in arms}
    orders: list[tuple[str, ...]] = []
    names = list(arms)
    while not orders or (len(orders) < most_rounds and clock() < deadline):
        orders.append(tuple(names[index] for index in rng.permutation(len(names))))
        for name, spent in zip(orders[-1], time_round([arms[name] for name in orders[-1]]), strict=True):
            times[name].append(spent)
    return Rounds(times, warmup, tuple(orders))
