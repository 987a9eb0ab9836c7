"""Who an embedded model asks next: the smallest that will do."""

from __future__ import annotations

from colt_llvm.models.embedded.policy import next_model
from colt_llvm.models.question import Offer, Question, State


def asked(*offers: Offer, made_by: str = "", reward: float = 0.0, parent: float | None = None, misses: int = 0) -> str:
    return next_model(
        Question(
            request_id=1,
            seed=1,
            kind="expand",
            acting="acting",
            objective="size",
            baseline="",
            cpu="",
            state=State((), reward, made_by=made_by),
            parent=None if parent is None else State((), parent),
            offers=offers,
            misses=misses,
        )
    )


def test_the_smallest_is_asked_while_nothing_is_known() -> None:
    assert asked(Offer("large", 9e9), Offer("small", 1e3), Offer("middle", 1e6)) == "small"


def test_a_small_model_that_hits_less_often_gives_way() -> None:
    assert asked(Offer("small", 1e3, 40, 0.05), Offer("large", 9e9, 40, 0.4)) == "large"


def test_a_small_model_that_hits_nearly_as_often_stays() -> None:
    assert asked(Offer("small", 1e3, 40, 0.38), Offer("large", 9e9, 40, 0.4)) == "small"


def test_half_as_often_is_enough_as_it_costs_far_less() -> None:
    assert asked(Offer("small", 1e3, 400, 0.22), Offer("large", 9e9, 400, 0.4)) == "small"
    assert asked(Offer("small", 1e3, 400, 0.18), Offer("large", 9e9, 400, 0.4)) == "large"


def test_few_calls_decide_nothing() -> None:
    assert asked(Offer("small", 1e3, 1, 0.0), Offer("large", 9e9, 40, 0.2)) == "small"


def test_a_hit_by_a_small_model_keeps_it() -> None:
    offers = (Offer("small", 1e3, 40, 0.05), Offer("large", 9e9, 40, 0.4))
    assert asked(*offers, made_by="small", reward=0.1, parent=0.0) == "small"
    assert asked(*offers, made_by="small", reward=-0.1, parent=0.0) == "large"


def test_a_hit_by_a_large_model_does_not_keep_it() -> None:
    offers = (Offer("small", 1e3, 40, 0.4), Offer("large", 9e9, 40, 0.4))
    assert asked(*offers, made_by="large", reward=0.1, parent=0.0) == "small"


def test_without_offers_the_acting_model_goes_on() -> None:
    assert asked() == "acting"


def test_where_policies_keep_missing_the_smallest_language_model_is_named() -> None:
    offers = (Offer("nano", 1e3, policy=True), Offer("large", 9e10), Offer("small", 9e8))
    assert [asked(*offers, misses=misses) for misses in range(4)] == ["nano", "nano", "small", "small"]
    assert asked(offers[0], Offer("base", 1e5, policy=True), misses=9) == "nano", "without one all stays as it is"
