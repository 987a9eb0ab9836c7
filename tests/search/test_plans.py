"""A sequence taken apart into what it decides about each function, and put together again."""

from __future__ import annotations

from colt_llvm.search.plans import Plan, Plans, Slot, Surroundings

SURROUNDINGS = Surroundings(
    slots={"inline f": Slot("inline f", "f", ("alwaysinline<f>", "noinline<f>"))},
    callers={"f": ("main",), "main": ()},
    skippable=frozenset(("licm", "gvn")),
    texts={"sink": "sink", "licm<x>": "loop-mssa(licm<x>)"},
)
UNORDERED = frozenset((
    "without<licm>", "without<gvn>", "without<inline>", "alwaysinline<f>", "noinline<f>", "optsize<*>",
    "frame-pointer<*;non-leaf>",
))  # fmt: skip


def plans() -> Plans:
    return Plans(SURROUNDINGS, UNORDERED)


def test_what_is_left_out_for_all_is_left_out_for_each() -> None:
    at = plans().take_apart(("without<licm>", "sink", "without<inline>", "alwaysinline<f>"))
    assert at is not None
    assert at.plans == dict.fromkeys(("f", "main"), Plan(before=("sink",), skip=("licm",)))
    assert at.frame == ((), frozenset(("without<inline>",)))
    assert at.inlining == {"inline f": "alwaysinline<f>"}


def test_sequences_that_mean_the_same_are_put_together_alike() -> None:
    one = plans().take_apart(("without<licm>", "without<gvn>", "sink"))
    other = plans().take_apart(("sink", "skip<f>(gvn)", "without<licm>", "skip<main>(gvn)"))
    assert one is not None
    assert other is not None
    assert one == other
    assert plans().put_together(one) == ("sink", "without<gvn>", "without<licm>")


def test_what_differs_is_said_of_each_function() -> None:
    names = ("without<gvn>", "optsize<f>", "skip<f>(licm)", "before<f>(loop-mssa(licm<x>),sink)", "after<main>(dse)")
    at = plans().take_apart(names)
    assert at is not None
    assert plans().put_together(at) == names
    assert at.plans["f"] == Plan("optsize", ("loop-mssa(licm<x>)", "sink"), ("gvn", "licm"))
    assert at.plans["main"] == Plan(skip=("gvn",), after=("dse",))


def test_attributes_for_code_generation_are_part_of_each_functions_plan() -> None:
    at = plans().take_apart(
        ("without<inline>", "frame-pointer<*;non-leaf>", "frame-pointer<f;all>", "no-jump-tables<f>")
    )
    assert at is not None
    assert at.frame == ((), frozenset(("without<inline>",)))
    assert at.plans["main"] == Plan(codegen=("frame-pointer;non-leaf",))
    assert at.plans["f"] == Plan(codegen=("frame-pointer;all", "no-jump-tables"))
    names = plans().put_together(at)
    assert plans().take_apart(names) == at
    alone = plans().take_apart(("frame-pointer<*;non-leaf>",))
    assert alone is not None
    assert plans().put_together(alone) == ("frame-pointer<*;non-leaf>",)


def test_passes_of_the_whole_module_keep_their_order_and_their_place() -> None:
    at = plans().take_apart(("sink", "globalopt", "licm<x>"))
    assert at is not None
    assert at.passes == ("sink", "globalopt", "licm<x>")
    assert plans().put_together(at) == ("sink", "globalopt", "licm<x>")


def test_decisions_that_exclude_each_other_are_no_assignment() -> None:
    assert plans().take_apart(("alwaysinline<f>", "noinline<f>")) is None
    assert plans().take_apart(("optsize<f>", "optspeed<f>")) is None
    assert plans().take_apart(("skip<f>(gvn)", "skip<f>(licm)")) is None
    assert plans().take_apart(("frame-pointer<f;all>", "frame-pointer<f;non-leaf>")) is None
