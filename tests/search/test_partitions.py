"""A large module searched in partitions, on a made-up program whose size is the sum of its functions'."""

from __future__ import annotations

import pytest

from colt_llvm.search.partitions import Joined, Look, PartitionSearch, is_large, partitions_of, restricted
from colt_llvm.search.plans import Assignment, Plans, Slot, Surroundings
from colt_llvm.search.sequences import Names

#: f0 to f11; each even one calls the next, and all call "log".
NAMES = tuple(f"f{number}" for number in range(12))
CALLERS = {name: (NAMES[number - 1],) if number % 2 else () for number, name in enumerate(NAMES)}
SURROUNDINGS = Surroundings(
    slots={
        f"inline {name}": Slot(f"inline {name}", name, (f"alwaysinline<{name}>",)) for name in (*NAMES[1::2], "log")
    },
    callers={**CALLERS, "log": NAMES},
    parts={**dict.fromkeys(NAMES, 100), "log": 40},
    size=1240,
    skippable=frozenset(("licm",)),
    steps={("skip", "licm"): 0.01, ("level", "optsize"): 0.02},
)  # fmt: skip
FRAME = ("frame-pointer<*;all>",)


def look_at(around: Surroundings, sequence: Names) -> Look:
    """Functions of odd numbers are smaller without licm; inlining f3 pays, other inlining does not."""
    at = Plans(around, ()).take_apart(sequence)
    assert at is not None
    parts = {}
    for name in around.callers:
        parts[name] = 100 - (10 if "licm" in at.plans[name].skip and name in NAMES[1::2] else 0)
        parts[name] += 3 if at.plans[name].level else 0
    for decision in at.inlining.values():
        name = decision[len("alwaysinline<") : -1]
        (caller,) = around.callers[name]
        parts[caller] += parts.pop(name) + (-30 if name == "f3" else 20)
    return Look(sum(parts.values()), parts)


def searched(around: Surroundings, builds: int) -> PartitionSearch:
    search = PartitionSearch(around, (), FRAME)
    for _ in range(builds):
        sequence = search.next()
        if sequence is None:
            break
        search.observe(look_at(around, sequence))
    return search


def test_every_function_is_in_one_partition_and_few_callers_keep_their_callee() -> None:
    groups = partitions_of(SURROUNDINGS, most_bytes=450)
    assert sorted(name for group in groups for name in group) == sorted(SURROUNDINGS.callers)
    for group in groups:
        assert sum(SURROUNDINGS.parts[name] for name in group) <= 450
        for name in group:
            if name in NAMES[1::2]:
                assert set(CALLERS[name]) <= set(group)
    assert partitions_of(SURROUNDINGS, most_bytes=1240) == [tuple(SURROUNDINGS.callers)]
    assert len(partitions_of(SURROUNDINGS, most_bytes=1)) == len(SURROUNDINGS.callers)


def test_what_shows_outside_of_a_partition_is_not_decided_in_it() -> None:
    around = restricted(SURROUNDINGS, ("f0", "f1", "log"))
    assert set(around.slots) == {"inline f1"}
    assert around.callers == {"f0": (), "f1": ("f0",), "log": ("f0", "f1")}
    assert set(around.parts) == {"f0", "f1", "log"}


def test_a_partition_finds_what_is_best_for_each_of_its_functions() -> None:
    around = restricted(SURROUNDINGS, ("f2", "f3", "f4", "f5"))
    search = searched(around, 30)
    assert search.next() is None  # all was tried
    at, less = search.found
    assert at is not None
    assert less >= 30 + 10  # f3 is inlined into f2, and f5 optimised without licm
    assert at.inlining == {"inline f3": "alwaysinline<f3>"}
    assert at.plans["f5"].skip == ("licm",)
    assert at.plans["f4"].level == ""
    assert 8 <= search.looks <= 40


def test_a_partition_begins_with_what_is_known_of_its_functions() -> None:
    around = restricted(SURROUNDINGS, ("f2", "f3", "f4", "f5"))
    known = ("alwaysinline<f3>", "alwaysinline<f1>", "skip<f5>(licm)", "skip<f7>(licm)", "inline-threshold<25>")
    search = PartitionSearch(around, (), FRAME, known)
    assert search.next() == FRAME
    search.observe(look_at(around, FRAME))
    assert search.next() == (*FRAME, "alwaysinline<f3>", "skip<f5>(licm)")
    search.observe(look_at(around, (*FRAME, "alwaysinline<f3>", "skip<f5>(licm)")))
    at, less = search.found
    assert at is not None
    assert (at.inlining, at.plans["f5"].skip, less) == ({"inline f3": "alwaysinline<f3>"}, ("licm",), 40)
    assert search.next() not in (None, FRAME)


def test_a_partition_whose_frame_does_not_build_is_given_up() -> None:
    search = PartitionSearch(restricted(SURROUNDINGS, ("f0", "f1")), (), FRAME)
    assert search.next() == FRAME
    search.observe(None)
    assert search.next() is None
    assert search.found[1] == 0


def test_a_build_that_fails_costs_no_more_than_itself() -> None:
    around = restricted(SURROUNDINGS, ("f2", "f3"))
    search = PartitionSearch(around, (), FRAME)
    failed = 0
    while (sequence := search.next()) is not None:
        broken = "optsize" in str(sequence)
        failed += broken
        search.observe(None if broken else look_at(around, sequence))
    assert failed
    assert search.found[1] >= 30


def joined_with(groups: list[tuple[str, ...]]) -> tuple[Joined, list[tuple[Assignment | None, int]]]:
    found = [searched(restricted(SURROUNDINGS, group), 30).found for group in groups]
    return Joined(SURROUNDINGS, (), groups, FRAME), found


def test_the_whole_has_what_each_partition_found_and_promises_the_sum() -> None:
    groups = [NAMES[:4], NAMES[4:], ("log",)]
    joined, found = joined_with(groups)
    names, less = joined.put_together(found)
    assert less == sum(gain for _, gain in found) > 30
    at = Plans(SURROUNDINGS, ()).take_apart(names)
    assert at is not None
    assert FRAME[0] in names
    assert at.inlining == {"inline f3": "alwaysinline<f3>"}
    assert {name for name in NAMES[1::2] if "licm" in at.plans[name].skip} >= {*NAMES[1::2]} - {"f3"}


def test_what_does_not_keep_its_promise_in_the_whole_is_not_used_again() -> None:
    groups = [NAMES[:4], NAMES[4:], ("log",)]
    joined, found = joined_with(groups)
    joined.observe(FRAME, SURROUNDINGS.parts)
    names, promised = joined.put_together(found)
    # In the whole the first partition is larger by it, the second one smaller.
    joined.observe(names, {**SURROUNDINGS.parts, "f0": 120, "f5": 90})
    again, less = joined.put_together(found)
    assert less < promised
    assert "alwaysinline<f3>" not in again
    assert "skip<f5>(licm)" in again
    joined.observe(again, {})  # it does not work at all
    assert joined.put_together(found) == (again, less)  # what the second gave in a whole that does


@pytest.mark.parametrize(("size", "large"), [(5_300, False), (5_400, True)])
def test_a_module_is_large_by_the_code_of_its_functions(size: int, large: bool) -> None:
    parts = dict.fromkeys(NAMES, size)
    assert is_large(Surroundings(parts=parts, steps={("skip", "licm"): 0.1})) == large
    assert not is_large(Surroundings(parts=parts))  # there is nothing to try in a function
