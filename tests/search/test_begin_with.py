"""What did good to the functions of a program before is the first that is tried, and no model is asked for it."""

from __future__ import annotations

import pytest
from search_helpers import MODELS, answer, asked, fair, step

from colt_llvm.core.errors import UsageError
from colt_llvm.search import ColtOptions, ColtSearch

KNOWN = (("a", "b"), ("c",))


def beginning(*known: tuple[str, ...]) -> ColtSearch:
    return ColtSearch(MODELS, ColtOptions(seeds=1 + len(known)), 0, known)


def test_known_sequences_come_first_and_count_for_no_model() -> None:
    search = beginning(*KNOWN)
    for names in KNOWN:
        request = asked(search)
        assert (request.kind, request.sequence, request.given.passes if request.given else ()) == ("seed", (), names)
        assert request.given is not None
        search.tell(request, request.given, fair(0.1 * len(names), " ".join(names)))
    request = asked(search)
    assert (request.kind, request.given) == ("seed", None)
    assert {record.calls for record in search.statistics.by_model.values()} == {0}
    best = search.best()
    assert best is not None
    assert best.sequence == ("a", "b")


def test_a_run_that_goes_on_knows_what_it_began_with() -> None:
    search = beginning(*KNOWN)
    first = asked(search)
    assert first.given is not None
    again = beginning(*KNOWN)
    again.restore(first, first.given, fair(0.1))
    second = asked(again)
    assert second.given is not None
    assert (second.id, second.given.passes) == (1, ("c",))
    with pytest.raises(UsageError, match="first run"):
        beginning(("d",)).restore(first, first.given, fair(0.1))


def test_one_that_is_taken_back_is_asked_again() -> None:
    search = beginning(*KNOWN)
    search.abandon(asked(search))
    given = asked(search).given
    assert given is not None
    assert given.passes == ("a", "b")


def test_without_any_nothing_is_changed() -> None:
    one, other = beginning(), ColtSearch(MODELS, ColtOptions(seeds=1), 0)
    for name in "abc":
        assert step(one, answer(name), fair(0.1, name)) == step(other, answer(name), fair(0.1, name))
