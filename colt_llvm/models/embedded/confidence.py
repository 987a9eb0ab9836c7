"""How sure an embedded model is of an answer: the chance that it gives a state that is better than the one asked at.

A logistic regression of few numbers, by what kind of answer it is. They were fitted to what 20 noise-free searches of
ten train programs (collatz, sorting, json, lz77, sha256, nbody, regex_vm, modexp, matmul, heat2d; ``size`` and
``instructions``, 100 trials each, preset "retrieval") saw of 1,125 answers: 190 whole sequences, 62 single first ideas
and 873 steps, with the program's own row left out of the coreset. Maximum likelihood, coefficients drawn to 0 by half
of their squares. What was tried beside these (depth, the state's reward, how far behind the best it is) did not make
programs that were left out more likely. ``docs/embedded-models.md`` says how often answers hit, against what was said.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from colt_llvm.models.question import Question

#: Calls at _PRIOR_RATE that every model is credited with, so that a few calls decide nothing.
_PRIOR_CALLS = 6.0
_PRIOR_RATE = 0.25
_DIGITS = 3

#: (constant, factor of the log odds of the model's own hit rate, factor of the relative gain), in log odds.
_WHOLE = (1.67, 1.21, 0.0)  # a whole sequence that was retrieved
_FIRST = (-0.25, 0.04, 0.22)  # an action for a first idea, at the root
_STEP = (-2.28, 0.04, 0.22)  # actions later in the tree: about one in ten is better than where it began


def confidence(question: Question, name: str, relative: float | None) -> float:
    """From 0 to 1, rounded to three digits, for an answer of the model ``name``.

    relative: expected gain of what is proposed in parts of the best that is expected, 0 to 1; None for a retrieved
    sequence. The model's own hit rate in this run is read from ``question.offers``.
    """
    whole = relative is None
    constant, of_rate, of_gain = _WHOLE if whole else _FIRST if question.kind == "seed" else _STEP
    rate = own_rate(question, name)
    odds = constant + of_rate * math.log(rate / (1.0 - rate)) + of_gain * (relative or 0.0)
    return round(1.0 / (1.0 + math.exp(-odds)), _DIGITS)


def own_rate(question: Question, name: str) -> float:
    """The model's hit rate in this run, smoothed: above 0 and below 1. Without calls, or not on offer: the prior."""
    calls, hits = 0.0, 0.0
    for offer in question.offers:
        if offer.name == name:
            calls, hits = float(offer.calls), offer.calls * (offer.hit_rate or 0.0)
    return (hits + _PRIOR_CALLS * _PRIOR_RATE) / (calls + _PRIOR_CALLS)


def relative_gain(chosen: Iterable[float], offered: Iterable[float]) -> float:
    """The best score of what was chosen in parts of the best that was on offer, 0 to 1; 0 where none is above 0."""
    best = max(offered, default=0.0)
    return max(chosen, default=0.0) / best if best > 0 else 0.0
