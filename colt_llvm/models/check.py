"""Models tried before they are needed: what would make every call fail, and one small question to each.

``preflight`` runs before a search builds or asks anything; ``check_model`` says whether a model answers, how fast, at
which price, and in which form.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from colt_llvm.core.errors import ColtError, UsageError
from colt_llvm.models.base import CallError, Message, ModelSpec, NegotiatingModel, Prompt
from colt_llvm.models.budget import Budget
from colt_llvm.models.caller import Caller
from colt_llvm.models.completion import holds_an_answer
from colt_llvm.models.failures import one_line
from colt_llvm.models.ledger import Ledger
from colt_llvm.models.question import Offer, Question, State
from colt_llvm.models.registry import connect
from colt_llvm.models.specs import key_of
from colt_llvm.objectives.size import LOADED_SIZE

_TIMEOUT_SECONDS = 5.0
_MOST_NAMES = 12


def preflight(specs: Iterable[ModelSpec], environment: Mapping[str, str] = os.environ) -> None:
    """Raises UsageError for a missing key, or one that the endpoint refuses. Anything else of endpoints is let pass.

    Raises WeightsError for a file of the user's own policies that is gone or has changed.

    Each endpoint is asked once for its list of models, which costs nothing and is not counted as a call.
    """
    specs = list(specs)
    for spec in specs:
        if spec.can.check is not None:
            spec.can.check(spec)
    specs = [spec for spec in specs if spec.can.has_endpoint]
    keys = {spec.name: key_of(spec, environment) for spec in specs}
    seen = set()
    for spec in specs:
        place = (spec.base_url, spec.key_variable)
        if place not in seen:
            seen.add(place)
            _try_key(spec, keys[spec.name])


def _try_key(spec: ModelSpec, key: str | None) -> None:
    from colt_llvm.models.openai_compatible import HttpClient

    http = HttpClient(spec, key)
    try:
        status = http.send("GET", "/models", None, _TIMEOUT_SECONDS).status
    except Exception:
        # Slow, or down for the moment: the calls themselves will tell.
        return
    finally:
        http.close()
    if status in (401, 403):
        remedy = (
            f"export a valid key in ${spec.key_variable}"
            if spec.key_variable
            else "name the variable that holds its key with key_variable"
        )
        raise UsageError(f"model {spec.name}: {spec.base_url} refuses access ({status}); {remedy}")


def served_names(spec: ModelSpec, environment: Mapping[str, str] = os.environ) -> list[str]:
    """The models that an endpoint lists; none where it does not say. Raises UsageError for a missing key."""
    from colt_llvm.models.openai_compatible import HttpClient

    http = HttpClient(spec, key_of(spec, environment))
    try:
        listed = json.loads(http.send("GET", "/models", None, _TIMEOUT_SECONDS).text)
        return [one_line(str(item["id"]), None) for item in listed["data"]]
    except Exception:  # whatever it is, it is no list
        return []
    finally:
        http.close()


def _has(names: list[str]) -> str:
    shown = [*names[:_MOST_NAMES], *(["..."] if len(names) > _MOST_NAMES else [])]
    return f"; it has {', '.join(shown)}" if shown else ""


class UnusableAnswer(ColtError):
    """A model answers, and not what it was asked."""


_SYSTEM = (
    "You choose LLVM passes. Answer with one JSON object: "
    '{"passes": ["..."], "next_model": "...", "reason": "one short sentence"}'
)


def small_question(spec: ModelSpec) -> Prompt:
    """A question that costs about a hundred tokens."""
    question = Question(
        request_id=0, seed=0, kind="expand", acting=spec.name, objective=LOADED_SIZE.name, baseline="clang -Oz",
        cpu="generic", state=State((), 0.0), offers=(Offer(spec.name, spec.parameters),),
        passes=("licm", "gvn", "sroa"),
    )  # fmt: skip
    user = f"Passes: {', '.join(question.passes)}. Models: {spec.name}. Propose one pass to make a small loop smaller."
    return Prompt(question, lambda: (Message("system", _SYSTEM), Message("user", user)))


def check_model(
    spec: ModelSpec, environment: Mapping[str, str] = os.environ, prompt: Prompt | None = None
) -> dict[str, Any]:
    """What came of it, for JSON. error: one line, None for an answer. Never raises for a model that fails.

    prompt: what is asked; None is a small question.

    seconds: of all calls, from the first byte that is sent. note: what was odd about the answer. calls: 1, and one more
    for each thing that the endpoint refuses. structured: "schema", "json" or "text"; None where there is no choice.
    What fails is not tried again.
    """
    ledger = Ledger([spec])
    structured = error = answer = None
    note = ""
    try:
        model = connect(replace(spec, max_retries=0), environment)
        caller = Caller([model], Budget(), ledger)
        try:
            given = caller.ask(spec.name, prompt or small_question(spec), 0)
            answer, note = given.text, given.note
            if not holds_an_answer(answer):
                said = one_line(answer, None)
                raise UnusableAnswer(
                    f"model {spec.name}: answered {said!r}, which names no pass; no search can use that"
                )
            structured = model.form.structured if isinstance(model, NegotiatingModel) else None
        finally:
            caller.close()
    except ColtError as failure:
        error = " ".join(str(failure).split())
        if isinstance(failure, CallError) and failure.kind == "not found":
            error += _has(served_names(spec, environment))
    account = ledger.to_dict()["total"]
    figures = {name: account[name] for name in ("calls", "prompt_tokens", "completion_tokens", "cost", "seconds")}
    return {"error": error, "answer": answer, "note": note, "structured": structured, **figures}
