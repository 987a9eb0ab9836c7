"""Which units are worth the time, and how much of it each gets. Pure."""

from __future__ import annotations

from collections.abc import Mapping

#: Of the time: for the profile, and for the proof of the whole program where it is timed.
PROFILE_SHARE, PROOF_SHARE = 0.05, 0.25
#: A unit with less of the time is cold: making it twice as fast would not show.
_LEAST_SHARE = 0.02
_COVERED = 0.95


def shares(weights: Mapping[str, float], seconds: float, least_seconds: float, timed: bool) -> dict[str, float]:
    """Unit -> seconds, in the order of their weights, the heaviest first.

    weights: of the run time or of the code size. Units are taken until they cover 95% of what can be attributed, or
    until one more would leave the lightest with less than ``least_seconds``. Where the program is timed, one with less
    than 2% of the time is left out.
    """
    total = sum(weights.values())
    if total <= 0 or seconds <= 0:
        return {}
    chosen: dict[str, float] = {}
    for name in sorted(weights, key=lambda name: (-weights[name], name)):
        if weights[name] <= 0 or (timed and weights[name] < _LEAST_SHARE):
            break
        if timed and chosen and sum(chosen.values()) >= _COVERED * total:
            break
        if len(chosen) + 1 > max(1, int(seconds / least_seconds)):
            break
        chosen[name] = weights[name]
    # Each gets the least it needs, the rest goes by weight.
    rest = max(0.0, seconds - least_seconds * len(chosen))
    covered = sum(chosen.values())
    least = min(least_seconds, seconds / max(1, len(chosen)))
    return {name: least + rest * weight / covered for name, weight in chosen.items()}
