"""Before the claim: which of the many that looked good in the search deserve it.

The best of a hundred noisy times are the lucky ones, and the claim's contest has time for three. So some more are
timed side by side, briefly, and go on by what they show now. This claims nothing: the contest measures them anew.

Simulated: 100 candidates, five of them 4% to 8% faster, twelve in the run-off, 100 runs in all with 3% of noise and
15% of outliers. The best of the three that go on is on average, without and with it, where the search knew times to
3%: 1.071 and 1.077; to 5%: 1.051 and 1.070; to 10%: 1.027 and 1.053 (with six in place of twelve 1.040).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from colt_llvm.measure.compare import interquartile_mean, log_ratios
from colt_llvm.measure.rounds import TimeRound, time_in_rounds

T = TypeVar("T")

#: Fewer rounds order little; more are better spent in the contest.
LEAST_ROUNDS, MOST_ROUNDS = 6, 20
_BASELINE = ""


def affordable(most: int, seconds: float, run_seconds: float) -> int:
    """How many candidates, at most ``most``, can run ``LEAST_ROUNDS`` times beside the baseline, warm-up included."""
    arms = int(seconds / max(run_seconds, 1e-9) / (LEAST_ROUNDS + 1))
    return max(0, min(most, arms - 1))


def run_off(
    candidates: Mapping[str, T],
    baseline: T,
    time_round: TimeRound[T],
    seconds: float,
    *,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Baseline time / candidate time by name, in rounds as in a contest, after one run of each to warm up.

    time_round: the seconds of one run of each; infinity for one that does not stand, which then has the ratio 0.
    seconds: wall-clock budget; the round under way is finished, and one round is run in any case.
    Raises ValueError for a candidate without a name.
    """
    if _BASELINE in candidates:
        raise ValueError("a candidate has the empty name; give it another")
    held = time_in_rounds(
        {_BASELINE: baseline, **candidates}, time_round, seconds=seconds, most_rounds=MOST_ROUNDS, warmup_runs=1,
        seed=seed, clock=clock,
    )  # fmt: skip
    times = held.seconds
    return {name: _ratio(times[_BASELINE], times[name]) for name in candidates}


def _ratio(baseline: list[float], candidate: list[float]) -> float:
    if math.inf in candidate:
        return 0.0
    return math.exp(float(interquartile_mean(log_ratios(baseline, candidate))))
