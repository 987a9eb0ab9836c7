"""nevergrad and optuna behind our ask and tell: they learn, repeat, go on, and say what is missing."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable

import pytest

from colt_llvm.core.errors import UsageError
from colt_llvm.search import ActionSet, Outcome, Proposal, RandomSequences, Request, SequenceSearch
from colt_llvm.search.rivals.nevergrad_search import NevergradSearch
from colt_llvm.search.rivals.optuna_search import OptunaSearch
from colt_llvm.search.rivals.peer_search import MissingPeer, PeerSearch

# Looked for, not imported: that would cost each process that collects tests seconds.
pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")
    for name in ("nevergrad", "optuna")
]

ACTIONS = ActionSet(tuple("abcdefgh"), ("without<a>", "without<b>"))
MAKERS = {"nevergrad": NevergradSearch, "optuna": OptunaSearch}
each_peer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())

Make = Callable[..., PeerSearch[object]]
Told = tuple[Request, Proposal, Outcome]


def world(sequence: tuple[str, ...]) -> Outcome:
    """What each action gives is its own, but for one pass that fails."""
    if "d" in sequence:
        return Outcome(None, None, "crash")
    gains = {"a": 0.1, "b": 0.05, "without<a>": 0.2, "c": -0.05}
    reward = sum(gains.get(name, 0.0) for name in set(sequence)) - 0.01 * len(sequence)
    return Outcome(reward, " ".join(sorted(sequence)))


def run(search: SequenceSearch, count: int) -> list[Told]:
    told = []
    for _ in range(count):
        request = search.ask()
        proposal = search.prepare(request)()
        outcome = world(proposal.passes)
        search.tell(request, proposal, outcome)
        told.append((request, proposal, outcome))
    return told


def best_of(search: SequenceSearch) -> float:
    best = search.best()
    assert best is not None
    return best.reward


@each_peer
def test_it_is_told_what_pays(make: Make) -> None:
    """The mean of late proposals, for the best of few actions is found by anybody."""

    def late(search: SequenceSearch) -> float:
        rewards = [outcome.reward for _, _, outcome in run(search, 60)[40:] if outcome.reward is not None]
        return sum(rewards) / len(rewards)

    assert late(make(ACTIONS, 1)) > late(RandomSequences(ACTIONS, 1)) + 0.05


@each_peer
def test_a_seed_decides_everything(make: Make) -> None:
    first, again, other = (run(make(ACTIONS, seed), 15) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@each_peer
@pytest.mark.parametrize("cut", [1, 23])
def test_restored_it_goes_on_as_if_uninterrupted(make: Make, cut: int) -> None:
    whole = run(make(ACTIONS, 7), 30)
    assert any(outcome.failure for _, _, outcome in whole), "failures are among what is restored"
    resumed = make(ACTIONS, 7)
    for entry in whole[:cut]:
        resumed.restore(*entry)
        resumed.restore(*entry)
    assert run(resumed, 30 - cut) == whole[cut:]


@each_peer
def test_what_it_would_not_name_now_is_restored_all_the_same(make: Make) -> None:
    search = make(ACTIONS, 2)
    sequence = ("without<a>", "a", "b", "h", "f")
    search.restore(Request(0, 0, (), search.name, "expand"), Proposal(sequence, "", search.name), world(sequence))
    assert best_of(search) == pytest.approx(0.3)
    assert search.is_known(sequence)
    run(search, 20)


@each_peer
def test_several_may_be_under_way_and_be_abandoned(make: Make) -> None:
    search = make(ACTIONS, 2)
    waiting = [search.ask() for _ in range(6)]
    sequences = [search.propose(request).passes for request in waiting]
    for request in waiting[::2]:
        proposal = search.propose(request)
        search.tell(request, proposal, world(proposal.passes))
    for request in waiting[1::2]:
        search.abandon(request)
    assert search.under_way == 0
    assert [search.is_known(sequence) for sequence in sequences[:2]] == [True, False]
    assert [request.id for request, _, _ in run(search, 12)] == list(range(6, 18))


@each_peer
def test_few_trials_are_spent_on_what_is_known(make: Make) -> None:
    search = make(ACTIONS, 5)
    told = run(search, 40)
    meanings = {ACTIONS.meaning(proposal.passes) for _, proposal, _ in told}
    assert len(meanings) >= 38


@each_peer
def test_passes_alone_are_enough(make: Make) -> None:
    for _, proposal, _ in run(make(ActionSet(("a", "b", "c")), 0), 8):
        assert set(proposal.passes) <= {"a", "b", "c"}


@pytest.mark.parametrize(
    ("make", "name"),
    [(NevergradSearch, "RandomSearch"), (OptunaSearch, "RandomSampler"), (OptunaSearch, "NSGAIISampler")],
)
def test_another_algorithm_of_the_library_can_be_named(make: Make, name: str) -> None:
    assert len(run(make(ACTIONS, 1, name), 6)) == 6


@pytest.mark.parametrize(
    ("make", "name"),
    [(NevergradSearch, "NoSuchThing"), (OptunaSearch, "NoSuchSampler"), (OptunaSearch, "GridSampler"),
     (OptunaSearch, "nsgaii")],
)  # fmt: skip
def test_an_algorithm_that_the_library_has_not_is_refused_by_name(make: Make, name: str) -> None:
    with pytest.raises(UsageError, match=rf":{name}: .*try "):
        make(ACTIONS, 1, name)


@each_peer
def test_a_missing_library_is_one_line_that_says_what_to_install(
    make: Make, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setitem(sys.modules, request.node.callspec.id, None)
    with pytest.raises(MissingPeer, match=r'pip install "colt-llvm\[peers\]"') as error:
        make(ACTIONS, 0)
    assert "\n" not in str(error.value)


@each_peer
def test_its_library_says_nothing_of_its_own(make: Make, capfd: pytest.CaptureFixture[str], recwarn: object) -> None:
    run(make(ACTIONS, 0), 15)
    assert capfd.readouterr() == ("", "")


def test_a_seed_of_any_size_will_do() -> None:
    for seed in (-1, 2**40, int(math.pow(2, 32))):
        run(NevergradSearch(ACTIONS, seed), 2)
        run(OptunaSearch(ACTIONS, seed), 2)
