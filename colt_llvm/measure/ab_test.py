"""The A/B test: the few best, timed again, apart from the search that chose them.

The best of many noisy times is lucky, so what the search saw is forgotten here. All arms run in rounds, in random
order: the baseline, the finalists, and a *control*, which is the baseline a second time (A/A). A finalist has to be
past what the control shows. The number of rounds follows from the budget alone: running "until it is significant" finds
something in pure noise sooner or later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from colt_llvm.measure.intervals import (
    Interval,
    Noise,
    Verdict,
    bootstrap_ratio,
    corrected_confidence,
    noise_of,
    verdict_of,
)
from colt_llvm.measure.rounds import RoundLimits, Rounds, TimeRound, time_in_rounds

T = TypeVar("T")

BASELINE, CONTROL = "", "control"


@dataclass(frozen=True)
class ABTestPolicy:
    """How an A/B test is made."""

    seconds: float = 60.0  #: wall-clock budget, warm-up included; the round under way is finished
    min_rounds: int = 10  #: with fewer, every verdict is "too noisy"
    max_rounds: int = 200  #: more are not run
    warmup_runs: int = 1  #: of each arm, not counted
    confidence: float = 0.99  #: that no gain found is false, however many finalists (Bonferroni)
    smallest_gain: float = 0.01  #: relative; what "no improvement" rules out
    #: Relative; a smaller gain is none, however well it is measured. Arms that run at once empty each other's caches,
    #: which may cost one a little more than the other.
    least_noise: float = 0.005
    resamples: int = 10_000  #: of the bootstrap

    def least_seconds(self, finalists: int, run_seconds: float) -> float:
        """What the fewest rounds take on a quiet host, where one run takes ``run_seconds`` of wall-clock time."""
        return (self.warmup_runs + self.min_rounds) * (finalists + 2) * run_seconds

    def with_room(self, finalists: int, run_seconds: float) -> ABTestPolicy:
        """The same, with seconds enough for the fewest rounds: with a round too few all of it would be for nothing.

        Half as much again: runs take longer side by side than alone, and longer on a busy host.
        """
        return replace(self, seconds=max(self.seconds, 1.5 * self.least_seconds(finalists, run_seconds)))


@dataclass(frozen=True)
class Arm:
    """One finalist, or the control, against the baseline."""

    name: str  #: as given; "control" of the control
    seconds: tuple[float, ...]  #: raw times, element i from round i
    interval: Interval  #: of baseline / arm
    verdict: Verdict  #: by interval and noise


@dataclass(frozen=True)
class ABTest:
    """All that was measured."""

    arms: tuple[Arm, ...]  #: one for each finalist, in the order given
    control: Arm  #: the baseline's second copy; "improved" here means that the host cannot be trusted now
    noise: Noise  #: that a gain has to be past
    baseline_seconds: tuple[float, ...]  #: raw times of the baseline, element i from round i
    warmup: Mapping[str, tuple[float, ...]] = field(repr=False)  #: seconds by arm, not counted
    #: The arms of each round in the order they ran; "" is the baseline, "control" the control.
    orders: tuple[tuple[str, ...], ...] = field(repr=False)

    @property
    def best(self) -> Arm | None:
        """The improved finalist with the greatest lower bound, if any is improved."""
        improved = [arm for arm in self.arms if arm.verdict is Verdict.IMPROVED]
        return max(improved, key=lambda arm: arm.interval.low, default=None)


def ab_test(
    finalists: Mapping[str, T],
    baselines: tuple[T, T],
    time_round: TimeRound[T],
    policy: ABTestPolicy | None = None,
    *,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> ABTest:
    """Time ``finalists`` (by name) against the baseline with ``time_round``: the seconds of one run of each.

    baselines: the baseline and its control; a copy of its file also shows what another place in memory does.
    seed: of the orders and of the bootstrap. Raises ValueError for a finalist named like the baseline or the control.
    """
    policy = policy or ABTestPolicy()
    if {BASELINE, CONTROL} & set(finalists):
        raise ValueError(f"finalists may not be named {BASELINE!r} or {CONTROL!r}; rename one")
    arms: dict[str, T] = {BASELINE: baselines[0], CONTROL: baselines[1], **finalists}
    limits = RoundLimits(policy.seconds, policy.max_rounds, policy.warmup_runs)
    return _conclude(time_in_rounds(arms, time_round, limits, seed=seed, clock=clock), policy, seed)


def _conclude(held: Rounds, policy: ABTestPolicy, seed: int) -> ABTest:
    seconds = held.seconds
    finalists = [name for name in seconds if name not in (BASELINE, CONTROL)]
    confidence = corrected_confidence(policy.confidence, len(finalists))
    intervals = {
        name: bootstrap_ratio(
            seconds[BASELINE], seconds[name], confidence=confidence, resamples=policy.resamples, seed=seed
        )
        for name in (CONTROL, *finalists)
    }
    noise = noise_of(intervals[CONTROL])
    noise = replace(noise, ratio=max(noise.ratio, policy.least_noise))
    enough = len(held.orders) >= policy.min_rounds

    def arm(name: str, noise: Noise) -> Arm:
        verdict = (
            verdict_of(intervals[name], noise, smallest_gain=policy.smallest_gain) if enough else Verdict.TOO_NOISY
        )
        return Arm(name, tuple(seconds[name]), intervals[name], verdict)

    # Of the control the interval alone counts: it cannot be past itself.
    control = arm(CONTROL, Noise(0.0, confidence, len(held.orders)))
    return ABTest(
        arms=tuple(arm(name, noise) for name in finalists),
        control=control,
        noise=noise,
        baseline_seconds=tuple(seconds[BASELINE]),
        warmup=held.warmup,
        orders=held.orders,
    )
