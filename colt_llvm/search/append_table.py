"""Which action to add to a sequence that is good already.

Most change nothing there, and the few that pay are not those that pay alone. So all of them are tried in turn, those
first of which most is promised; what was tried goes to the end of the line, least far where it gave new code.
Why so: docs/decisions/0009.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from random import Random

from colt_llvm.search.protocol import derived
from colt_llvm.search.sequences import ActionSet, Names

#: Share of the worth that all actions have alike: what was promised is not all there is.
_ALIKE = 0.2
#: An action that was tried n times has its worth divided by (n + 1) to this power, times what follows for new code.
_POWER = 3.0
_NEW = 3.0
#: How much a trial of one form of a pass says of its other forms.
_KIN = 0.3
#: The place in the line that is drawn, on average; 0 would be the first each time.
_MEAN_PLACE = 3.0


class AppendTable:
    """Deterministic from the seed and the trials observed so far."""

    def __init__(self, actions: ActionSet, promised: Mapping[str, float], seed: int) -> None:
        """promised: action -> the gain that it is expected to bring, 0 or more; nothing where it is not named."""
        self._names = actions.names
        given = {name: max(0.0, promised.get(name, 0.0)) for name in self._names}
        total = sum(given.values()) or 1.0
        random = derived(seed, "additions", 0)  # for an order where nothing is promised
        alike = _ALIKE / max(1, len(self._names))
        self._worth = {name: random.uniform(0.5, 1.5) * alike + value / total for name, value in given.items()}
        self._tried: Counter[str] = Counter()  # actions
        self._new: Counter[str] = Counter()
        self._kin_tried: Counter[str] = Counter()  # stems
        self._kin_new: Counter[str] = Counter()
        self._forms: defaultdict[str, list[str]] = defaultdict(list)
        for name in self._names:
            self._forms[stem(name)].append(name)
        self._place = {name: place for place, name in enumerate(self._names)}  # decides between equal weights
        self._weight = {name: self._weigh(name) for name in self._names}
        self._line: list[str] = []  # sorted when it is asked for; empty when that is to be done

    def observe(self, base: Names, sequence: Names, *, new: bool) -> None:
        """A trial of ``sequence``, made from ``base``; new: whether its object code was. Counts where one was added."""
        added = set(sequence).difference(base)
        if len(added) != 1:
            return
        (name,) = added
        kin = stem(name)
        self._tried[name] += 1
        self._new[name] += new
        self._kin_tried[kin] += 1
        self._kin_new[kin] += new
        self._weight |= {form: self._weigh(form) for form in self._forms[kin]}
        self._line = []

    def draw(self, random: Random, held: Collection[str]) -> str:
        """One of those at the head of the line that is not held; any where all are."""
        if not self._line:
            self._line = sorted(self._names, key=lambda name: (-self._weight[name], self._place[name]))
        line = [name for name in self._line if name not in held] or self._line
        return line[min(int(random.expovariate(1 / _MEAN_PLACE)), len(line) - 1)]

    def _weigh(self, name: str) -> float:
        kin = stem(name)
        tried = self._tried[name] + _KIN * (self._kin_tried[kin] - self._tried[name])
        new = self._new[name] + _KIN * (self._kin_new[kin] - self._new[name])
        weight: float = self._worth[name] * (1 + _NEW * new) / (1 + tried) ** _POWER
        return weight


def stem(name: str) -> str:
    """What forms of one action have in common: ``loop-unroll<O3>`` and ``without<loop-unroll#2>`` are of two."""
    if name.startswith("without<"):
        return name.rstrip(">").partition("#")[0]
    return name.partition("<")[0]
