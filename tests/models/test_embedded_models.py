"""The embedded models as the search sees them: small policies, no language models."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from colt_llvm.core.errors import UsageError
from colt_llvm.llvm.catalogue import load_catalogue
from colt_llvm.llvm.pipeline import is_edit
from colt_llvm.models.base import CallError, LanguageModel, Message, Prompt
from colt_llvm.models.embedded import SPECS, load
from colt_llvm.models.embedded.choice import PIPELINES
from colt_llvm.models.embedded.policy import EmbeddedModel
from colt_llvm.models.embedded.scoring import RETRIEVING
from colt_llvm.models.embedded.weights import FILE, PARTS, WeightsError, read_arrays, read_weights, weights, weights_of
from colt_llvm.models.question import Attempt, Offer, Question, State

NAMES = list(SPECS)
CATALOGUE = load_catalogue(22)
EDITS = tuple(f"without<{name}>" for name in ("licm", "indvars", "gvn", "inline", "instcombine", "sroa", "dse"))
PROGRAM = {"TotalInstsCount": 900.0, "LoadCount": 120.0, "CallCount": 40.0, "BrCount": 160.0, "TotalBlocksCount": 180.0}


def a_question(**changes: Any) -> Question:
    question = Question(
        request_id=7, seed=3, kind="expand", acting="embedded/base", objective="size", baseline="clang -Oz", cpu="",
        state=State((), 0.0), passes=tuple(CATALOGUE.names()), edits=EDITS, program=PROGRAM,
        offers=tuple(Offer(spec.name, spec.parameters) for spec in SPECS.values()),
    )  # fmt: skip
    return replace(question, **changes)


def unread() -> tuple[Message, ...]:
    raise AssertionError("an embedded model reads no text")


def answer(model: LanguageModel, question: Question) -> list[str]:
    told = json.loads(model.ask(Prompt(question, unread), 10.0).text)
    assert set(told) == {"passes", "next_model", "confidence"}
    passes: list[str] = told["passes"]
    return passes


def answers(model: LanguageModel, question: Question, count: int = 60) -> Iterator[list[str]]:
    for number in range(count):
        yield answer(model, replace(question, request_id=number + 1000))


@pytest.fixture(params=NAMES)
def model(request: pytest.FixtureRequest) -> LanguageModel:
    return load(request.param)


def test_importing_loads_neither_numpy_nor_weights() -> None:
    code = "import sys, colt_llvm.models.embedded as e; e.SPECS['embedded/nano']; print('numpy' in sys.modules)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert child.stdout.strip() == "False"


def test_parameters_are_the_true_counts_and_grow() -> None:
    assert {name: spec.parameters for name, spec in SPECS.items()} == {name: weights().count(name) for name in NAMES}
    counts = [spec.parameters for spec in SPECS.values()]
    assert all(larger > 2 * smaller for smaller, larger in pairwise(counts))


def test_they_are_declared_as_no_language_models() -> None:
    assert not any(spec.is_language_model for spec in SPECS.values())


def test_the_weights_stay_small_and_finite() -> None:
    assert FILE.stat().st_size < 500_000
    stored = read_weights(FILE)
    for part in {part for parts in PARTS.values() for part in parts}:
        assert float(np.nanmax(abs(stored.arrays[part]))) < 1e3
        assert part == "small_rewards" or np.isfinite(stored.arrays[part]).all(), "only rewards may be unknown"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="embedded/nano"):
        load("embedded/huge")


def test_weights_are_shared_by_all_that_load_them() -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len({id(found) for found in pool.map(lambda _: weights(), range(16))}) == 1


def test_answers_hold_one_to_three_known_names(model: LanguageModel) -> None:
    known = {*CATALOGUE.names(), *EDITS}
    for passes in answers(model, a_question()):
        assert 1 <= len(passes) <= 3
        assert set(passes) <= known
        assert len(set(passes)) == len(passes)


def test_the_same_question_has_the_same_answer_from_any_thread(model: LanguageModel) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: answer(model, a_question()), range(16)))
    assert all(passes == found[0] for passes in found)


def test_runs_with_other_actions_do_not_mix_in_one_model(model: LanguageModel) -> None:
    few = a_question(passes=("dse", "gvn", "licm"), edits=())
    questions = [few, a_question(), a_question(edits=()), few, replace(few, edits=EDITS), a_question()]
    assert [answer(model, question) for question in questions] == [
        answer(load(model.spec.name), question) for question in questions
    ]
    for passes in answers(model, few):
        assert set(passes) <= set(few.passes)


def test_another_seed_or_request_has_other_answers(model: LanguageModel) -> None:
    assert len({tuple(passes) for passes in answers(model, a_question())}) > 10
    assert [answer(model, a_question(seed=seed)) for seed in range(9)] != [answer(model, a_question())] * 9


def test_an_edit_that_the_state_holds_is_not_proposed(model: LanguageModel) -> None:
    held = ("without<indvars>", "without<instcombine>")
    for passes in answers(model, a_question(state=State(held, 0.01))):
        assert not set(passes) & set(held)


def test_after_a_whole_pipeline_no_edit_is_proposed(model: LanguageModel) -> None:
    for passes in answers(model, a_question(state=State(("without<licm>", "default<Oz>"), 0.0))):
        assert not any(map(is_edit, passes))


def test_edits_and_a_whole_pipeline_never_come_together(model: LanguageModel) -> None:
    question = a_question(passes=("default<Oz>", "inline-simplify"), edits=EDITS)
    found = list(answers(model, question, 150))
    for passes in found:
        assert len({is_edit(name) for name in passes}) == 1
    assert any(is_edit(passes[0]) for passes in found)


def test_the_whole_pipelines_of_the_catalogue_are_known() -> None:
    assert {action.pass_name for action in CATALOGUE if action.kind == "pipeline"} == PIPELINES


def test_what_was_tried_at_a_state_is_not_tried_again(model: LanguageModel) -> None:
    tried: list[Attempt] = []
    seen = set()
    for number in range(25):
        passes = tuple(answer(model, a_question(request_id=number + 1000, tried=tuple(tried))))
        assert passes not in seen
        assert not {attempt.passes[0] for attempt in tried if len(attempt.passes) == 1} & set(passes)
        seen.add(passes)
        tried.append(Attempt(passes, "embedded/base", 0.0, "transposition"))


def test_a_combination_that_was_tried_at_a_state_is_not_tried_again(model: LanguageModel) -> None:
    tried = (Attempt(("aa", "bb"), "embedded/base", 0.0, "transposition"),)
    few = a_question(passes=("aa", "bb", "cc"), edits=())
    assert ["aa", "bb"] in list(answers(model, few))
    assert ["aa", "bb"] not in list(answers(model, replace(few, tried=tried)))


@pytest.mark.parametrize("objective", ["size", "runtime", "balanced"])
def test_seeds_differ_from_what_is_in_flight(model: LanguageModel, objective: str) -> None:
    proposed: tuple[tuple[str, ...], ...] = ()
    for _ in range(40):
        passes = tuple(answer(model, a_question(kind="seed", objective=objective, proposed=proposed)))
        assert passes not in proposed
        proposed = (*proposed, passes)


@pytest.mark.parametrize("objective", ["size", "balanced"])
def test_seeds_differ_also_in_flight(model: LanguageModel, objective: str) -> None:
    questions = [a_question(kind="seed", objective=objective, in_flight=number) for number in range(20)]
    assert len({tuple(answer(model, question)) for question in questions}) == 20


def test_without_whole_sequences_seeds_are_single_actions(model: LanguageModel) -> None:
    retrieves = model.spec.name == RETRIEVING
    assert retrieves == (len(answer(model, a_question(kind="seed"))) > 1)
    assert len(answer(model, a_question(kind="seed", objective="balanced"))) == 1


def test_who_knows_whole_sequences_is_named_as_long_as_one_promises_something(model: LanguageModel) -> None:
    def named(**changes: Any) -> str:
        text = model.ask(Prompt(a_question(kind="seed", **changes), unread), 10.0).text
        return str(json.loads(text)["next_model"])

    assert named() == RETRIEVING
    assert named(best=State((), 9.0)) == "embedded/nano", "nothing is that good"
    assert named(objective="runtime") == RETRIEVING
    assert named(objective="balanced") == "embedded/nano", "none are known"


def test_for_run_time_they_know_other_actions_than_for_size_and_no_order() -> None:
    """Single actions were timed, at the root: so all three have one order, and nothing that is held changes it."""
    gains = [EmbeddedModel(SPECS[name]).expected_gains(a_question(objective="runtime")) for name in NAMES]
    assert gains[0] == gains[1] == gains[2]
    held = State(("without<licm>", "gvn"), 0.1)
    assert EmbeddedModel(SPECS["embedded/base"]).expected_gains(a_question(objective="runtime", state=held)) == gains[0]
    size = EmbeddedModel(SPECS["embedded/nano"]).expected_gains(a_question())
    assert max(size, key=size.__getitem__) != max(gains[0], key=gains[0].__getitem__)


def test_a_mixture_is_between_its_two_parts() -> None:
    model = EmbeddedModel(SPECS["embedded/nano"])
    mixed, time, size = (model.expected_gains(a_question(objective=name)) for name in ("balanced", "runtime", "size"))
    assert all(gain == pytest.approx((time[action] + size[action]) / 2) for action, gain in mixed.items())


def test_a_file_from_before_run_time_was_known_is_still_good(model: LanguageModel) -> None:
    arrays = read_arrays(FILE)
    built = arrays["small_objective"] < 2
    lines = str(arrays["small_sequences"]).split("\n")
    older = arrays | {name: arrays[name][:2] for name in ("nano_gain", "small_gain", "base_gain", "small_neighbours")}
    older |= {name: arrays[name][built] for name in ("small_objective", "small_rewards")}
    older["small_sequences"] = np.array("\n".join(line for line, old in zip(lines, built, strict=True) if old))
    old = EmbeddedModel(model.spec, known=weights_of(older))
    for kind in ("seed", "expand"):
        assert answer(old, a_question(kind=kind)) == answer(model, a_question(kind=kind))
        assert answer(old, a_question(kind=kind, objective="runtime"))


def test_the_first_seeds_are_among_the_most_promising() -> None:
    model = EmbeddedModel(SPECS["embedded/nano"])
    gains = model.expected_gains(a_question())
    best = sorted(gains, key=gains.__getitem__, reverse=True)[:24]
    first = [answer(model, a_question(kind="seed", request_id=number))[0] for number in range(5)]
    assert set(first) <= set(best)


def test_a_late_seed_is_still_a_proposal(model: LanguageModel) -> None:
    assert answer(model, a_question(kind="seed", request_id=100_000))


def test_a_correction_leaves_out_what_was_rejected(model: LanguageModel) -> None:
    rejected = Attempt(("without<indvars>", "without<licm>"), "embedded/nano", -0.1)
    for passes in answers(model, a_question(kind="correct", rejected=rejected)):
        assert not set(passes) & set(rejected.passes)


@pytest.mark.parametrize("objective", ["size", "instructions", "runtime", "balanced"])
def test_what_paid_in_this_run_is_proposed_more_often(model: LanguageModel, objective: str) -> None:
    def share(paid: dict[str, float]) -> int:
        return sum("dse" in passes for passes in answers(model, a_question(objective=objective, paid=paid)))

    assert share({"dse": 0.05}) > share({}) + 10


def test_actions_that_the_weights_do_not_know_can_be_proposed(model: LanguageModel) -> None:
    assert answer(model, a_question(passes=("brand-new",), edits=("without<brand-new>",)))


def test_an_empty_program_and_a_long_sequence_are_no_trouble(model: LanguageModel) -> None:
    assert answer(model, a_question(program={}, state=State(("licm", "gone") * 20, -0.2)))
    assert answer(model, a_question(program={"TotalInstsCount": 0.0}))


def test_nothing_allowed_is_a_failed_call(model: LanguageModel) -> None:
    with pytest.raises(CallError, match="more passes") as raised:
        model.ask(
            Prompt(a_question(passes=(), edits=("without<licm>",), state=State(("without<licm>",), 0.0)), unread), 1
        )
    assert not raised.value.retryable


def test_missing_or_damaged_weights_are_named(tmp_path: Any) -> None:
    with pytest.raises(WeightsError, match="make it again"):
        read_weights(tmp_path / "weights.npz")
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(FILE.read_bytes()[:2000])
    with pytest.raises(WeightsError, match="make it again"):
        read_weights(damaged)


def test_closing_twice_is_harmless(model: LanguageModel) -> None:
    model.close()
    model.close()
    assert answer(model, a_question())
