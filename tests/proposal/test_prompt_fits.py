"""Whatever a question holds, its prompt has at most the tokens that it may have, or a typed error says so."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colt_llvm.models.base import Message
from colt_llvm.models.question import Attempt, Evidence, Offer, Question, State
from colt_llvm.proposal.prompt import PromptTooSmall, render
from colt_llvm.proposal.wording import Section, estimate, estimate_messages, fit

_NAMES = tuple(f"pass-{number}<some-parameter={number}>" for number in range(300))
PASSES = {name: f"Does what number {number} does to loops and calls." for number, name in enumerate(_NAMES)}

text = st.text(max_size=80)
number = st.floats(allow_nan=True, allow_infinity=True)
names = st.builds(lambda some, times: tuple(some) * times, st.lists(text, max_size=4), st.sampled_from([1, 10, 3_000]))
lines = names
features = st.dictionaries(text, number, max_size=80)
states = st.builds(State, names, number, features, text)
attempts = st.builds(Attempt, names, text, st.none() | number, st.none() | text)
offers = st.builds(Offer, text, st.floats(1, 1e13), st.integers(0, 10**9), st.none() | st.floats(0, 1))
excerpts = st.builds(lambda part, times: part * times, text, st.sampled_from([1, 50, 40_000]))
questions = st.builds(
    Question,
    request_id=st.integers(0, 10**9),
    seed=st.just(0),
    kind=st.sampled_from(["seed", "expand", "correct"]),
    acting=text,
    objective=st.sampled_from(["runtime", "size", "beauty"]),
    baseline=text,
    cpu=text,
    state=states,
    parent=st.none() | states,
    grandparent=st.none() | states,
    tried=st.lists(attempts, max_size=4).map(lambda few: tuple(few) * 50),
    paid=features,
    rejected=st.none() | attempts,
    best=st.none() | states,
    offers=st.lists(offers, max_size=64).map(tuple),
    program=features,
    edits=names,
    evidence=st.builds(Evidence, features, lines, lines, excerpts, text),
    trials_done=st.integers(0, 10**12),
    calls=st.integers(0, 10**12),
    cost=st.floats(0, 1e12),
)


@settings(max_examples=60, deadline=None)
@given(questions, st.integers(0, 9_000))
def test_no_prompt_is_longer_than_it_may_be(question: Question, max_tokens: int) -> None:
    try:
        messages = render(question, PASSES, max_tokens)
    except PromptTooSmall:
        assert max_tokens < 1_800, "a question never needs more than this"
        return
    assert estimate_messages(messages) <= max_tokens
    assert messages == render(question, PASSES, max_tokens)
    assert "# Your turn" in messages[1].content
    assert "# This state" in messages[1].content


@pytest.mark.parametrize("max_tokens", [1_600, 3_072, 15_360])
def test_the_worst_that_a_run_can_bring_fits(max_tokens: int) -> None:
    state = State(_NAMES * 34, 0.1, {"runtime": 0.1}, "small")
    question = Question(
        1, 0, "correct", "small", "runtime", "clang -O3", "znver3", state, state, state,
        tried=(Attempt(_NAMES, "small", -0.1),) * 1_000, paid=dict.fromkeys(_NAMES, 0.1),
        rejected=Attempt(_NAMES * 34, "small", -0.1), best=state,
        offers=tuple(Offer(f"model-{number}-of-many", 1e9 + number) for number in range(64)),
        edits=tuple(f"without<{number}>" for number in range(10_000)),
        evidence=Evidence({}, ("function",) * 10_000, ("a remark " * 40,) * 10_000, "%1 = load i32\n" * 300_000, "f"),
    )  # fmt: skip
    messages = render(question, PASSES, max_tokens)
    assert estimate_messages(messages) <= max_tokens
    text = messages[1].content
    assert "left out" in text
    assert "model-63-of-many" in text  # the largest
    assert "model-0-of-many" in text  # the smallest
    assert _NAMES[0] in text
    assert _NAMES[-1] in text


@given(st.lists(st.text(max_size=60), max_size=12))
def test_lines_apart_are_never_estimated_below_the_lines_together(some: list[str]) -> None:
    assert estimate("\n".join(some)) <= sum(map(estimate, some)) + max(0, len(some) - 1)


@given(st.text())
def test_an_estimate_is_positive_for_what_is_not_empty(some: str) -> None:
    assert estimate(some) >= (1 if some.strip() else 0)
    assert estimate_messages([Message("user", some)]) > estimate(some)


def test_a_section_without_room_for_enough_items_is_left_out() -> None:
    sections = [Section("# Head", needed=True), Section("# Code", ["line one", "line two", "line three"] * 9, least=9)]
    assert "# Code" not in fit(sections, [0, 1], 30, "remedy")
    assert fit(sections, [0, 1], 400, "remedy").count("line") == 27


def test_needed_sections_are_kept_or_nothing_is() -> None:
    sections = [Section("# Much worth", ["item"] * 20), Section("# Needed", ["item"] * 20, needed=True)]
    assert fit(sections, [0, 1], 50, "remedy").startswith("# Needed")
    with pytest.raises(PromptTooSmall, match="remedy"):
        fit(sections, [0, 1], 10, "remedy")
