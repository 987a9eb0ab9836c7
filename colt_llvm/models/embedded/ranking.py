"""Which actions a proposal is drawn from: those of a run as arrays, so that a question costs no dictionary of them all.

Every order is fixed down to equal scores, so the same question has the same answer on every machine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from colt_llvm.models.embedded.choice import DIGITS
from colt_llvm.models.embedded.weights import Array, Candidates, Indices

#: Actions that go into the draw beside those that paid in this run: the best by the learned gain.
SHORT_LIST = 96
_SCALE = 10.0**DIGITS


def short_list(gains: Array) -> Indices:
    """Places of the SHORT_LIST greatest gains, the greatest first; of equal ones, those that stand first."""
    best: Indices = (-gains).argsort(kind="stable")[:SHORT_LIST]
    return best


def ranked(
    actions: Candidates, gains: Array, paid: Mapping[str, float], trust: float, barred: Collection[str], most: int
) -> tuple[list[str], list[float]]:
    """Names and scores of the ``most`` best of the short list and all that was tried in this run, without ``barred``.

    gains: [actions], learned, 0 or more, rounded; not changed. paid: action -> mean gain seen in this run. trust: its
    weight against the learned one, 0..1. Equal scores are in the order of names.
    """
    rank = actions.rank
    listed = np.zeros(len(gains), dtype=np.bool_)  # in the order of names, which then decides between equal scores
    listed[rank[short_list(gains)]] = True
    scores = gains
    if tried := actions.places(paid):
        places = np.array(tried, dtype=np.intp)
        scores = gains.copy()
        scores[places] = mixed(gains[places], _seen(actions, paid, tried), trust)
        listed[rank[places]] = True
    if out := actions.places(barred):
        listed[rank[out]] = False
    order = actions.by_name[listed.nonzero()[0]]
    order = order[(-scores[order]).argsort(kind="stable")[:most]]
    names = actions.names
    return [names[place] for place in order.tolist()], scores[order].tolist()


def mixed(gains: Array, seen: Array, trust: float) -> Array:
    """[actions] each: learned gains and those seen in this run, losses as nothing; rounded as all gains are."""
    scores = (1.0 - trust) * gains + trust * np.fmax(seen, 0.0)
    result: Array = np.floor(scores * _SCALE + 0.5) / _SCALE
    return result


def _seen(actions: Candidates, paid: Mapping[str, float], tried: list[int]) -> Array:
    """What was seen at these places, which are those of ``paid`` as far as it names actions of the run."""
    seen = paid.values() if len(tried) == len(paid) else (paid[actions.names[place]] for place in tried)
    return np.array(list(seen), dtype=np.float64)
