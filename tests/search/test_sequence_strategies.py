"""Random, greedy and genetic search: how they choose, learn, repeat and go on."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
from search_helpers import HiddenSequence, noise

from colt_llvm.core.errors import UsageError
from colt_llvm.search import (
    ActionSet,
    GeneticOptions,
    GeneticSearch,
    GreedyOptions,
    GreedySearch,
    Outcome,
    Proposal,
    RandomSequences,
    Request,
    SequenceSearch,
)
from colt_llvm.search.rivals.genetic import crossover
from colt_llvm.search.sequences import INSERT, MOST_REDRAWS, REMOVE, REPLACE, SWAP, changed

PASSES = tuple("abcdefgh")
EDITS = ("without<a>", "without<b>")
ACTIONS = ActionSet(PASSES, EDITS, edit_share=0.2)
MAKERS = {"random": RandomSequences, "greedy": GreedySearch, "genetic": GeneticSearch}
each_strategy = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())

Make = Callable[[ActionSet, int], SequenceSearch]
Told = tuple[Request, Proposal, Outcome]


def run(search: SequenceSearch, evaluate: Callable[[tuple[str, ...]], Outcome], count: int) -> list[Told]:
    told = []
    for _ in range(count):
        request = search.ask()
        proposal = search.prepare(request)()
        outcome = evaluate(proposal.passes)
        search.tell(request, proposal, outcome)
        search.observe(request, proposal, outcome)
        told.append((request, proposal, outcome))
    return told


def best_of(search: SequenceSearch) -> float:
    best = search.best()
    assert best is not None
    return best.reward


@pytest.mark.parametrize("make", [GreedySearch, GeneticSearch], ids=["greedy", "genetic"])
def test_learning_finds_what_random_draws_do_not(make: Make) -> None:
    world = HiddenSequence(tuple("abcdefghab"))
    gains: dict[str, list[float]] = {"learnt": [], "random": []}
    for seed in range(5):
        for name, search in (("learnt", make(ACTIONS, seed)), ("random", RandomSequences(ACTIONS, seed))):
            run(search, world, 400)
            gains[name].append(best_of(search))
    assert min(gains["learnt"]) > max(gains["random"])
    assert sum(gains["learnt"]) > 1.5 * sum(gains["random"])


@each_strategy
def test_a_seed_decides_everything(make: Make) -> None:
    first, again, other = (run(make(ACTIONS, seed), noise, 80) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@each_strategy
def test_every_request_is_at_the_root_and_signed(make: Make) -> None:
    search = make(ACTIONS, 0)
    for number, (request, proposal, _) in enumerate(run(search, noise, 40)):
        assert (request.id, request.node, request.sequence, request.model) == (number, 0, (), search.name)
        assert proposal.model == search.name
        assert proposal.passes


@each_strategy
@pytest.mark.parametrize("cut", [0, 5, 37, 79])
def test_restored_it_goes_on_as_if_uninterrupted(make: Make, cut: int) -> None:
    whole = run(make(ACTIONS, 7), noise, 80)
    resumed = make(ACTIONS, 7)
    resumed.set_root_key("0")
    for entry in whole[:cut]:
        resumed.restore(*entry)
    assert run(resumed, noise, 80 - cut) == whole[cut:]


@each_strategy
def test_what_was_in_flight_at_the_cut_may_be_proposed_again(make: Make) -> None:
    """Killed with several under way: ids go on behind the last that was told, and nothing told is lost."""
    search = make(ACTIONS, 1)
    told = run(search, noise, 20)
    lost = [search.ask() for _ in range(3)]
    late = search.propose(lost[2])
    search.tell(lost[2], late, noise(late.passes))
    resumed = make(ACTIONS, 1)
    for entry in [*told, (lost[2], late, noise(late.passes))]:
        resumed.restore(*entry)
    assert resumed.ask().id == 23
    assert best_of(resumed) == best_of(search)


@each_strategy
def test_an_abandoned_request_leaves_nothing_behind_but_its_id(make: Make) -> None:
    search = make(ACTIONS, 2)
    run(search, noise, 30)
    first, second = search.ask(), search.ask()
    sequences = [search.propose(request).passes for request in (first, second)]
    assert all(map(search.is_known, sequences))
    for request in (second, first, first):
        search.abandon(request)
    assert search.under_way == 0
    assert not any(map(search.is_known, sequences))
    assert search.ask().id == 32


@each_strategy
def test_no_sequence_is_tried_twice_while_there_are_others(make: Make) -> None:
    search = make(ACTIONS, 5)
    waiting = [search.ask() for _ in range(40)]  # those in flight count too
    meanings = [ACTIONS.meaning(search.propose(request).passes) for request in waiting]
    for request in waiting:
        proposal = search.propose(request)
        search.tell(request, proposal, noise(proposal.passes))
    meanings += [ACTIONS.meaning(proposal.passes) for _, proposal, _ in run(search, noise, 200)]
    assert len(set(meanings)) == len(meanings) == 240
    assert ACTIONS.meaning(()) not in meanings, "that is the baseline"


@each_strategy
def test_where_all_is_known_it_proposes_again_instead_of_drawing_for_ever(make: Make) -> None:
    search = make(ActionSet((), ("without<a>",)), 0)
    told = run(search, lambda _: Outcome(-0.1, "k"), 3 + MOST_REDRAWS // 10)
    assert {proposal.passes for _, proposal, _ in told} <= {("without<a>",), ()}


@each_strategy
def test_failures_are_survived_and_nothing_is_best(make: Make) -> None:
    search = make(ACTIONS, 0)
    run(search, lambda _: Outcome(None, None, "crash"), 200)
    assert search.best() is None


@each_strategy
def test_telling_twice_is_harmless_and_what_was_never_asked_is_refused(make: Make) -> None:
    search = make(ACTIONS, 0)
    (entry,) = run(search, lambda _: Outcome(0.1, "k"), 1)
    search.tell(entry[0], entry[1], Outcome(0.9, "other"))
    search.restore(entry[0], entry[1], Outcome(0.9, "other"))
    assert best_of(search) == 0.1
    with pytest.raises(UsageError, match="never asked"):
        search.tell(Request(9, 0, (), search.name, "expand"), entry[1], entry[2])
    with pytest.raises(UsageError, match="strategy of the run"):
        search.restore(Request(9, 0, (), "another", "expand"), entry[1], entry[2])


def test_edits_count_once_and_in_any_order_but_passes_do_not() -> None:
    assert ACTIONS.tidy(["without<a>", "c", "c", "without<a>"]) == ("without<a>", "c", "c")
    assert ACTIONS.meaning(["without<b>", "a", "without<a>"]) == ACTIONS.meaning(["without<a>", "without<b>", "a"])
    assert ACTIONS.meaning(["a", "b"]) != ACTIONS.meaning(["b", "a"])


@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_draws_keep_to_the_share_of_edits_and_weights_say_the_same(share: float) -> None:
    actions, random = ActionSet(PASSES, EDITS, share), Random(0)
    edits = sum(actions.draw(random) in EDITS for _ in range(2000)) / 2000
    assert edits == pytest.approx(share, abs=0.04)
    assert sum(actions.weights[len(PASSES) :]) == pytest.approx(share)
    assert sum(actions.weights) == pytest.approx(1)


@pytest.mark.parametrize(("passes", "edits"), [(PASSES, ()), ((), EDITS)])
def test_one_kind_of_action_is_enough(passes: tuple[str, ...], edits: tuple[str, ...]) -> None:
    actions, random = ActionSet(passes, edits), Random(0)
    assert {actions.draw(random) for _ in range(200)} == {*passes, *edits}
    assert sum(actions.weights) == pytest.approx(1)


def test_random_lengths_span_the_range() -> None:
    random = Random(0)
    lengths = [len(ActionSet(PASSES).draw_sequence(random, 8)) for _ in range(400)]
    assert (min(lengths), max(lengths)) == (1, 8)
    assert sum(lengths) / 400 == pytest.approx(4.5, abs=0.4)


def distance(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    """Edit distance."""
    row = list(range(len(second) + 1))
    for number, name in enumerate(first, 1):
        before, row[0] = row[0], number
        for column, other in enumerate(second, 1):
            cost = before + (name != other)
            before, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, cost)
    return row[-1]


def test_a_change_is_one_action_and_keeps_to_the_greatest_length() -> None:
    random, passes = Random(0), ActionSet(PASSES)
    for kind, most in ((INSERT, 1), (REMOVE, 1), (REPLACE, 1), (SWAP, 2)):
        for sequence in (tuple("abc"), tuple("abcd")):
            result = changed(sequence, (kind,), passes, random, longest=4)
            assert distance(sequence, result) <= most
            assert len(result) <= 4
    assert len(changed((), (REMOVE, SWAP), passes, random, longest=4)) == 1, "nothing else is possible"


def test_insertions_reach_both_ends() -> None:
    random = Random(0)
    seen = [changed(("x", "x"), (INSERT,), ActionSet(("y",)), random, 9).index("y") for _ in range(100)]
    assert set(seen) == {0, 1, 2}


def test_climbing_takes_what_is_better_at_once_and_starts_elsewhere_when_nothing_is() -> None:
    search = GreedySearch(ACTIONS, 0, GreedyOptions(starts=1, patience=5))
    rewards = iter([0.1, 0.2] + [0.0] * 5 + [-0.5] + [-0.6] * 4)  # patience is over with the seventh
    told = run(search, lambda _: Outcome(next(rewards)), 12)
    sequences = [proposal.passes for _, proposal, _ in told]
    assert distance(sequences[0], sequences[1]) == 1
    assert all(distance(sequences[1], sequence) == 1 for sequence in sequences[2:7])
    assert all(distance(sequences[7], sequence) == 1 for sequence in sequences[8:]), "from the new start, though worse"
    assert best_of(search) == 0.2


def test_the_best_of_several_starts_is_climbed_from() -> None:
    search = GreedySearch(ACTIONS, 1, GreedyOptions(starts=4, patience=8))
    starts = [-0.2, 0.3, 0.1, None]
    rewards = iter([*starts, *[-1.0] * 8, *starts, *[-1.0] * 8])
    told = run(search, lambda _: Outcome(next(rewards)), 24)
    sequences = [proposal.passes for _, proposal, _ in told]
    for first in (0, 12):  # and again after a restart
        best, others = sequences[first + 1], sequences[first + 4 : first + 12]
        assert all(distance(best, sequence) == 1 for sequence in others)
        assert any(distance(best, sequence) > 1 for sequence in sequences[first + 2 : first + 4])


def test_climbing_steps_sideways_too_but_not_for_ever() -> None:
    search = GreedySearch(ACTIONS, 0, GreedyOptions(starts=1, patience=5))
    sequences = [proposal.passes for _, proposal, _ in run(search, lambda _: Outcome(0.1), 20)]
    assert [distance(*pair) for pair in pairwise(sequences[:6])] == [1] * 5
    assert distance(sequences[5], sequences[6]) > 1


def test_the_population_holds_the_best_of_each_object_code() -> None:
    search = GeneticSearch(ACTIONS, 0, GeneticOptions(population=4))
    keys = iter(["a", "b", "a", "c", "d", "e", "e"])
    rewards = iter([0.1, 0.2, 0.3, -0.1, 0.0, 0.4, 0.4])
    run(search, lambda _: Outcome(next(rewards), next(keys)), 7)
    assert {(one.key, one.reward) for one in search.population} == {("a", 0.3), ("b", 0.2), ("d", 0.0), ("e", 0.4)}


def test_the_best_is_never_lost() -> None:
    search = GeneticSearch(ACTIONS, 0)
    run(search, noise, 300)
    assert max(one.reward for one in search.population) == best_of(search)
    assert len(search.population) == search.options.population


def test_a_crossing_is_made_of_stretches_of_both_parents() -> None:
    random = Random(0)
    children = {crossover(tuple("aaaa"), tuple("bbbb"), random) for _ in range(300)}
    turns = {sum(x != y for x, y in pairwise(child)) for child in children}
    assert turns == {0, 1, 2}, "one point and two"
    assert any(child[0] == "a" and child[-1] == "a" and "b" in child for child in children)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ActionSet(()),
        lambda: ActionSet(("a",), edit_share=math.nan),
        lambda: GreedyOptions(patience=0),
        lambda: GreedyOptions(first_longest=41),
        lambda: GeneticOptions(population=1),
        lambda: GeneticOptions(crossover=1.1),
        lambda: GeneticOptions(most_changes=0),
    ],
)
def test_options_that_mean_nothing_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(UsageError, match="give"):
        make()
