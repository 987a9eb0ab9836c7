"""Models that keep failing are left alone for a while."""

from __future__ import annotations

from colt_llvm.proposal.proposer import Health


def observe(health: Health, model: str, outcomes: str, kind: str = "server error") -> None:
    """x: failed; o: fine."""
    for outcome in outcomes:
        health.observe(model, outcome == "o", "" if outcome == "o" else kind)


def away(health: Health, model: str) -> int:
    """How many requests of another model it takes until this one may be asked again."""
    count = 0
    while not health.available(model):
        health.observe("other", True)
        count += 1
        assert count < 1000
    return count


def test_is_asked_until_three_in_a_row_failed() -> None:
    health = Health()
    observe(health, "m", "xxoxx")
    assert health.available("m")
    observe(health, "m", "x")
    assert not health.available("m")
    assert health.available("another")


def test_is_away_for_twice_as_long_each_time_it_fails_its_try() -> None:
    health = Health()
    observe(health, "m", "xxx")
    lengths = []
    for _ in range(6):
        lengths.append(away(health, "m"))
        observe(health, "m", "x")
    assert lengths == [8, 16, 32, 64, 64, 64]


def test_one_success_clears_it() -> None:
    health = Health()
    observe(health, "m", "xxx")
    away(health, "m")
    observe(health, "m", "oxx")
    assert health.available("m")
    observe(health, "m", "x")
    assert away(health, "m") == 8


def test_failures_that_were_under_way_do_not_lengthen_it() -> None:
    health = Health()
    observe(health, "m", "xxxxx")
    assert away(health, "m") == 6, "the two late ones are observed requests too"


def test_a_refused_key_sets_it_aside_for_good() -> None:
    health = Health()
    observe(health, "m", "x", kind="authentication")
    for _ in range(200):
        health.observe("other", True)
    assert not health.available("m")
    assert health.gone("m")
    assert not health.gone("other")


def test_one_that_never_answered_is_set_aside_at_its_first_time_out() -> None:
    for kind in ("timeout", "late"):
        health = Health()
        observe(health, "m", "x", kind)
        assert away(health, "m") == 8
        observe(health, "m", "x", kind)
        assert away(health, "m") == 16
        observe(health, "m", "oxx", kind)
        assert health.available("m"), "it has answered"
