"""Decisions as text: what is written is read back, and what means nothing is refused."""

from __future__ import annotations

import pytest

from colt_llvm.core.errors import PipelineSyntaxError
from colt_llvm.llvm.decision import (
    KINDS,
    Decide,
    Decision,
    Passes,
    decide_text,
    is_decision,
    parse_decision,
    steps_of,
    switch_flags,
    switches_in,
)

TEXTS = (
    "alwaysinline<is>",
    "noinline<_ZNSt6vectorIiSaIiEE9push_backEOi>",
    "optsize<*>",
    "noinline<main;is#2>",
    "unroll<main#1;4>",
    "unroll<main#1;full>",
    "novectorize<main#3>",
    "skip<main>(licm,gvn)",
    "before<main>(loop-mssa(licm<no-allowspeculation>),dse)",
    "after<main>(gvn)",
    "frame-pointer<main;all>",
    "frame-pointer<*;non-leaf>",
    "no-jump-tables<main>",
    "disable-lsr<*>",
    "apply-ext-tsp-for-size<*>",
)


@pytest.mark.parametrize("text", TEXTS)
def test_is_read_back_as_it_was_written(text: str) -> None:
    assert is_decision(text)
    assert str(parse_decision(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "licm", "without<licm>", "inline-threshold<50>", "alwaysinline<>", "alwaysinline<a;b>", "unroll<main#1>",
        "unroll<main#1;5>", "nounroll<main#1;4>", "unroll<main;4>", "skip<main>", "skip<main>()", "skip<main>(a b)",
        "distribute<main>", "minsize<main#1>", "noinline<a<b>", "after<main>(a;rm -rf)",
        "frame-pointer<main>", "frame-pointer<main;none>", "frame-pointer<main#1;all>", "no-jump-tables<main;true>",
        "disable-lsr<main>", "disable-lsr<*;true>", "disable-lsr<*#1>", "disable-lsr",
    ],
)  # fmt: skip
def test_refuses_what_is_no_decision(text: str) -> None:
    assert not is_decision(text)
    with pytest.raises(PipelineSyntaxError):
        parse_decision(text)


def test_names_that_pipelines_could_not_hold_are_written_in_hexadecimal() -> None:
    decision = Decision("f<1>, (x)", "", 0, "noinline")
    assert str(decision) == "noinline<f%3C1%3E%2C%20%28x%29>"
    assert parse_decision(str(decision)) == decision


def test_a_pipeline_is_split_where_decisions_stand() -> None:
    text = "decide(alwaysinline<a>,skip<b>(licm,gvn)),function(sroa,gvn),default<Oz>,decide(after<a>(gvn,dse))"
    first, passes, last = steps_of(text)
    assert first == Decide((parse_decision("alwaysinline<a>"), parse_decision("skip<b>(licm,gvn)")))
    assert passes == Passes("function(sroa,gvn),default<Oz>")
    assert last == Decide((parse_decision("after<a>(gvn,dse)"),))


def test_a_pipeline_without_decisions_is_left_as_it_is() -> None:
    assert steps_of("function(sroa),default<O3>") == (Passes("function(sroa),default<O3>"),)


def test_the_order_in_which_decisions_are_named_does_not_matter() -> None:
    assert decide_text(["noinline<b>", "alwaysinline<a>"]) == decide_text(["alwaysinline<a>", "noinline<b>"])


def test_brackets_that_do_not_match_are_refused() -> None:
    with pytest.raises(PipelineSyntaxError):
        steps_of("decide(noinline<a>")


@pytest.mark.parametrize(
    ("pipeline", "switches"),
    [
        ("default<Oz>", ()),
        ("default<Oz>,decide(frame-pointer<*;all>)", ()),
        ("default<Oz>,decide(disable-lsr<*>,frame-pointer<*;all>)", ("disable-lsr",)),
        ("-inline-threshold=50 decide(disable-lsr<*>),default<Oz>,decide(no-jump-tables<*>)", ("disable-lsr",)),
    ],
)
def test_switches_of_code_generation_are_read_from_a_pipeline(pipeline: str, switches: tuple[str, ...]) -> None:
    assert switches_in(pipeline) == switches


def test_what_the_user_gives_code_generation_is_not_given_twice() -> None:
    assert switch_flags(("disable-lsr",), ("-O2",)) == ("-mllvm", "-disable-lsr")
    assert switch_flags(("disable-lsr",), ("-mllvm", "-disable-lsr")) == ()


def test_every_kind_says_what_it_does() -> None:
    assert all(kind.summary.endswith(".") and kind.scope in ("function", "call", "loop") for kind in KINDS)
