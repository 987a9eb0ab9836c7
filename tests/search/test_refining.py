"""Variations of what is best so far: who is asked, what is proposed, and what the tree makes of it."""

from __future__ import annotations

from random import Random

import pytest
from search_helpers import MODELS, answer, asked, fair, search_with, step

from colt_llvm.core.errors import UsageError
from colt_llvm.search import PRESETS, ActionSet, ColtOptions, ColtSearch, Outcome, Proposal, Refiner, Request
from colt_llvm.search.refining import STANDSTILL

ACTIONS = ActionSet(
    ("sroa", "gvn", "licm", "unroll<O2>", "unroll<O3>"),
    ("without<licm>", "without<licm#1>", "without<licm#2>", "without<gvn>"),
)


def world(sequence: tuple[str, ...]) -> Outcome:
    """Parts that pay, found in different branches; one that costs."""
    names = set(sequence)
    worth = {"gvn": 1, "without<gvn>": 2, "without<licm#2>": 3, "unroll<O3>": 4, "sroa": -2}
    return Outcome(sum(worth.get(name, 0) for name in names) / 100, " ".join(sorted(names)))


def refined(refiner: Refiner, *ids: int) -> list[Proposal]:
    return [refiner.propose(Request(number, 0, (), "m", "refine")) for number in ids]


def taught(*sequences: tuple[str, ...]) -> Refiner:
    refiner = Refiner(ACTIONS, 1)
    for number, sequence in enumerate(sequences):
        request = Request(number, 0, (), "m", "expand")
        refiner.observe(request, Proposal(sequence, f"next {number}", "m"), world(sequence))
    return refiner


# --- the search


def test_the_presets_of_the_paper_and_of_breadth_refine_nothing() -> None:
    assert [PRESETS[name].refine_share for name in ("paper", "broad")] == [0.0, 0.0]


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_refuses_a_share_that_leaves_no_search(share: float) -> None:
    with pytest.raises(UsageError, match="refine_share"):
        ColtOptions(refine_share=share)


def test_a_share_of_the_requests_is_for_variations_once_there_is_a_gain() -> None:
    search = search_with(seeds=2, branching=4, refine_share=0.5)
    kinds = [step(search, answer(f"bad {number}"), fair(-0.1)).kind for number in range(20)]
    assert "refine" not in kinds
    kinds = [step(search, answer(f"{number}"), fair(0.1 + number / 1000)).kind for number in range(200)]
    assert 70 < kinds.count("refine") < 130
    assert set(kinds) == {"refine", "expand"}


def test_a_variation_stands_at_the_root_and_is_nobodys_call_hit_or_regression() -> None:
    search = search_with(seeds=1, refine_share=0.99, course_alteration_period=1)
    step(search, answer("a", model="large"), fair(0.1))
    request = step(search, Proposal(("a", "b"), "small", "refinement"), fair(0.2))
    assert (request.kind, request.node, request.sequence) == ("refine", 0, ())
    child = search.tree.nodes[-1]
    assert (child.parent, child.live, child.next_model) == (0, True, "small")
    assert sum(record.calls for record in search.statistics.by_model.values()) == 1
    best = search.best()
    assert best is not None
    assert best.sequence == ("a", "b")
    assert step(search, Proposal(("c",), "small", "refinement"), fair(-0.2)).kind == "refine"
    assert asked(search).kind != "correct"


def test_variations_that_give_nothing_do_not_close_the_root() -> None:
    search = search_with(seeds=1, refine_share=0.99, max_expansion_failures=2)
    step(search, answer("a", model="large"), fair(0.1))
    for number in range(10):
        step(search, Proposal((f"{number}",), "small", "refinement"), Outcome(None, failure="crash"))
    assert not search.tree.root.terminal


def course(search: ColtSearch, refiner: Refiner, trials: int) -> list[tuple[Request, Proposal, Outcome]]:
    told = []
    for _ in range(trials):
        request = asked(search)
        if request.kind == "refine":
            proposal = refiner.propose(request)
        else:
            name = Random(f"{request.id} {request.sequence}").choice(ACTIONS.names)
            proposal = Proposal((name,), "small", request.model)
        outcome = world(request.sequence + proposal.passes)
        search.tell(request, proposal, outcome)
        refiner.observe(request, proposal, outcome)
        told.append((request, proposal, outcome))
    return told


def test_a_resumed_search_goes_on_as_if_it_had_not_been_interrupted() -> None:
    options = ColtOptions(branching=4, exploration=0.1, refine_share=0.4)
    told = course(ColtSearch(MODELS, options, 7), Refiner(ACTIONS, 7), 40)
    assert any(request.kind == "refine" for request, _, _ in told[25:])
    search, refiner = ColtSearch(MODELS, options, 7), Refiner(ACTIONS, 7)
    for request, proposal, outcome in told[:25]:
        search.restore(request, proposal, outcome)
        refiner.observe(request, proposal, outcome)
    assert course(search, refiner, 15) == told[25:]


# --- the variations


def test_joins_what_was_found_in_different_branches() -> None:
    refiner = taught(("unroll<O3>",), ("without<licm#2>",), ("without<gvn>",))
    joined = [set(proposal.passes) for proposal in refined(refiner, *range(100))]
    assert {"unroll<O3>", "without<licm#2>"} in joined


def test_leaves_out_moves_and_changes_the_parameter_of_actions() -> None:
    refiner = taught(("sroa", "gvn", "unroll<O3>", "without<licm#2>"))
    seen = {proposal.passes for proposal in refined(refiner, *range(300))}
    assert ("gvn", "unroll<O3>", "without<licm#2>") in seen
    assert any(names[-2:] == ("unroll<O2>", "without<licm#2>") for names in seen)
    assert any("without<licm>" in names and "without<licm#2>" not in names for names in seen)
    assert any(names.index("gvn") < names.index("sroa") for names in seen if {"gvn", "sroa"} <= set(names))


def test_proposes_what_is_new_and_follows_from_the_request_alone() -> None:
    tried = (("unroll<O3>",), ("without<licm#2>",), ("unroll<O3>", "without<licm#2>"))
    refiner = taught(*tried)
    once = refined(refiner, *range(50))
    assert once == refined(refiner, *range(50))
    meanings = {ACTIONS.meaning(names) for names in tried} | {ACTIONS.meaning(())}
    assert not meanings & {ACTIONS.meaning(proposal.passes) for proposal in once}


def test_what_is_in_flight_is_not_proposed_again_until_it_is_told() -> None:
    refiner = Refiner(ACTIONS, 1, {"without<licm#2>": 1.0}, moves={"add": 1.0})
    refiner.observe(Request(0, 0, (), "m", "expand"), Proposal(("gvn",), "m", "m"), world(("gvn",)))
    requests = [Request(number, 0, (), "m", "refine") for number in range(10, 16)]
    alone = [ACTIONS.meaning(proposal.passes) for proposal in refined(refiner, *range(10, 16))]
    assert len(set(alone)) < len(requests)  # each by itself would be the same as another
    under_way = [refiner.prepare(request)().passes for request in requests]
    assert len({ACTIONS.meaning(names) for names in under_way}) == len(requests)
    assert refiner.prepare(requests[0])().passes == under_way[0]  # its own draw is not in its way


def test_adds_what_is_promised_most_to_the_best_sequence_first() -> None:
    promised = {"without<licm#2>": 0.02, "unroll<O3>": 0.01}
    refiner = Refiner(ACTIONS, 1, promised, moves={"add": 1.0})
    for number, sequence in enumerate((("sroa",), ("gvn",))):
        refiner.observe(Request(number, 0, (), "m", "expand"), Proposal(sequence, "m", "m"), world(sequence))
    added = [set(proposal.passes) for proposal in refined(refiner, *range(100))]
    assert all("gvn" in names for names in added)
    counts = {name: sum(name in names for names in added) for name in ACTIONS.names}
    assert counts["without<licm#2>"] > counts["unroll<O3>"] > max(counts["unroll<O2>"], counts["without<licm>"])


def test_what_was_added_before_waits_unless_it_gave_new_code() -> None:
    def count_after(outcome: Outcome) -> tuple[int, int]:
        """How often the pass that was tried is added then, in another place, and the edit that was not."""
        refiner = Refiner(ACTIONS, 1, {"unroll<O3>": 0.02, "without<licm#2>": 0.005}, moves={"add": 1.0})
        refiner.observe(Request(0, 0, (), "m", "expand"), Proposal(("gvn",), "m", "m"), world(("gvn",)))
        refiner.observe(Request(1, 0, (), "m", "refine"), Proposal(("gvn", "unroll<O3>"), "m", "refinement"), outcome)
        names = [proposal.passes for proposal in refined(refiner, *range(2, 100))]
        return sum("unroll<O3>" in each for each in names), sum("without<licm#2>" in each for each in names)

    nothing_new, new = count_after(Outcome(0.01, world(("gvn",)).key)), count_after(Outcome(0.005, "new"))
    assert new[0] > nothing_new[0]
    assert new[1] < nothing_new[1]


def changes(names: tuple[str, ...], base: tuple[str, ...]) -> int:
    """How many actions are in one alone."""
    return len(set(names) ^ set(base))


def test_a_search_that_stands_still_makes_larger_changes_until_it_finds_something_better() -> None:
    refiner = taught(("gvn", "without<licm#2>"))

    def tell(number: int, reward: float) -> None:
        request = Request(number, 0, (), "m", "expand")
        refiner.observe(request, Proposal((f"other {number}",), "m", "m"), Outcome(reward, f"{number}"))

    def large() -> int:
        found = [
            changes(proposal.passes, ("gvn", "without<licm#2>")) for proposal in refined(refiner, *range(500, 600))
        ]
        return sum(count > 1 for count in found)

    before = large()
    for number in range(1, STANDSTILL + 1):
        tell(number, -0.1)
    assert large() > before + 20
    refiner.observe(Request(99, 0, (), "m", "expand"), Proposal(("unroll<O3>",), "m", "m"), Outcome(0.06, "better"))
    moved = [changes(proposal.passes, ("unroll<O3>",)) for proposal in refined(refiner, *range(500, 600))]
    assert sum(count <= 1 for count in moved) > 50


def test_what_is_bred_is_tidy_and_not_too_long() -> None:
    refiner = Refiner(ACTIONS, 1, moves={"breed": 1.0})
    longest = tuple(f"p{number}" for number in range(39))
    for number, sequence in enumerate((longest, ("gvn", "without<licm>"))):
        request = Request(number, 0, (), "m", "expand")
        refiner.observe(request, Proposal(sequence, "m", "m"), Outcome(0.1 + number, f"{number}"))
    for proposal in refined(refiner, *range(300)):
        assert 1 <= len(proposal.passes) <= 40
        edits = [name for name in proposal.passes if name in ACTIONS.edits]
        assert len(edits) == len(set(edits))


def test_whoever_was_to_go_on_from_a_good_sequence_goes_on_from_its_variation() -> None:
    (proposal,) = refined(taught(("unroll<O3>",)), 5)
    assert (proposal.model, proposal.next_model) == ("refinement", "next 0")


@pytest.mark.parametrize("gain", [0.05, -0.05])
def test_a_decision_that_promises_much_is_held_by_the_best_where_it_pays_and_soon_given_up_where_it_does_not(
    gain: float,
) -> None:
    """Whether the sequences that were found first hold it or not."""
    large = "frame-pointer<*;all>"
    refiner = Refiner(ActionSet(ACTIONS.passes, (large, "without<gvn>")), 1, {large: 0.05})
    told = [("sroa",), ("sroa", large), ("gvn",), ("gvn", "sroa", large), ("licm", "gvn")]

    def outcome(sequence: tuple[str, ...]) -> Outcome:
        reward = 0.01 * len(set(sequence) - {large}) + gain * (large in sequence) + 0.2
        return Outcome(reward, str(sorted(sequence)))

    for number, sequence in enumerate(told):
        request = Request(number, 0, (), "m", "expand")
        refiner.observe(request, Proposal(sequence, "m", "m"), outcome(sequence))
    for number in range(10, 50):
        request = Request(number, 0, (), "m", "refine")
        proposal = refiner.propose(request)
        told.append(proposal.passes)
        refiner.observe(request, proposal, outcome(proposal.passes))
    best = max(told, key=lambda sequence: outcome(sequence).reward or 0.0)
    assert (large in best) == (gain > 0)
    assert sum((large in sequence) != (gain > 0) for sequence in told[20:]) <= len(told[20:]) / 4
