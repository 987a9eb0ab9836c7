"""What can be asked of a state's code, by way of the environment, and how it is gathered for a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from colt_llvm.core.errors import PassCrashed, PassTimedOut
from colt_llvm.env import ColtEnv
from colt_llvm.evaluate.builder import Builder
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import prepare_target
from colt_llvm.llvm.remarks import Remark
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.models.question import Evidence
from colt_llvm.program.program import program_from_files
from colt_llvm.run.setup import MAX_REMARKS, gather, program_features

MakeEnv = Callable[..., ColtEnv]


def numbers(env: ColtEnv, *names: str) -> list[int]:
    return [int(env.action_space[name]) for name in names]


def remarks_of(env: ColtEnv) -> list[Remark]:
    return [Remark.from_json(line) for line in str(env.observation["OptRemarks"]).splitlines()]


def test_the_first_state_has_an_excerpt_and_no_remarks(env: ColtEnv) -> None:
    assert env.observation["OptRemarks"] == ""
    assert "define" in env.observation["IrExcerpt"]


def test_tells_what_the_last_pass_said(env: ColtEnv) -> None:
    env.multistep(numbers(env, "sroa", "inline"))
    said = [(remark.kind, remark.pass_name, remark.function) for remark in remarks_of(env)]
    assert ("passed", "inline", "sum") in said


def test_tells_what_the_full_pipeline_said_when_a_single_pass_came_after_it(env: ColtEnv) -> None:
    env.multistep(numbers(env, "default<O3>"))
    said = remarks_of(env)
    assert {"inline", "loop-vectorize"} <= {remark.pass_name for remark in said}
    env.multistep(numbers(env, "dce"))
    assert remarks_of(env) == said


def test_asking_leaves_the_state_alone(env: ColtEnv) -> None:
    actions = numbers(env, "sroa", "default<O3>", "licm")
    env.multistep(actions[:2])
    before = env.observation["IrHash"], env.observation["Ir"]
    passes = env.counters()["passes_run"]
    for space in ("OptRemarks", "IrExcerpt", "IrExcerptLargest", "FunctionHashes"):
        assert env.observation[space]
    assert (env.observation["IrHash"], env.observation["Ir"]) == before
    assert env.counters()["passes_run"] == passes


def test_asking_again_computes_nothing(env: ColtEnv) -> None:
    env.multistep(numbers(env, "default<O3>"))
    first = [env.observation[space] for space in ("OptRemarks", "IrExcerpt", "FunctionHashes")]
    parses = env.counters()["parses"]
    assert [env.observation[space] for space in ("OptRemarks", "IrExcerpt", "FunctionHashes")] == first
    assert env.counters()["parses"] == parses


def test_remarks_are_those_of_the_way_not_of_the_state(env: ColtEnv) -> None:
    """Another way to the same state says other things, whichever was asked for first."""
    env.multistep(numbers(env, "sroa", "inline"))
    state, said = env.observation["IrHash"], remarks_of(env)
    assert any(remark.pass_name == "inline" for remark in said)
    env.step(numbers(env, "inline")[0])
    assert env.observation["IrHash"] == state
    assert not any(remark.kind == "passed" for remark in remarks_of(env))


def test_names_functions_that_differ_from_the_usual_pipelines(env: ColtEnv) -> None:
    env.multistep(numbers(env, "default<O3>"))
    assert env.observation["ChangedFunctions"] == ""
    env.reset()
    env.multistep(numbers(env, "sroa"))
    changed = str(env.observation["ChangedFunctions"]).splitlines()
    assert sorted(changed) == ["main", "square", "sum"], "square is inlined by -O3, and gone"


def test_the_excerpt_shows_the_loop(env: ColtEnv) -> None:
    env.multistep(numbers(env, "sroa", "simplifycfg"))
    text = str(env.observation["IrExcerpt"])
    assert text.startswith(("; sum: ", "; main: "))
    assert "loop depth 1" in text


# --- gathered for a model


class FakeBuilder:
    """Observations by name; for the first calls, what each of them raises (None for nothing)."""

    def __init__(self, values: dict[str, Any], errors: Sequence[Exception | None] = ()) -> None:
        self.values = values
        self.errors = list(errors)
        self.asked: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self.closed = 0

    def observe(self, sequence: Sequence[str], observations: Sequence[str]) -> list[Any]:
        self.asked.append((tuple(sequence), tuple(observations)))
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return [self.values[name] for name in observations]

    def close(self) -> None:
        self.closed += 1


REMARKS = [Remark("missed", "licm", "X", "main", f"failed {number}", "", number) for number in range(1, 60)]
VALUES = {
    "InstCountDict": {"TotalInstsCount": 7, "LoadCount": 2},
    "OptRemarks": "\n".join(remark.to_json() for remark in REMARKS),
    "IrExcerpt": "; main: 1 blocks, 2 instructions, loops up to 0 deep\ndefine @main\n" + "  ret void\n" * 400,
    "IrExcerptLargest": "; large: 1 blocks, 2 instructions, loops up to 0 deep\n",
    "FunctionHashes": json.dumps({"main": "1/2/x"}),
}


@pytest.mark.parametrize("limit", [100, 500, 2_000, 100_000])
def test_remarks_and_excerpt_together_keep_to_the_limit(limit: int) -> None:
    evidence = gather(FakeBuilder(VALUES), ("licm",), max_characters=limit)
    assert sum(len(line) + 1 for line in evidence.remarks) + len(evidence.excerpt) <= limit
    assert evidence.features == {"TotalInstsCount": 7.0, "LoadCount": 2.0}
    assert evidence.excerpt_of == "main"
    assert len(evidence.remarks) <= MAX_REMARKS
    if limit > 100:
        assert evidence.remarks[1] == "missed licm in main: failed 2 (x2)"


def test_shows_the_largest_function_for_size() -> None:
    assert gather(FakeBuilder(VALUES), (), for_size=True).excerpt_of == "large"


@pytest.mark.parametrize("error", [PassCrashed("died"), PassTimedOut("slow")])
@pytest.mark.parametrize("good_calls", [0, 1])
def test_a_failure_while_gathering_gives_nothing_and_no_error(error: Exception, good_calls: int) -> None:
    builder = FakeBuilder(VALUES, [*[None] * good_calls, error])
    assert gather(builder, ("licm",)) == Evidence()
    assert program_features(FakeBuilder(VALUES, [error])) == {}
    assert gather(builder, ("licm",)) != Evidence()


@pytest.fixture
def builder(toolchain: Toolchain, source: Path) -> Any:
    with Builder(prepare_target(toolchain, program_from_files([source]), TuneOptions(risky=True))) as builder:
        yield builder


def test_a_builder_tells_of_a_completed_sequence(builder: Builder) -> None:
    empty = gather(builder, (), max_characters=3_000)
    assert empty.changed_functions == ()
    assert any("loop-vectorize" in remark for remark in empty.remarks)
    assert empty.excerpt_of in ("sum", "main")
    assert empty.features == program_features(builder)
    assert empty.features["TotalInstsCount"] == float(builder.build(()).instructions)
    other = gather(builder, ("without<loop-vectorize>",), max_characters=3_000)
    assert "sum" in other.changed_functions
    assert not any("passed loop-vectorize" in remark for remark in other.remarks)
    assert len(other.excerpt) <= 3_000
    assert gather(builder, (), max_characters=3_000) == empty


def test_gathering_changes_no_object(builder: Builder) -> None:
    before = builder.build(("licm",))
    gather(builder, ("licm",), max_characters=3_000, for_size=True)
    assert builder.build(("licm",)) == before
