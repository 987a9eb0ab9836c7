"""An embedded model as the search sees it: a question in, a joint action as JSON out. Not a language model.

Passes are drawn from a ranking of actions; the next model is the smallest that will do; a confidence goes with them.
Every order is fixed down to equal scores, so the same question has the same answer on every machine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping
from operator import attrgetter

import numpy as np

from colt_llvm.models.base import Answer, CallError, ModelSpec, Prompt
from colt_llvm.models.embedded.choice import (
    DEFAULTS,
    DIGITS,
    ChoiceOptions,
    barred,
    choose,
    first_action,
    generator,
    is_pipeline,
    trust_in_run,
)
from colt_llvm.models.embedded.own import home_of
from colt_llvm.models.embedded.retrieval import Names
from colt_llvm.models.embedded.scoring import OF_ALL, RETRIEVING, SCORERS, retrieved, table
from colt_llvm.models.embedded.weights import (
    APPEND_GAINS,
    FILE,
    OBJECTIVES,
    Array,
    Candidates,
    Indices,
    Weights,
    candidates,
    weights,
)
from colt_llvm.models.question import Offer, Question

#: Decisions about single functions are tried side by side by the search's sweeps, many in one build: so little of what
#: one promises is left for a proposal of its own.
BESIDE_SWEEPS = 0.1


class EmbeddedModel:
    """One of the small policies. No answer depends on one before, so any number of threads and runs may share it.

    Its numbers are those of the package, or of the file that the specification names (see ``own``).
    """

    def __init__(self, spec: ModelSpec, options: ChoiceOptions = DEFAULTS, known: Weights | None = None) -> None:
        """known: its numbers, where they are in no file."""
        self._spec = spec
        self._known = known
        self._options = options
        self._policy = spec.model or spec.name  # draws follow from it: equal numbers give equal answers
        self._score = SCORERS[self._policy]
        self._last: tuple[Names, Names, Candidates | None] = (), (), None
        home = home_of(spec)
        self._file, self._digest = home or (FILE, "")
        # Who retrieves from the same file.
        self._retriever = RETRIEVING if home is None else f"{spec.name.rpartition('/')[0]}/{RETRIEVING.split('/')[1]}"

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    def ask(self, prompt: Prompt, timeout_seconds: float) -> Answer:
        """Reads ``prompt.question`` only. Raises CallError when nothing may be proposed, WeightsError."""
        question = prompt.question
        retrieves = self._policy == RETRIEVING
        offered = any(offer.name == self._retriever for offer in question.offers)
        known = retrieved(self._weights(), question) if retrieves or offered else None
        # With decisions the first proposal of all is a whole sequence, whoever is asked: a short search has few.
        first = OF_ALL in question.edits and not (question.tried or question.proposed or question.in_flight)
        passes, relative = (list(known), None) if known and (retrieves or first) else self._step(question)
        if not passes:
            raise CallError("bad request", "no action is left to propose at this state: offer more passes")
        # Who knows whole sequences begins, as long as there is one that is worth a trial.
        successor = self._retriever if known and offered else next_model(question)
        sure = confidence(question, self._spec.name, relative)
        return Answer(json.dumps({"passes": passes, "next_model": successor, "confidence": sure}))

    def _weights(self) -> Weights:
        if self._known is None:  # two threads may both come here, and get the same object
            self._known = weights(self._file, self._digest)
        return self._known

    def _step(self, question: Question) -> tuple[list[str], float | None]:
        """One to three names, empty where none is allowed; and how much they promise, as ``confidence`` reads it."""
        actions, gains = self._learned(question)
        out = barred(question)
        if question.kind == "seed":
            # Not what was tried: that grows in the meantime.
            order = {actions.names[place]: float(gains[place]) for place in short_list(gains).tolist()}
            first = first_action(question, order, out, self._policy)
            if first is not None:
                return [first], relative_gain([order[first]], (order[name] for name in order if name not in out))
        trust = trust_in_run(question, OBJECTIVES, self._options)
        names, scores = ranked(actions, gains, question.paid, trust, out, self._options.pool)
        chosen = choose(question, names, scores, generator(question, self._policy), self._options)
        return chosen, relative_gain((scores[names.index(name)] for name in chosen), scores[:1])  # the best is first

    def expected_gains(self, question: Question) -> dict[str, float]:
        """The learned part for all actions of the question: a log ratio each, 0 or more."""
        actions, gains = self._gains(question)
        return dict(zip(actions.names, gains.tolist(), strict=True))

    def append_gains(self, objective: str) -> dict[str, float]:
        """What each action is expected to bring to a sequence that is good already, a log ratio; see ``weights``."""
        weights = self._weights()
        known = weights.arrays.get(APPEND_GAINS)
        return {} if known is None else dict(zip(weights.actions, table(known, objective).tolist(), strict=True))

    def _gains(self, question: Question) -> tuple[Candidates, Array]:
        """The actions, and what is learned of each; for those that the weights do not know, the mean of the others."""
        actions = self._actions(question)
        gains = np.maximum(self._score(self._weights(), question), 0.0)
        if actions.all_known:
            return actions, gains.take(actions.known)
        gains = np.append(gains, gains.mean()).take(actions.known)
        places = actions.places(question.promised)
        gains[places] = [BESIDE_SWEEPS * question.promised[actions.names[place]] for place in places]
        return actions, gains

    def _actions(self, question: Question) -> Candidates:
        """Those of the question before, as long as it names the very same tuples: comparing all names costs more."""
        passes, edits, actions = self._last
        if actions is None or passes is not question.passes or edits is not question.edits:
            actions = candidates(self._weights(), question.passes, question.edits)
            self._last = question.passes, question.edits, actions  # at once, as other threads read it
        return actions

    def _learned(self, question: Question) -> tuple[Candidates, Array]:
        """As ``_gains``, rounded, and whole pipelines cut where nothing has ended the edits yet."""
        actions, gains = self._gains(question)
        if not any(map(is_pipeline, question.state.sequence)):
            gains[actions.pipelines] *= self._options.pipeline
        return actions, gains.round(DIGITS)

    def close(self) -> None:
        """Nothing to let go of."""


#: So many steps by policies in a row that were no better, and a language model is named where there is one.
MISSES = 2
#: A model will do when its hit rate is at least this part of the best one's.
ENOUGH = 0.5
#: Calls at the pooled rate that every model is credited with, so that a few calls decide nothing.
PRIOR_CALLS = 6.0


def next_model(question: Question) -> str:
    """Deterministic: the smallest offer whose smoothed hit rate is at least ENOUGH of the best smoothed hit rate.

    A model without calls has the pooled rate, so the smaller one is asked until it has shown that it hits less often.
    Where a state was just improved, whoever improved it goes on, if it is no larger than that. Where policies keep
    missing, the smallest language model. Without offers: the acting model.
    """
    if not question.offers:
        return question.acting
    offers = sorted(question.offers, key=attrgetter("parameters", "name"))
    language_models = [offer.name for offer in offers if not offer.policy]
    if language_models and question.misses >= MISSES:
        return language_models[0]
    rates = _smoothed(offers)
    least = ENOUGH * max(rates)
    enough = next(offer for offer, rate in zip(offers, rates, strict=True) if rate >= least)
    maker = next((offer for offer in offers if offer.name == question.state.made_by), None)
    if maker is not None and _improved(question) and maker.parameters <= enough.parameters:
        return maker.name
    return enough.name


def _improved(question: Question) -> bool:
    return question.parent is not None and question.state.reward > question.parent.reward


def _smoothed(offers: list[Offer]) -> list[float]:
    """Hit rates, with PRIOR_CALLS at the pooled rate added to each."""
    hits = [offer.calls * (offer.hit_rate or 0.0) for offer in offers]
    calls = sum([offer.calls for offer in offers])
    prior = PRIOR_CALLS * (sum(hits) / calls if calls else 0.5)
    return [(hit + prior) / (offer.calls + PRIOR_CALLS) for hit, offer in zip(hits, offers, strict=True)]


#: For the confidence: calls at _OWN_RATE that every model is credited with, so that a few calls decide nothing.
_OWN_CALLS = 6.0
_OWN_RATE = 0.25
_CONFIDENCE_DIGITS = 3

# A logistic regression, fitted to what 20 noise-free searches of ten train programs (collatz, sorting, json, lz77,
# sha256, nbody, regex_vm, modexp, matmul, heat2d; "size" and "instructions", 100 trials each, preset "retrieval") saw
# of 1,125 answers: 190 whole sequences, 62 single seed proposals and 873 steps, with the program's own row left out of
# the coreset. Maximum likelihood, coefficients drawn to 0 by half of their squares. Depth, the state's reward and how
# far behind the best it is did not make programs that were left out more likely. docs/embedded-models.md has what was
# hit.
#: (constant, factor of the log odds of the model's own hit rate, factor of the relative gain), in log odds.
_WHOLE = (1.67, 1.21, 0.0)  # a whole sequence that was retrieved
_FIRST = (-0.25, 0.04, 0.22)  # an action for a seed proposal, at the root
_STEP = (-2.28, 0.04, 0.22)  # actions later in the tree: about one in ten is better than where it began


def confidence(question: Question, name: str, relative: float | None) -> float:
    """The chance, 0 to 1, in three digits, that an answer of the model ``name`` gives a better state than its own.

    relative: expected gain of what is proposed in parts of the best that is expected, 0 to 1; None for a retrieved
    sequence. The model's own hit rate in this run is read from ``question.offers``.
    """
    whole = relative is None
    constant, of_rate, of_gain = _WHOLE if whole else _FIRST if question.kind == "seed" else _STEP
    rate = own_rate(question, name)
    odds = constant + of_rate * math.log(rate / (1.0 - rate)) + of_gain * (relative or 0.0)
    return round(1.0 / (1.0 + math.exp(-odds)), _CONFIDENCE_DIGITS)


def own_rate(question: Question, name: str) -> float:
    """The model's hit rate in this run, smoothed: above 0 and below 1. Without calls, or not on offer: the prior."""
    calls, hits = 0.0, 0.0
    for offer in question.offers:
        if offer.name == name:
            calls, hits = float(offer.calls), offer.calls * (offer.hit_rate or 0.0)
    return (hits + _OWN_CALLS * _OWN_RATE) / (calls + _OWN_CALLS)


def relative_gain(chosen: Iterable[float], offered: Iterable[float]) -> float:
    """The best score of what was chosen in parts of the best that was on offer, 0 to 1; 0 where none is above 0."""
    best = max(offered, default=0.0)
    return max(chosen, default=0.0) / best if best > 0 else 0.0


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
