"""A model tried with a question as large as those of a search, and its answer read as a search reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from colt_llvm.llvm.catalogue import Catalogue, load_catalogue
from colt_llvm.llvm.toolchain import SUPPORTED_MAJORS
from colt_llvm.models.base import ModelSpec, Prompt
from colt_llvm.models.check import check_model
from colt_llvm.models.failures import one_line
from colt_llvm.models.prompt_size import CUT_BELOW, LONG_ENOUGH, PromptSizes
from colt_llvm.models.question import Evidence, Offer, Question, State
from colt_llvm.objectives.size import LOADED_SIZE
from colt_llvm.proposal.answer import parse_answer
from colt_llvm.proposal.prompt import render
from colt_llvm.proposal.wording import estimate_messages

_REMARKS = (
    "missed inline in main: 'next_token' not inlined, cost 95 over 5",
    "missed licm in scan: failed to hoist a load, the loop may write to it",
    "passed gvn in scan: load eliminated",
)
_IR = "\n".join(
    ["define i32 @scan(ptr %0, i32 %1) {"]
    + [f"  %{number} = add i32 %{number - 1}, {number}" for number in range(3, 43)]
    + ["  ret i32 %42", "}"]
)


def check_question(spec: ModelSpec) -> Prompt:
    """The first question about a program of middling size, as long as the model's context allows.

    Its text is made when it is read, and raises PromptTooSmall then.
    """
    catalogue = _catalogue()
    question = Question(
        request_id=0, seed=0, kind="seed", acting=spec.name, objective=LOADED_SIZE.name, baseline="clang -Oz",
        cpu="generic", state=State((), 0.0, {"size": 6_120.0}), offers=(Offer(spec.name, spec.parameters),),
        passes=tuple(catalogue.names()), edits=("without<gvn>", "without<licm>", "alwaysinline<next_token>"),
        promised={"alwaysinline<next_token>": 0.004},
        program={"TotalInstsCount": 912.0, "LoadCount": 133.0, "CallCount": 41.0},
        evidence=Evidence({}, (), _REMARKS, _IR, "scan"),
    )  # fmt: skip
    summaries = {action.name: action.summary for action in catalogue}
    return Prompt(question, lambda: render(question, summaries, PromptSizes([spec]).room(spec.name)))


def try_model(spec: ModelSpec, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """As ``check_model``, with such a question. Never raises for a model that fails.

    Beside what that gives: proposal, the names that a search would take; tokens_per_second, of the answer;
    cost_of_100, in the unit of the prices.
    """
    prompt = check_question(spec)
    found = check_model(spec, environment, prompt)
    if found["error"] is None:
        _read(spec, prompt, found)
    seconds, completed = found["seconds"], found["completion_tokens"]
    found["tokens_per_second"] = completed / seconds if seconds and completed else None
    found["cost_of_100"] = 100 * found["cost"] / max(found["calls"], 1)
    return found


def _read(spec: ModelSpec, prompt: Prompt, found: dict[str, Any]) -> None:
    question = prompt.question
    action = parse_answer(found["answer"], _catalogue(), question.edits, [spec.name])
    found["proposal"] = list(action.passes)
    if not action.passes:
        said = one_line(found["answer"], None)
        found["error"] = (
            f"model {spec.name}: answered {said!r}, which names no pass that exists; no search can use that"
        )
    if spec.is_language_model:
        expected, counted = estimate_messages(prompt.messages), found["prompt_tokens"] / max(found["calls"], 1)
        if expected > LONG_ENOUGH and 0 < counted < CUT_BELOW * expected:
            cut = (
                f"counted {counted:.0f} prompt tokens of about {expected}: the endpoint may cut long prompts; serve it "
                "with a longer context, or lower context_tokens"
            )
            found["note"] = "; ".join(filter(None, [found["note"], cut]))


def _catalogue() -> Catalogue:
    return load_catalogue(SUPPORTED_MAJORS[0])
