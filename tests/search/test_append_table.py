"""The line of actions to add to a good sequence: who stands first, and who moves back."""

from __future__ import annotations

from collections import Counter
from random import Random

from colt_llvm.search import ActionSet
from colt_llvm.search.refining import AppendTable, stem

ACTIONS = ActionSet(("sroa", "gvn", "unroll<O2>", "unroll<O3>"), ("without<licm>", "without<licm#1>", "without<gvn>"))
MANY = ActionSet(tuple(f"p{number}" for number in range(200)))


def drawn(table: AppendTable, held: tuple[str, ...] = (), draws: int = 300) -> Counter[str]:
    random = Random(1)
    return Counter(table.draw(random, held) for _ in range(draws))


def swept(table: AppendTable, trials: int, *, new: frozenset[str] = frozenset()) -> list[str]:
    """What is tried one after another; ``new`` gives new code whenever it is."""
    random, tried = Random(2), []
    for _ in range(trials):
        name = table.draw(random, ())
        table.observe((), (name,), new=name in new)
        tried.append(name)
    return tried


def test_what_promises_most_stands_first() -> None:
    counts = drawn(AppendTable(ACTIONS, {"gvn": 0.03, "without<licm>": 0.02, "sroa": 0.01}, 1))
    assert [name for name, _ in counts.most_common(3)] == ["gvn", "without<licm>", "sroa"]


def test_all_are_tried_before_long_and_the_promising_first() -> None:
    promised = {f"p{number}": 0.01 for number in range(150, 170)}
    tried = swept(AppendTable(MANY, promised, 1), 400)
    assert len(set(promised) & set(tried[:40])) >= 18
    assert set(promised) <= set(tried[:80])
    assert set(tried) == set(MANY.names)


def test_what_gave_new_code_is_tried_again_before_what_did_not() -> None:
    new = frozenset(f"p{number}" for number in range(0, 200, 20))
    again = swept(AppendTable(MANY, {}, 1), 400, new=new)[220:]
    assert new <= set(again)
    assert sum(name in new for name in again) > 2 * len(new) * 180 / 200


def test_forms_of_a_pass_that_did_nothing_wait_behind_other_passes() -> None:
    table = AppendTable(ACTIONS, {"unroll<O2>": 0.01, "unroll<O3>": 0.0099, "gvn": 0.006}, 1)
    assert drawn(table)["unroll<O3>"] > drawn(table)["gvn"]
    table.observe((), ("unroll<O2>",), new=False)
    assert drawn(table)["unroll<O3>"] < drawn(table)["gvn"]


def test_only_a_trial_of_one_action_more_counts() -> None:
    table = AppendTable(ACTIONS, {"gvn": 0.03, "sroa": 0.02}, 1)
    before = drawn(table)
    table.observe(("sroa",), ("sroa", "gvn", "unroll<O2>"), new=False)
    table.observe(("sroa", "gvn"), ("gvn", "sroa"), new=False)
    assert drawn(table) == before
    table.observe(("sroa",), ("gvn", "sroa"), new=False)
    assert drawn(table)["gvn"] < before["gvn"]


def test_what_is_held_is_not_drawn_unless_all_is() -> None:
    table = AppendTable(ACTIONS, {"gvn": 0.03}, 1)
    assert "gvn" not in drawn(table, ("gvn",))
    assert drawn(table, ACTIONS.names)


def test_losses_and_unknown_actions_that_are_promised_mean_nothing() -> None:
    assert drawn(AppendTable(ACTIONS, {"gvn": -1.0, "elsewhere": 5.0}, 1)) == drawn(AppendTable(ACTIONS, {}, 1))


def test_the_order_where_nothing_is_promised_is_the_seeds() -> None:
    assert swept(AppendTable(MANY, {}, 1), 20) == swept(AppendTable(MANY, {}, 1), 20)
    assert swept(AppendTable(MANY, {}, 1), 20) != swept(AppendTable(MANY, {}, 2), 20)


def test_stems() -> None:
    assert [stem(name) for name in ("gvn", "unroll<O3>", "without<licm#2>", "without<licm>")] == [
        "gvn", "unroll", "without<licm", "without<licm",
    ]  # fmt: skip
