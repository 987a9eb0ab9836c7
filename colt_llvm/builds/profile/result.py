"""A profile: each unit's share of a program's time, or why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from colt_llvm.core.errors import ColtError

#: How many functions a profile names.
HOTTEST = 20


class CannotProfile(ColtError, RuntimeError):
    """This way of profiling does not work here; the message says why and what helps."""


@dataclass(frozen=True)
class Profile:
    """Where a program's time goes."""

    method: str  # "perf, software clock", "clang's instrumentation", or "none"
    #: Each unit's share of all that was seen, 0 to 1, together 1. Under "" what belongs to no unit: libraries, start-up
    #: code, other programs that the workload starts. Instrumentation sees units only.
    weights: Mapping[str, float]
    samples: int = 0  # of the clock; 0 with another method
    functions: tuple[tuple[str, str, float], ...] = ()  # (function or "" without a symbol, unit, share), hottest first
    note: str = ""  # what the reader must know: why another method was not used, or that samples are few


def profile_of(
    method: str,
    seen: Iterable[tuple[str, Mapping[str, float], float]],
    units: Iterable[str],
    *,
    samples: int = 0,
    note: str = "",
) -> Profile:
    """The profile of what was seen.

    seen: (function, unit -> share of its weight, weight); what is not shared goes to "". units: all, so that those of
    which nothing was seen have 0. Raises CannotProfile where the weights are 0 together.
    """
    shares = dict.fromkeys((*units, ""), 0.0)
    functions: dict[tuple[str, str], float] = {}
    total = 0.0
    for function, owners, weight in seen:
        total += weight
        shares[""] += weight * max(0.0, 1 - sum(owners.values()))
        for unit, part in owners.items():
            shares[unit] += weight * part
            functions[function, unit] = functions.get((function, unit), 0.0) + weight * part
    if not total:
        raise CannotProfile("the run was too short to see any work; give a workload that computes longer")
    hottest = sorted(functions.items(), key=lambda item: (-item[1], item[0]))[:HOTTEST]
    return Profile(
        method=method,
        weights={unit: weight / total for unit, weight in shares.items()},
        samples=samples,
        functions=tuple((function, unit, weight / total) for (function, unit), weight in hottest),
        note=note,
    )
