"""Every strategy that COLT is compared with proposes from the same table of decisions as COLT."""

from __future__ import annotations

import hashlib
import importlib.util

import pytest

from colt_llvm.search import Outcome
from colt_llvm.search.plans import Slot, Surroundings, step_names
from colt_llvm.search.registry import find_strategy
from colt_llvm.search.strategy import Task

# Looked for and not imported: each process that collects tests would spend seconds on them.
pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")
    for name in ("nevergrad", "optuna")
]

RIVALS = ("random", "mcts", "greedy", "genetic", "nevergrad", "optuna")
EDITS = (
    "without<licm>", "inline-threshold<50>", "optsize<*>", "alwaysinline<put>", "noinline<put>", "optspeed<main>",
    "noinline<main;put#1>", "unroll<main#1;4>", "nounroll<main#1>",
)  # fmt: skip
SURROUNDINGS = Surroundings(
    slots={"inline put": Slot("inline put", "put", ("alwaysinline<put>", "noinline<put>"))},
    callers={"main": (), "put": ("main",)},
    parts={"main": 60, "put": 20},
    size=200.0,
    skippable=frozenset(("licm", "gvn")),
    texts={"dse": "dse"},
    steps={("level", "optsize"): 0.01, ("codegen", "frame-pointer;all"): 0.01, ("after", "gvn,dse"): 0.01},
)
#: How a proposal of each scope, and of each kind of step of a function's plan, begins.
KINDS = {
    "passes": ("gvn", "dse"), "edits": ("without<",), "module": ("inline-threshold<", "optsize<*>"),
    "inlining": ("alwaysinline<put>", "noinline<put>"), "level": ("optspeed<main>", "optsize<main>", "optsize<put>"),
    "code generation": ("frame-pointer<",), "call": ("noinline<main;put#1>",), "loop": ("unroll<", "nounroll<"),
    "skipped": ("skip<",), "before": ("before<",), "after": ("after<",),
}  # fmt: skip


def task(seed: int) -> Task:
    return Task("size", "clang -Oz", "", ("gvn", "dse"), EDITS, seed=seed, surroundings=SURROUNDINGS, trials_wanted=150)


def proposals(name: str, seed: int, count: int = 150) -> list[tuple[str, ...]]:
    strategy, algorithm = find_strategy(name)
    search = strategy.made(task(seed), algorithm)
    search.set_root_key("root")
    found = []
    for _ in range(count):
        request = search.ask()
        assert request is not None
        proposal = search.prepare(request)()
        sequence = request.sequence + proposal.passes
        digest = hashlib.sha256(" ".join(sequence).encode()).digest()
        search.tell(request, proposal, Outcome(digest[0] / 1000, digest.hex()))
        search.observe(request, proposal, Outcome(digest[0] / 1000, digest.hex()))
        found.append(proposal.passes)
    return found


@pytest.mark.parametrize("name", RIVALS)
def test_it_proposes_decisions_of_every_scope_and_repeats_from_its_seed(name: str) -> None:
    found = proposals(name, 5)
    said = [action for sequence in found for action in sequence]
    for kind, beginnings in KINDS.items():
        assert any(action.startswith(beginnings) for action in said), kind
    assert proposals(name, 5, 60) == found[:60]
    assert proposals(name, 6, 60) != found[:60]


def test_the_table_has_the_steps_of_all_functions_once() -> None:
    table = task(0).table
    assert len(table.names) == len(set(table.names))
    assert set(table.edits) == {*EDITS, *step_names(SURROUNDINGS)}
    assert {"skip<put>(gvn)", "before<main>(dse)", "after<put>(gvn,dse)", "frame-pointer<main;all>"} <= set(table.edits)
    assert set(table.steps) == {name for name in table.edits if name.startswith(("skip<", "before<", "after<"))}


def test_of_a_large_program_the_largest_functions_are_in_the_table() -> None:
    callers = {f"f{number}": () for number in range(9000)}
    large = Surroundings(callers=callers, parts={"f4711": 9}, steps={("level", "optsize"): 0.0, ("after", "gvn"): 0.0,
                                                                      ("after", "dse"): 0.0})  # fmt: skip
    names = step_names(large)
    assert 19_000 < len(names) <= 20_000
    assert names[:3] == ("after<f4711>(dse)", "after<f4711>(gvn)", "optsize<f4711>")


def test_a_search_of_passes_alone_has_no_steps() -> None:
    assert Task("size", "", "", ("gvn",), ("without<licm>",)).table.names == ("gvn", "without<licm>")
