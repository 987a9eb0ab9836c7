"""Trying decisions side by side on a made-up program whose size is the sum of its functions'."""

from __future__ import annotations

import math

from colt_llvm.search.plans import Plans, Slot, Surroundings
from colt_llvm.search.sequences import Names
from colt_llvm.search.sweeping import Sweeper, _Gain

FUNCTIONS = tuple(f"f{number}" for number in range(12))
PARTS = {**dict.fromkeys(FUNCTIONS, 100), "main": 200}
SLOTS = {
    f"inline {name}": Slot(f"inline {name}", name, (f"alwaysinline<{name}>", f"noinline<{name}>")) for name in FUNCTIONS
}
SURROUNDINGS = Surroundings(
    slots=SLOTS,
    callers={**{name: ("main",) if number < 2 else (FUNCTIONS[number - 2],) for number, name in enumerate(FUNCTIONS)},
             "main": ()},
    parts=PARTS,
    size=sum(PARTS.values()),
    skippable=frozenset(("licm", "gvn")),
    steps={("skip", "licm"): 0.01, ("skip", "gvn"): 0.01, ("level", "optsize"): 0.001},
)  # fmt: skip


def size_of(sequence: Names) -> dict[str, int]:
    """Every other function is better off without licm, the others with it; f3 pays when inlined, f4 does not."""
    at = Plans(SURROUNDINGS, ()).take_apart(sequence)
    assert at is not None
    parts = {}
    for number, name in enumerate((*FUNCTIONS, "main")):
        plan, size = at.plans[name], PARTS[name]
        if "licm" in plan.skip:
            size += -10 if number % 2 else 15
        if "gvn" in plan.skip:
            size += -5 if number % 3 == 0 else 5
        parts[name] = size
    for name, change in (("f3", -30), ("f4", 40)):
        if f"alwaysinline<{name}>" in sequence:
            (caller,) = SURROUNDINGS.callers[name]
            parts[caller] += parts.pop(name) + change
    return parts


def search(trials: int) -> tuple[list[tuple[Names, float | None, int]], Names, int]:
    """(sequence, promised, size) of each trial; the best sequence, and its size."""
    sweeper = Sweeper(SURROUNDINGS, frozenset())
    known: set[Names] = set()
    best, best_parts = (), dict(PARTS)
    seen = []
    for number in range(trials):
        smallest = sum(best_parts.values())
        found = sweeper.propose(number, best, best_parts, math.log(SURROUNDINGS.size / smallest), known.__contains__)
        if found is None:
            break
        sequence, promised = found
        parts = size_of(sequence)
        known.add(sequence)
        sweeper.observe(number, sequence, parts, swept=True, together=promised is not None)
        seen.append((sequence, promised, sum(parts.values())))
        if sum(parts.values()) < smallest:
            best, best_parts = sequence, parts
    return seen, best, sum(best_parts.values())


def test_finds_what_is_best_for_each_function_in_few_builds() -> None:
    _, best, size = search(40)
    at = Plans(SURROUNDINGS, ()).take_apart(best)
    assert at is not None
    least = sum(
        part - (10 if number % 2 else 0) - (5 if number % 3 == 0 else 0)
        for number, part in enumerate((*PARTS.values(),))
    ) - 30  # fmt: skip
    assert size <= least + 5  # what goes into its caller is optimised as that is
    assert "alwaysinline<f3>" in best
    assert "alwaysinline<f4>" not in best


def test_what_adds_up_gives_what_was_promised() -> None:
    seen, _, _ = search(40)
    promised = [(gain, math.log(SURROUNDINGS.size / size)) for sequence, gain, size in seen
                if gain is not None and not any(name.startswith("alwaysinline") for name in sequence)]  # fmt: skip
    assert promised
    assert all(math.isclose(expected, real, abs_tol=1e-9) for expected, real in promised)


def test_one_build_tries_a_step_on_every_function() -> None:
    seen, _, _ = search(3)
    assert ("without<gvn>",) in [sequence for sequence, _, _ in seen]


def test_is_the_same_each_time() -> None:
    assert search(25) == search(25)


def test_a_step_that_breaks_the_program_is_not_tried_again() -> None:
    sweeper = Sweeper(SURROUNDINGS, frozenset())
    known: set[Names] = set()
    for number in range(30):
        found = sweeper.propose(number, (), PARTS, 0.0, known.__contains__)
        if found is None:
            break
        sequence = found[0]
        known.add(sequence)
        broken = "without<licm>" in sequence
        parts = None if broken else size_of(sequence)
        sweeper.observe(number, sequence, parts, swept=True, together=found[1] is not None)
    assert sum("without<licm>" in sequence for sequence in known) == 1


def test_nothing_is_proposed_where_figures_have_no_parts() -> None:
    assert Sweeper(Surroundings(), frozenset()).propose(0, (), {}, 0.0, lambda _: False) is None


def test_of_two_gains_that_show_in_one_function_the_greater_is_taken() -> None:
    gains = [
        _Gain(5, frozenset("ab"), slot="x"),
        _Gain(9, frozenset("bc"), slot="y"),
        _Gain(1, frozenset("d"), slot="z"),
    ]
    assert [gain.slot for gain in Sweeper._apart_gains(iter(gains))] == ["y", "z"]


def test_what_goes_with_its_calls_is_inlined_before_what_stays_and_few_callers_come_first() -> None:
    callers = {"often": ("main", "a", "b"), "stays": ("main",), "once": ("main",), "main": (), "a": (), "b": ()}
    slots = {
        name: Slot(name, name, (f"alwaysinline<{name}>", f"noinline<{name}>"), stays=name == "stays")
        for name in ("often", "stays", "once")
    }
    parts = dict.fromkeys(callers, 100)
    sweeper = Sweeper(Surroundings(slots=slots, callers=callers, parts=parts, size=600.0), frozenset())
    tested: list[str] = []
    for number in range(4):  # all of them show in main, so each has a build of its own
        found = sweeper.propose(number, (), parts, 0.0, lambda names: False)
        assert found is not None
        tested += found[0]
        sweeper.observe(number, found[0], parts, swept=True, together=False)
    assert tested[:2] == ["alwaysinline<once>", "alwaysinline<often>"]
    assert "alwaysinline<stays>" not in tested[:2]
