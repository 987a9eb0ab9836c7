"""The claim: the few best, measured again, apart from the search that chose them.

The best of many noisy times is lucky, so what the search saw is forgotten here. All arms run in rounds, each
round in an order of its own: the baseline, the finalists, and a *control*, which is the baseline a second time.
What the control shows against the baseline is noise by construction, and a finalist has to be past it.

The number of rounds follows from the time budget alone. Nobody looks at the verdict on the way: running "until
it is significant" finds something in pure noise sooner or later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from colt_llvm.measure.compare import (
    Interval,
    Noise,
    Verdict,
    bootstrap_ratio,
    corrected_confidence,
    judge,
    noise_of,
)
from colt_llvm.measure.rounds import Rounds, TimeRound, time_in_rounds

T = TypeVar("T")


@dataclass(frozen=True)
class ContestPolicy:
    """How a claim is measured.

    seconds: wall-clock budget, warm-up included; the round under way is finished.
    min_rounds: with fewer, every verdict is "too noisy". max_rounds: more are not run.
    confidence: that no claim of this contest is false, however many finalists (Bonferroni).
    smallest_gain: relative; what "no improvement" rules out.
    least_noise: relative; a gain that is smaller is not claimed, however well it is measured. Arms that run at once
        empty each other's caches, and that may cost one a little more than the other.
    """

    seconds: float = 60.0
    min_rounds: int = 10
    max_rounds: int = 200
    warmup_runs: int = 1
    confidence: float = 0.99
    smallest_gain: float = 0.01
    least_noise: float = 0.005
    resamples: int = 10_000

    def least_seconds(self, finalists: int, run_seconds: float) -> float:
        """What the fewest rounds take on a quiet host, where one run takes ``run_seconds`` of wall-clock time."""
        return (self.warmup_runs + self.min_rounds) * (finalists + 2) * run_seconds

    def with_room(self, finalists: int, run_seconds: float) -> ContestPolicy:
        """The same, with seconds enough for the fewest rounds: with a round too few all of it would be for nothing.

        Half as much again: runs take longer side by side than alone, and longer on a busy host.
        """
        return replace(self, seconds=max(self.seconds, 1.5 * self.least_seconds(finalists, run_seconds)))


@dataclass(frozen=True)
class Claim:
    """One arm. seconds: its raw times, element i from round i. interval: against the baseline."""

    name: str
    seconds: tuple[float, ...]
    interval: Interval
    verdict: Verdict


@dataclass(frozen=True)
class Contest:
    """All that was measured.

    claims: one for each finalist, in the order given.
    control: the baseline's second copy; a verdict "improved" here means that the host cannot be trusted now.
    baseline_seconds: raw times of the baseline, element i from round i.
    orders: the arms of each round in the order they ran; "" is the baseline, "control" the control.
    """

    claims: tuple[Claim, ...]
    control: Claim
    noise: Noise
    baseline_seconds: tuple[float, ...]
    warmup: Mapping[str, tuple[float, ...]] = field(repr=False)
    orders: tuple[tuple[str, ...], ...] = field(repr=False)

    @property
    def best(self) -> Claim | None:
        """The improved finalist with the greatest lower bound, if any is improved."""
        improved = [claim for claim in self.claims if claim.verdict is Verdict.IMPROVED]
        return max(improved, key=lambda claim: claim.interval.low, default=None)


BASELINE, CONTROL = "", "control"


def contest(
    finalists: Mapping[str, T],
    baseline: T,
    time_round: TimeRound[T],
    policy: ContestPolicy | None = None,
    *,
    control: T | None = None,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> Contest:
    """Time ``finalists`` (by name) and ``baseline`` with ``time_round``: the seconds of one run of each.

    control: a copy of the baseline's file, where there is one: it then also shows what another place in
        memory does. The baseline itself when None.

    Raises ValueError for a finalist named like the baseline or the control.
    """
    policy = policy or ContestPolicy()
    if {BASELINE, CONTROL} & set(finalists):
        raise ValueError(f"finalists may not be named {BASELINE!r} or {CONTROL!r}; rename one")
    arms: dict[str, T] = {BASELINE: baseline, CONTROL: baseline if control is None else control, **finalists}
    held = time_in_rounds(
        arms, time_round, seconds=policy.seconds, most_rounds=policy.max_rounds, warmup_runs=policy.warmup_runs,
        seed=seed, clock=clock,
    )  # fmt: skip
    return _conclude(held, policy, seed)


def _conclude(held: Rounds, policy: ContestPolicy, seed: int) -> Contest:
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

    def claim(name: str, noise: Noise) -> Claim:
        verdict = judge(intervals[name], noise, smallest_gain=policy.smallest_gain) if enough else Verdict.TOO_NOISY
        return Claim(name, tuple(seconds[name]), intervals[name], verdict)

    # The control is judged by its interval alone: it cannot be past itself.
    control = claim(CONTROL, Noise(0.0, confidence, len(held.orders)))
    return Contest(
        claims=tuple(claim(name, noise) for name in finalists),
        control=control,
        noise=noise,
        baseline_seconds=tuple(seconds[BASELINE]),
        warmup=held.warmup,
        orders=held.orders,
    )
