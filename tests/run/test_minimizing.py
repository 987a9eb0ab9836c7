"""What does not pay is left out: in how many builds, what stays, and what a run that is killed then writes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tune_helpers import EXACT, SOURCE, spawn, trials_of, tune_here

from colt_llvm.core.errors import PassCrashed
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Built
from colt_llvm.llvm.decision import joined, single
from colt_llvm.program.recipe import load_recipe
from colt_llvm.run.minimizing import Effort, Minimizer, SameCode, dropped
from colt_llvm.run.tuner import Spent

Names = tuple[str, ...]
Sizes = Callable[[Names], dict[str, int]]
NO_LIMIT = Effort()


class World:
    """A builder of functions whose sizes are made up; ``rest`` is what belongs to no function."""

    def __init__(self, sizes: Sizes, rest: Callable[[Names], int] = lambda names: 100) -> None:
        self.sizes, self.rest = sizes, rest
        self.built: list[Names] = []

    def build(self, sequence: Names) -> Built:
        self.built.append(sequence)
        parts = self.sizes(sequence)
        return Built(repr(sequence), 0, size=sum(parts.values()) + self.rest(sequence), parts=parts)

    def minimizer(self, callers: dict[str, Names], effort: Effort = NO_LIMIT) -> Minimizer:
        return Minimizer(self, lambda built: -math.log(built.size), callers, effort)


def trial(*sequence: str) -> Any:
    return SimpleNamespace(sequence=sequence)


#: Forty functions, none of which calls another.
APART = {f"f{number}": () for number in range(40)}
PAYING = frozenset(f"f{number}" for number in range(0, 40, 4))


def forty(names: Names) -> dict[str, int]:
    """skip<f>(gvn) saves something in every fourth function, skip<f>(licm) nowhere."""
    held = single(names)
    return {name: 90 if name in PAYING and f"skip<{name}>(gvn)" in held else 100 for name in APART}


def test_of_many_decisions_those_that_pay_are_left_after_few_builds() -> None:
    world = World(forty)
    full = tuple(f"skip<{name}>(gvn,licm)" for name in APART)
    kept = world.minimizer(APART, Effort(builds=40))(trial(*full))
    assert sorted(kept) == sorted(f"skip<{name}>(gvn)" for name in PAYING)
    assert len(dropped(full, kept)) == 2 * len(APART) - len(PAYING)
    assert len(world.built) <= 40, "one by one it would be eighty"


def test_what_does_not_add_up_is_not_given_up() -> None:
    """Each can go by the sizes of functions, but the constants of the module are larger without two of them."""
    rest = {"skip<f1>(licm)", "skip<f2>(licm)"}
    world = World(forty, lambda names: 100 if rest & set(names) else 150)
    kept = world.minimizer(APART)(trial(*(f"skip<{name}>(licm)" for name in APART)))
    assert len(kept) == 1
    assert set(kept) <= rest


def test_without_sizes_of_functions_it_goes_by_the_whole() -> None:
    world = World(lambda names: {"main": 100 - 10 * ("a" in names) - 5 * names.count("b")})
    assert world.minimizer({})(trial("x", "b", "y", "a", "b", "z")) == ("b", "a", "b")


def test_passes_that_stand_twice_are_two() -> None:
    world = World(lambda names: {"main": 100 - 10 * names.count("gvn")})
    assert world.minimizer({"main": ()})(trial("gvn", "licm", "gvn")) == ("gvn", "gvn")
    twice = "after<main>(gvn,gvn,dse)"
    world = World(lambda names: {"main": 100 - 10 * single(names).count("after<main>(gvn)")})
    assert world.minimizer({"main": ()})(trial(twice)) == ("after<main>(gvn,gvn)",)


def test_an_inlined_function_is_seen_in_its_caller() -> None:
    def sizes(names: Names) -> dict[str, int]:
        return {"main": 60} if "alwaysinline<put>" in names else {"main": 50, "put": 30}

    full = ("alwaysinline<put>", "noinline<main>", "optsize<put>")
    assert World(sizes).minimizer({"main": (), "put": ("main",)})(trial(*full)) == ("alwaysinline<put>",)


def test_a_build_that_fails_keeps_what_was_to_go() -> None:
    class Fragile(World):
        def build(self, sequence: Names) -> Built:
            if "keep" not in sequence:
                raise PassCrashed("died")
            return super().build(sequence)

    assert Fragile(lambda names: {"main": 10}).minimizer({"main": ()})(trial("a", "keep", "b")) == ("keep",)
    assert Fragile(lambda names: {"main": 10}).minimizer({"main": ()})(trial("a", "b")) == ("a", "b")


def test_it_ends_with_its_builds_and_with_its_time() -> None:
    names = tuple(f"p{number}" for number in range(64))
    world = World(lambda names: {"main": 200 - len([name for name in names if int(name[1:]) % 2])})
    world.minimizer({}, Effort(builds=9))(trial(*names))
    assert len(world.built) <= 9
    minimizer = world.minimizer({}, Effort(seconds=5.0))
    minimizer.clock = iter(range(1000)).__next__
    world.built.clear()
    minimizer(trial(*names))
    assert len(world.built) <= 6


def test_lists_of_passes_come_apart_and_together() -> None:
    names = ("gvn", "skip<f>(a,b)", "noinline<f>", "after<f>(loop(c,d),e)", "skip<g>(a)", "gvn")
    apart = (
        "gvn",
        "skip<f>(a)",
        "skip<f>(b)",
        "noinline<f>",
        "after<f>(loop(c,d))",
        "after<f>(e)",
        "skip<g>(a)",
        "gvn",
    )
    assert single(names) == apart
    assert joined(apart) == names
    assert dropped(names, ("gvn", "skip<f>(b)", "after<f>(e)")) == (
        "skip<f>(a)", "noinline<f>", "after<f>(loop(c,d))", "skip<g>(a)", "gvn",
    )  # fmt: skip


# --- in a run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "parts.c").write_text(SOURCE)
    return tmp_path / "parts.c"


OPTIONS = ("--scopes", "passes,module,function,call,loop", "--trials", "60", "--strategy", "genetic")


@pytest.mark.slow
def test_a_recipe_holds_what_pays_and_says_what_was_dropped(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = tune_here(capfd, source, *EXACT, *OPTIONS, "--run-dir", tmp_path / "run")
    found = next(t for t in trials_of(tmp_path / "run") if t["request"]["id"] == result["found_at_trial"])
    full = tuple(found["request"]["sequence"] + found["proposal"]["passes"])
    assert tuple(result["dropped"]) == dropped(full, result["sequence"])
    assert result["dropped"], "a search of sixty trials carries some along"
    assert result["ratio"] >= math.exp(found["outcome"]["reward"]) - 1e-12
    recipe = load_recipe(tmp_path / "run" / "recipe.json")
    assert list(recipe.sequence) == result["sequence"]
    assert recipe.evidence["dropped"] == result["dropped"]
    assert all(before != after for name, (before, after) in result["functions"].items() if name not in str(full))


@pytest.mark.slow
def test_a_run_that_is_killed_then_has_the_same_recipe_when_it_goes_on(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = tune_here(capfd, source, *EXACT, *OPTIONS, "--run-dir", tmp_path / "whole")
    killed = spawn("tune", source, *EXACT, *OPTIONS, "--run-dir", tmp_path / "killed", cwd=tmp_path)
    journal = tmp_path / "killed" / "trials.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and killed.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") == 60:
            break
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    (tmp_path / "killed" / "result.json").unlink(missing_ok=True)  # where it was quicker than the kill
    (tmp_path / "killed" / "recipe.json").unlink(missing_ok=True)
    resumed = tune_here(capfd, "--resume", tmp_path / "killed")
    for name in ("sequence", "dropped", "ratio", "functions"):
        assert resumed[name] == whole[name], name
    recipes = [load_recipe(tmp_path / folder / "recipe.json") for folder in ("whole", "killed")]
    assert recipes[0].objects == recipes[1].objects
    assert json.loads((tmp_path / "killed" / "result.json").read_text())["dropped"] == whole["dropped"]


def test_preparing_takes_of_the_time_for_leaving_things_out_and_a_longer_run_says_what_took_it() -> None:
    options = TuneOptions(objective="size", seconds=100.0)
    left = [options.minimizing_seconds_after(spent) for spent in (91.0, 97.0, 130.0)]
    assert left == [9.0, 3.0, 2.0]
    assert TuneOptions(objective="size", trials=9).minimizing_seconds_after(50.0) is None
    spent = Spent(iter((0.0, 9.0, 36.0, 36.1, 44.1)).__next__)
    for what in ("preparing", "the search", "nothing", "the proof"):
        spent.on(what)
    assert spent.notes(30.0) == [
        "the run took 44 s where 30 s were asked for: 9 s preparing, 27 s the search, 8 s the proof"
    ]
    assert spent.notes(41.0) == spent.notes(None) == []


def test_of_a_timed_run_all_finalists_share_the_time_for_leaving_things_out() -> None:
    world, trial = (
        World(lambda names: {}),
        SimpleNamespace(sequence=("a", "b", "c", "d"), outcome=SimpleNamespace(key="")),
    )
    same = SameCode(world, 5.0, lambda: 2.0 * len(world.built))  # type: ignore[arg-type]
    assert [same(trial), same(trial)] == [trial.sequence] * 2  # type: ignore[arg-type]
    assert len(world.built) == 3
