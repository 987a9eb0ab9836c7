"""Before a candidate is called wrong: it and the baseline run again, in turn, until it is clear which of them differs.

A program that does not do the same each time (threads, a counter in a file, the time of day) passes a few runs of the
baseline and is found out when a candidate happens to differ. Where both would differ at the same rate p, the candidate
differs in c runs of c and the baseline in none of n with probability p^c (1 - p)^n: whatever p is, at most 0.03% for 5
runs of each after 2 of the baseline.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from colt_llvm.measure.difference import Difference

#: The greatest probability with which a program that varies by itself may have looked like a wrong candidate.
_DOUBT = 1e-3
#: One pinned and one not, in any case; more while there is doubt. Of standard error and files that nobody named, which
#: are left out where it stays, fewer.
_LEAST_ROUNDS, _MOST_ROUNDS, _MOST_LENIENT_ROUNDS = 2, 60, 8
#: Of wall-clock time, for a candidate that differs not each time, and for one that does.
_MORE_SECONDS, _MOST_SECONDS = 30.0, 60.0
#: A candidate that differs only now and then has to do so this often while the baseline never does: by chance 1 in
#: 2^10.
_OFTEN = 10


@dataclass(frozen=True)
class Reruns:
    """How the two are run once more."""

    candidate: Callable[[], Difference | None]  #: None where it does what the program does
    baseline: Callable[[bool], None]  #: pinned to a core or not; raises where it differs from itself
    explained: Callable[[], bool]  #: whether the first difference counts no more, as the baseline has it too


@dataclass(frozen=True)
class Confirmation:
    """What was seen."""

    fault: Difference | None  #: the candidate's; None where it is not to blame
    again: int  #: runs of the candidate that differed again
    candidate_runs: int  #: in all, after the first
    baseline_runs: int  #: all agreed


def confirm(
    first: Difference,
    rerun: Reruns,
    *,
    agreed: int,
    hangs: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Confirmation:
    """Whether ``first``, a difference of the candidate's, is its own.

    agreed: runs of the baseline before, which did the same. hangs: the candidate did not end, so that each of its runs
    takes long; then it has one more.
    """
    began, again, runs = clock(), 0, 0
    last = first
    while runs < (_MOST_ROUNDS if first.strict else _MOST_LENIENT_ROUNDS):
        runs += 1
        # In another order each time, so that what goes by a count of runs meets both.
        for is_baseline in (True, False) if runs % 2 else (False, True):
            if is_baseline:
                rerun.baseline(runs % 2 == 1)
            elif found := None if hangs and runs > 1 else rerun.candidate():
                again, last = again + 1, found
        if rerun.explained():
            break
        if runs < _LEAST_ROUNDS:
            continue
        spent, doubt = clock() - began, _chance(again, agreed + runs)
        tried = 1 if hangs else runs
        if again == tried and (doubt < _DOUBT or hangs or spent > _MOST_SECONDS):
            return Confirmation(last, again, tried, runs)
        if again >= _OFTEN:
            return Confirmation(last, again, tried, runs)
        if again < tried and (hangs or spent > _MORE_SECONDS):
            break
    return Confirmation(None, again, 1 if hangs else runs, runs)


def _chance(differing: int, agreeing: int) -> float:
    """The most that p^differing (1 - p)^agreeing can be."""
    if not differing:
        return 1.0
    rate = differing / (differing + agreeing)
    return math.exp(differing * math.log(rate) + agreeing * math.log1p(-rate)) if agreeing else 1.0
