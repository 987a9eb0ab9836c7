"""The ranking on arrays, against the same rules written with dictionaries and Python's own sorting."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from colt_llvm.models.embedded.choice import DIGITS
from colt_llvm.models.embedded.policy import SHORT_LIST, ranked, short_list
from colt_llvm.models.embedded.weights import Candidates, candidates, weights

PASSES = tuple(f"pass-{number * 7919 % 400}" for number in range(200))  # in no order of names
EDITS = tuple(f"without<{name}>" for name in PASSES[::3])


def the_actions(passes: tuple[str, ...] = PASSES) -> Candidates:
    return candidates(weights(), passes, EDITS)


def gains_with_ties(random: Random, count: int) -> list[float]:
    """A third is 0, and many are equal, as learned gains are."""
    return [
        random.choice([0.0, random.randrange(20) / 1000, round(random.random() / 50, DIGITS)]) for _ in range(count)
    ]


def plainly(
    names: tuple[str, ...], gains: list[float], paid: dict[str, float], trust: float, barred: set[str], most: int
) -> tuple[list[str], list[float]]:
    first = sorted(range(len(names)), key=lambda place: -gains[place])[:SHORT_LIST]
    learned = {names[place]: gains[place] for place in first}
    learned |= {name: gain for name, gain in zip(names, gains, strict=True) if name in paid}
    scores = {name: gain for name, gain in learned.items() if name not in barred}
    for name in scores.keys() & paid.keys():
        score = (1.0 - trust) * scores[name] + (trust * paid[name] if paid[name] > 0.0 else 0.0)
        scores[name] = int(score * 10.0**DIGITS + 0.5) / 10.0**DIGITS
    best = sorted(scores, key=lambda name: (-scores[name], name))[:most]
    return best, [scores[name] for name in best]


@pytest.mark.parametrize("seed", range(30))
def test_it_is_the_same_to_the_last_bit_as_with_dictionaries(seed: int) -> None:
    random = Random(seed)
    actions = the_actions(PASSES[: random.choice([0, 1, 20, 200])])
    gains = gains_with_ties(random, len(actions.names))
    asked_for = [*actions.names, "not-among-them"]
    some = random.sample(asked_for, random.randrange(min(60, len(asked_for))))
    paid = {name: random.choice([-0.01, 0.0, 0.004, random.random() / 20]) for name in some}
    barred = set(random.sample(asked_for, random.randrange(min(40, len(asked_for)))))
    trust, most = random.choice([0.0, 0.85, 0.9, 1.0]), random.choice([1, 64, 1000])
    found = ranked(actions, np.array(gains), paid, trust, barred, most)
    assert found == plainly(actions.names, gains, paid, trust, barred, most)


def test_of_equal_gains_those_that_stand_first_are_on_the_short_list() -> None:
    gains = np.zeros(300)
    gains[[250, 299]] = 0.5, 1.0
    assert short_list(gains).tolist() == [299, 250, *range(SHORT_LIST - 2)]


def test_the_gains_are_left_as_they_were() -> None:
    actions = the_actions()
    gains = np.linspace(0.0, 0.1, len(actions.names)).round(DIGITS)
    before = gains.copy()
    ranked(actions, gains, {PASSES[0]: 0.3}, 0.85, {PASSES[1]}, 64)
    assert np.array_equal(gains, before)


def test_with_all_barred_nothing_is_left() -> None:
    actions = the_actions()
    assert ranked(actions, np.ones(len(actions.names)), {PASSES[0]: 0.3}, 0.85, actions.names, 64) == ([], [])
