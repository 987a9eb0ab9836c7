"""What a profile says, and the reason where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from colt_llvm.core.errors import ColtError

#: How many functions a profile names.
HOTTEST = 20


class CannotProfile(ColtError, RuntimeError):
    """This way of profiling does not work here; the message says why, and what would help."""


@dataclass(frozen=True)
class Profile:
    """Where a program's time goes.

    method: "perf, software clock", "clang's instrumentation", or "none".
    weights: each unit's share of all that was seen, 0 to 1; under "" what belongs to no unit: libraries, start-up code,
        other programs that the workload starts. Together they are 1. Instrumentation sees units only.
    samples: of the clock; 0 where there is none.
    functions: the hottest as (function, unit, share), the hottest first; function "" is code without a symbol.
    note: what the reader must know: why another method was not used, or that there are few samples.
    """

    method: str
    weights: Mapping[str, float]
    samples: int = 0
    functions: tuple[tuple[str, str, float], ...] = ()
    note: str = ""


def profile_of(
    method: str,
    seen: Iterable[tuple[str, Mapping[str, float], float]],
    units: Iterable[str],
    *,
    samples: int = 0,
    note: str = "",
) -> Profile:
    """The profile of what was seen: (function, how its weight is shared among units, weight).

    What is not shared goes to "". Every unit is in the result, with 0 where nothing was seen of it.
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
        raise CannotProfile("the run showed no work at all; give a workload that computes longer")
    hottest = sorted(functions.items(), key=lambda item: (-item[1], item[0]))[:HOTTEST]
    return Profile(
        method=method,
        weights={unit: weight / total for unit, weight in shares.items()},
        samples=samples,
        functions=tuple((function, unit, weight / total) for (function, unit), weight in hottest),
        note=note,
    )
