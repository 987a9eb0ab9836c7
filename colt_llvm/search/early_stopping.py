"""Early stopping: a search ends once doubling its trials gained next to nothing.

    g(n) = the best reward of the first n trials, 0 for none          rewards are ln(baseline / candidate)
    stop after n >= FIRST trials, where g(n) - g(n // 2) < ln(1 + percent / 100)

Gains come ever more slowly: what the last doubling brought is a fair guess at most of what the next one will, and that
takes twice as long. Only the trials told decide, never the clock, so a resumed run stops where a whole one does.
Why so: docs/decisions/0015.
"""

from __future__ import annotations

import math

#: Per cent that the last doubling has to have brought, where the user sets no limit.
DEFAULT_PERCENT = 0.1
#: No search stops before so many trials: by then it has gone over its seed proposals and what can be made of them.
FIRST = 192
#: Nor one that has found nothing yet before so many.
FIRST_WITHOUT_GAIN = 384


class EarlyStopping:
    """The rule for one search. percent: a finite number above 0, of the baseline's ratio to the best."""

    def __init__(self, percent: float) -> None:
        self.percent = percent
        self._least = math.log1p(percent / 100)
        self._best = [0.0]  # after so many trials

    def tell(self, reward: float | None) -> None:
        """The next trial, in the order of telling; None where it failed. It counts as a trial all the same."""
        self._best.append(max(self._best[-1], reward or 0.0))

    @property
    def over(self) -> bool:
        """Whether to stop now."""
        trials, best = len(self._best) - 1, self._best[-1]
        if trials < (FIRST if best > 0 else FIRST_WITHOUT_GAIN):
            return False
        return best - self._best[trials // 2] < self._least

    @property
    def reason(self) -> str:
        """One line for a person, where it is over."""
        trials = len(self._best) - 1
        return f"stopped: the last {trials - trials // 2} trials brought less than {self.percent:g}%"
