"""Who is asked next: the smallest model that will do."""

from __future__ import annotations

from operator import attrgetter

from colt_llvm.models.question import Offer, Question

#: A model will do when its hit rate is at least this part of the best one's.
ENOUGH = 0.5
#: Calls at the pooled rate that every model is credited with, so that a few calls decide nothing.
PRIOR_CALLS = 6.0


def next_model(question: Question) -> str:
    """Deterministic: the smallest offer whose smoothed hit rate is at least ENOUGH of the best smoothed hit rate.

    A model without calls has the pooled rate, so the smaller one is asked until it has shown that it hits less often.
    Where a state was just improved, whoever improved it goes on, if it is no larger than that. Without offers: the
    acting model.
    """
    if not question.offers:
        return question.acting
    offers = sorted(question.offers, key=attrgetter("parameters", "name"))
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
