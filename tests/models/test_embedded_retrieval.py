"""What the retrieving policy proposes first: sequences that did good to programs like the one at hand."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from colt_llvm.llvm.decision import is_decision
from colt_llvm.llvm.pipeline import is_edit
from colt_llvm.models.base import Prompt
from colt_llvm.models.embedded import SPECS
from colt_llvm.models.embedded.policy import EmbeddedModel
from colt_llvm.models.embedded.retrieval import Coreset
from colt_llvm.models.embedded.scoring import OF_ALL, RETRIEVING
from colt_llvm.models.embedded.weights import OBJECTIVES, SCOPED, weights
from colt_llvm.models.question import Attempt, Offer, Question, State
from colt_llvm.proposal.answer import parse_answer

# Two kinds of programs: the first two like "aa", the third likes "bb"; "cc" does a little for all, "dd" harms.
CORESET = Coreset(
    sequences=(("aa", "a2"), ("bb",), ("cc",), ("dd",)),
    rewards=np.array([[0.10, -0.02, 0.03, -0.1], [0.08, -0.01, 0.03, -0.1], [0.0, 0.12, 0.03, -0.1]]),
    features=np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 5.0]]),
)
ACTIONS = frozenset({"aa", "a2", "bb", "cc", "dd"})
LIKE_FIRST, LIKE_THIRD, LIKE_NONE = np.array([0.0, 0.1]), np.array([5.0, 4.9]), np.array([2.5, 2.5])


def question(*tried: Attempt, best: float = 0.0, in_flight: int = 0, **changes: Any) -> Question:
    return Question(
        request_id=len(tried) + in_flight, seed=1, kind="seed", acting="", objective="size", baseline="", cpu="",
        state=State((), 0.0), tried=tried, best=State((), best) if best else None, in_flight=in_flight, **changes,
    )  # fmt: skip


def tried(name: str, gain: float | None) -> Attempt:
    sequence = next(sequence for sequence in CORESET.sequences if name in sequence)
    return Attempt(sequence, "embedded/small", gain, None if gain is not None else "crash")


@pytest.mark.parametrize(("vector", "first"), [(LIKE_FIRST, ("aa", "a2")), (LIKE_THIRD, ("bb",))])
def test_it_begins_with_what_was_good_for_programs_with_like_counts(vector: np.ndarray, first: tuple[str]) -> None:
    assert CORESET.choose(question(), vector, ACTIONS) == first


def test_how_the_program_answered_counts_too() -> None:
    nearer_the_third = np.array([3.0, 3.0])
    failed, answered_as_the_first = tried("bb", None), tried("bb", -0.015)
    assert CORESET.choose(question(failed), nearer_the_third, ACTIONS) == ("cc",)
    assert CORESET.choose(question(answered_as_the_first), nearer_the_third, ACTIONS) == ("aa", "a2")


def test_an_answer_that_all_programs_would_give_tells_none_apart() -> None:
    assert CORESET.choose(question(tried("cc", -0.5)), LIKE_FIRST, ACTIONS) == ("aa", "a2")


def test_what_promises_nothing_beyond_the_best_is_not_proposed() -> None:
    assert CORESET.choose(question(best=0.09), LIKE_FIRST, ACTIONS) == ("aa", "a2"), "one of the two gained 0.10"
    assert CORESET.choose(question(best=0.2), LIKE_FIRST, ACTIONS) is None


def test_a_sequence_is_proposed_once_also_when_it_failed() -> None:
    assert CORESET.choose(question(tried("aa", None)), LIKE_FIRST, ACTIONS) == ("cc",)


def test_requests_in_flight_get_different_sequences() -> None:
    found = [CORESET.choose(question(in_flight=number), LIKE_NONE, ACTIONS) for number in range(4)]
    assert found == [("aa", "a2"), ("bb",), None, None], "cc brings nothing beyond the two"


def test_what_is_in_flight_is_not_proposed_again() -> None:
    """Nor is what would have been next without it: it counts as if it had brought what is expected of it."""
    assert CORESET.choose(question(proposed=(("aa", "a2"),)), LIKE_NONE, ACTIONS) == ("bb",)
    assert CORESET.choose(question(proposed=(("bb",), ("aa", "a2"))), LIKE_FIRST, ACTIONS) is None
    assert CORESET.choose(question(proposed=(("zz",),)), LIKE_FIRST, ACTIONS) == ("aa", "a2")


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_sequence_that_is_known_is_a_proposal_as_it_stands(objective: str) -> None:
    """One that was cut would not be known again among what was tried, and be proposed for ever."""
    for sequence in weights().coresets[objective].sequences:
        text = json.dumps({"passes": sequence, "next_model": "m"})
        edits = tuple(filter(is_edit, sequence))
        passes = tuple(name for name in sequence if not is_edit(name))
        assert parse_answer(text, passes, edits, ["m"]).passes == sequence


@pytest.mark.parametrize("name", list(SPECS))
def test_where_the_module_is_decided_about_a_search_for_size_begins_with_such_decisions(name: str) -> None:
    """Whoever is asked; and later proposals are those of a policy again."""
    scoped = weights().coresets[SCOPED + "size"].sequences
    names = {name for sequence in scoped for name in sequence}
    offers = tuple(Offer(spec.name, spec.parameters, policy=True) for spec in SPECS.values())
    asked = question(passes=("gvn", "sink"), edits=(*sorted(names), OF_ALL), offers=offers)
    model = EmbeddedModel(SPECS[name])
    first = tuple(json.loads(model.ask(Prompt(asked, lambda: pytest.fail("is read")), 10.0).text)["passes"])
    assert first in scoped
    assert any(is_decision(action) for action in first)
    later = replace(asked, tried=(Attempt(first, name, 0.1, None),), best=State(first, 0.1))
    second = tuple(json.loads(model.ask(Prompt(later, lambda: pytest.fail("is read")), 10.0).text)["passes"])
    assert second != first
    assert (len(second) > 1) == (name == RETRIEVING)
    lost = replace(asked, tried=(Attempt(first, name, -0.1, None),))
    other = tuple(json.loads(model.ask(Prompt(lost, lambda: pytest.fail("is read")), 10.0).text)["passes"])
    assert not any(map(is_decision, other)), "where decisions harm, what is known without them comes next"


def test_actions_that_do_not_exist_here_are_left_out_of_a_sequence() -> None:
    assert CORESET.choose(question(), LIKE_FIRST, ACTIONS - {"a2"}) == ("aa",)
    assert CORESET.choose(question(), LIKE_THIRD, frozenset({"bb"})) == ("bb",)


def test_nothing_is_proposed_where_no_action_exists() -> None:
    assert CORESET.choose(question(), LIKE_FIRST, frozenset()) is None


# A fourth program, of which only the last sequence is known; and that sequence is known of no other.
GROWN = Coreset(
    sequences=(*CORESET.sequences, ("ee",)),
    rewards=np.array(
        [
            [0.10, -0.02, 0.03, -0.1, np.nan],
            [0.08, -0.01, 0.03, -0.1, np.nan],
            [0.0, 0.12, 0.03, -0.1, np.nan],
            [np.nan, np.nan, np.nan, np.nan, 0.2],
        ]
    ),
    features=np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 5.0], [9.0, 0.0]]),
)


def test_what_was_learned_of_one_program_comes_first_for_that_program() -> None:
    found = GROWN.choose(question(), np.array([9.0, 0.0]), ACTIONS | {"ee"})
    assert found == ("ee",)


@pytest.mark.parametrize(("vector", "first"), [(LIKE_FIRST, ("aa", "a2")), (LIKE_THIRD, ("bb",))])
def test_what_was_learned_of_one_program_changes_nothing_for_others(vector: np.ndarray, first: tuple[str]) -> None:
    assert GROWN.choose(question(), vector, ACTIONS | {"ee"}) == first


def test_an_answer_says_nothing_for_or_against_a_program_that_never_gave_it() -> None:
    answered_as_the_third = tried("aa", 0.0)
    assert GROWN.choose(question(answered_as_the_third), LIKE_NONE, ACTIONS | {"ee"}) == ("bb",)


def test_where_all_is_known_nothing_is_different() -> None:
    alike = np.array([0.2, 0.3, 0.5])
    assert (CORESET._sure(alike) == 1.0).all()
