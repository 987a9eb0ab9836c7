"""What goes into a journal comes out of it equal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colt_llvm.core.errors import UsageError
from colt_llvm.run.trials import (
    outcome_from_dict,
    outcome_to_dict,
    proposal_from_dict,
    proposal_to_dict,
    request_from_dict,
    request_to_dict,
)
from colt_llvm.search import Outcome, Proposal, Request

texts = st.text(max_size=5)
passes = st.lists(texts, max_size=4).map(tuple)
floats = st.floats(allow_nan=False, allow_infinity=False)
chances = st.none() | st.floats(0, 1)
single = st.builds(Proposal, passes, texts, texts, st.none() | texts, confidence=chances)
proposals = st.builds(
    Proposal, passes, texts, texts, st.none() | texts, confidence=chances,
    further=st.lists(single, max_size=2).map(tuple),
)  # fmt: skip
requests = st.builds(
    Request,
    st.integers(0, 2**40),
    st.integers(0, 2**40),
    passes,
    texts,
    st.sampled_from(["seed", "expand", "correct"]),
    st.none() | proposals,
    st.none() | single,
)
outcomes = st.builds(Outcome, st.none() | floats, st.none() | texts, st.none() | texts, st.dictionaries(texts, floats))


@given(requests, proposals, outcomes)
def test_records_survive_json(request_: Request, proposal: Proposal, outcome: Outcome) -> None:
    assert request_from_dict(json.loads(json.dumps(request_to_dict(request_)))) == request_
    assert proposal_from_dict(json.loads(json.dumps(proposal_to_dict(proposal)))) == proposal
    assert outcome_from_dict(json.loads(json.dumps(outcome_to_dict(outcome)))) == outcome


def test_a_proposal_without_a_confidence_is_written_as_before() -> None:
    record = proposal_to_dict(Proposal(("a",), "m", "m"))
    assert list(record) == ["passes", "next_model", "model", "error", "asked"]
    assert proposal_from_dict(record).confidence is None
    assert proposal_to_dict(Proposal(("a",), "m", "m", confidence=0.5)) == {**record, "confidence": 0.5}


@pytest.mark.parametrize("value", ["0.5", True, 1.5, -1, float("nan")])
def test_a_confidence_that_is_no_chance_is_named(value: Any) -> None:
    with pytest.raises(UsageError, match="confidence"):
        proposal_from_dict({**proposal_to_dict(Proposal(("a",), "m", "m")), "confidence": value})


GOOD = request_to_dict(Request(0, 0, ("a",), "m", "correct", Proposal(("b",), "m", "m")))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", -1), ("id", True), ("node", "0"), ("sequence", "abc"), ("model", None), ("kind", "grow"),
        ("rejected", 1), ("given", []),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_read_is_named(field: str, value: Any) -> None:
    with pytest.raises(UsageError, match=field):
        request_from_dict({**GOOD, field: value})


@pytest.mark.parametrize(("field", "value"), [("reward", "1"), ("reward", True), ("figures", {"size": None})])
def test_an_outcome_that_cannot_be_read_is_named(field: str, value: Any) -> None:
    with pytest.raises(UsageError, match=field):
        outcome_from_dict({field: value})


def test_a_missing_field_is_named_and_an_unknown_one_ignored() -> None:
    with pytest.raises(UsageError, match="sequence"):
        request_from_dict({name: value for name, value in GOOD.items() if name != "sequence"})
    assert request_from_dict({**GOOD, "seconds": 3}) == request_from_dict(GOOD)
