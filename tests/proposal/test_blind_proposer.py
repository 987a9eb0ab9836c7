"""The proposer that looks at no code: what it tries first, what it learns, and that it repeats exactly."""

from __future__ import annotations

import pytest

from colt_llvm.core.errors import UsageError
from colt_llvm.proposal.blind import FIRST_EDITS, BlindProposer
from colt_llvm.search import Outcome, Proposal, Request

EDITS = ["without<licm>", "without<licm#2>", "without<gvn>"]
PASSES = ["sroa", "gvn", "licm"]


def request(number: int, sequence: tuple[str, ...] = (), kind: str = "expand") -> Request:
    return Request(number, 0, sequence, "blind", kind)  # type: ignore[arg-type]


def test_tries_single_edits_first_in_the_known_order() -> None:
    proposer = BlindProposer(PASSES, EDITS, seed=0)
    tried = [proposer.propose(request(number, kind="seed")).passes for number in range(len(proposer.first))]
    assert tried == [(name,) for name in FIRST_EDITS if name in EDITS]


def test_the_same_seed_and_trials_give_the_same_proposals() -> None:
    def run(seed: int) -> list[tuple[str, ...]]:
        proposer = BlindProposer(PASSES, EDITS, seed)
        made = []
        for number in range(30):
            asked = request(number)
            proposal = proposer.propose(asked)
            made.append(proposal.passes)
            proposer.observe(asked, proposal, Outcome(0.01 * (number % 3), str(number)))
        return made

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_what_has_paid_is_drawn_more_often() -> None:
    proposer = BlindProposer(PASSES, EDITS, seed=0)
    proposer.observe(request(0), Proposal(("sroa",), "blind", "blind"), Outcome(0.5, "a"))
    drawn = [name for number in range(1, 400) for name in proposer.propose(request(number)).passes]
    # Half of the draws go by credit, and only sroa has any.
    assert 0.45 < drawn.count("sroa") / len(drawn) < 0.7


def test_a_loss_and_a_failure_give_no_credit() -> None:
    proposer = BlindProposer(["sroa", "gvn"], [], seed=0)
    proposer.observe(request(0), Proposal(("sroa",), "blind", "blind"), Outcome(-0.5, "a"))
    proposer.observe(request(1), Proposal(("sroa",), "blind", "blind"), Outcome(None, None, "crash"))
    drawn = [name for number in range(2, 400) for name in proposer.propose(request(number)).passes]
    assert 0.4 < drawn.count("sroa") / len(drawn) < 0.6


def test_credit_is_the_gain_over_the_state_it_was_made_in() -> None:
    proposer = BlindProposer(["sroa", "gvn"], [], seed=0)
    proposer.observe(request(0), Proposal(("sroa",), "blind", "blind"), Outcome(0.4, "a"))
    # As good as its parent: the gain is sroa's, not gvn's.
    proposer.observe(request(1, ("sroa",)), Proposal(("gvn",), "blind", "blind"), Outcome(0.4, "a"))
    drawn = [name for number in range(2, 400) for name in proposer.propose(request(number)).passes]
    assert drawn.count("sroa") > 2 * drawn.count("gvn")


def test_does_not_leave_out_again_what_the_sequence_leaves_out() -> None:
    proposer = BlindProposer([], ["without<licm>", "without<gvn>"], seed=0)
    for number in range(50):
        names = proposer.propose(request(number, ("without<licm>",))).passes
        assert "without<licm>" not in names or len(set(names)) == 1


def test_needs_something_to_draw_from() -> None:
    with pytest.raises(UsageError, match="at least one pass"):
        BlindProposer([], [], seed=0)
