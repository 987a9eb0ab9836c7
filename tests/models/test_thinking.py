"""Models that think before they answer: how much, room for it, what is kept of it, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from model_helpers import KEY, PRICE, Run, prompt, spec
from quirk_server import ANSWER, Handler, Quirk, QuirkServer, completion
from server import Endpoint

from colt_llvm.core.errors import UsageError
from colt_llvm.models.base import CallError
from colt_llvm.models.form import Form
from colt_llvm.models.openai_compatible import OpenAICompatible
from colt_llvm.models.specs import spec_from_dict, spec_to_dict
from colt_llvm.models.transcript import read_calls

THOUGHT = "The loop reloads what does not change. " * 3
USAGE = {"prompt_tokens": 100, "completion_tokens": 60, "completion_tokens_details": {"reasoning_tokens": 40}}


def thinks_too_long(handler: Handler) -> None:
    """Until it has room for 3,000 tokens."""
    if handler.body["max_tokens"] < 3_000:
        handler.json(completion("", "length", USAGE, reasoning_content=THOUGHT))
    else:
        handler.json(completion(ANSWER, "stop", USAGE, reasoning_content=THOUGHT))


def sends(**message: Any) -> Quirk:
    content, usage = message.pop("content", ANSWER), message.pop("usage", USAGE)
    return Quirk(lambda handler: handler.json(completion(content, "stop", usage, **message)))


QUIRKS = {
    "reasoning_content": sends(reasoning_content=THOUGHT),
    "reasoning": sends(reasoning=THOUGHT),
    "details": sends(reasoning_details=[{"type": "reasoning.text", "text": THOUGHT}, 3]),
    "parts": sends(content=[{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": ANSWER}]),
    "counted apart": sends(
        reasoning_content=THOUGHT,
        usage={**USAGE, "completion_tokens": 20, "total_tokens": 160},
    ),
    "too long": Quirk(thinks_too_long),
    "without end": Quirk(lambda handler: handler.json(completion("<think>hm", "length", USAGE))),
}


@pytest.fixture(scope="module")
def server() -> Iterator[QuirkServer]:
    with QuirkServer(QUIRKS) as running:
        yield running


@pytest.mark.parametrize("name", [name for name in QUIRKS if name not in ("too long", "without end")])
def test_thinking_is_kept_beside_the_answer_and_its_tokens_are_priced(
    server: QuirkServer, tmp_path: Path, name: str
) -> None:
    run = Run([OpenAICompatible(spec(url=server.url(name)), KEY)], tmp_path)
    assert run.caller.ask("small", prompt(), 0).text == ANSWER
    run.close()
    (record,) = read_calls(tmp_path)
    assert record.reasoning == THOUGHT
    assert (record.usage.completion_tokens, record.usage.reasoning_tokens) == (60, 40)
    assert record.cost == pytest.approx((100 * PRICE.input + 60 * PRICE.output) / 1e6)
    assert run.ledger.to_dict()["total"]["reasoning_tokens"] == 40


def test_where_thinking_takes_all_the_next_call_has_more_room_and_so_have_all_after_it(
    server: QuirkServer, tmp_path: Path
) -> None:
    asked = spec(url=server.url("too long"))
    run = Run([OpenAICompatible(asked, KEY)], tmp_path)
    assert run.caller.ask("small", prompt(0), 0).text == ANSWER
    run.caller.ask("small", prompt(1), 1)
    run.close()
    records = read_calls(tmp_path)
    assert [record.error for record in records] == ["truncated", "truncated", None, None]
    assert records[0].reasoning == THOUGHT
    assert records[0].usage.total == 160, "it is paid for"
    again = Run([OpenAICompatible(asked, KEY)], tmp_path, told=[0, 1])
    again.caller.ask("small", prompt(2), 2)
    assert again.ledger.to_dict()["total"]["errors"] == {"truncated": 2}, "a resumed run knows it"
    again.close()


def test_thinking_without_end_is_named_after_as_much_as_the_context_allows(server: QuirkServer) -> None:
    run = Run([OpenAICompatible(spec(url=server.url("without end"), max_retries=9), KEY)])
    with pytest.raises(CallError, match="raise it"):
        run.caller.ask("small", prompt(), 0)
    assert 3 <= run.ledger.spent.calls <= 5


@pytest.mark.parametrize(
    ("reasoning", "sent"),
    [
        ("auto", {}),
        ("low", {"reasoning_effort": "low"}),
        ("high", {"reasoning_effort": "high"}),
        ("off", {"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": False}}),
    ],
)
def test_how_much_a_model_thinks_can_be_said(reasoning: str, sent: dict[str, Any]) -> None:
    with Endpoint() as endpoint:
        model = OpenAICompatible(spec(url=endpoint.url, reasoning=reasoning), KEY)
        model.ask(prompt(), 30)
    body = endpoint.received[0].body
    assert {name: body[name] for name in ("reasoning_effort", "chat_template_kwargs") if name in body} == sent
    assert body["max_tokens"] == {"low": 2_048, "high": 8_704}.get(reasoning, 1_024)


def test_a_setting_that_an_endpoint_does_not_know_is_left_out() -> None:
    with Endpoint() as endpoint:
        endpoint.behave("small", "refuses:reasoning_effort", "refuses:chat_template_kwargs", "ok")
        run = Run([OpenAICompatible(spec(url=endpoint.url, reasoning="off"), KEY)])
        assert json.loads(run.caller.ask("small", prompt(), 0).text)["passes"]
        assert not {"reasoning_effort", "chat_template_kwargs"} & endpoint.received[-1].body.keys()
    assert endpoint.total == 3


def test_answers_differ_where_several_are_wanted_unless_the_user_says_how() -> None:
    with Endpoint() as endpoint:
        model = OpenAICompatible(spec(url=endpoint.url), KEY)
        own = OpenAICompatible(spec(url=endpoint.url, options={"temperature": 0.1}), KEY)
        for asked, more in ((model, {}), (model, {"wanted": 3}), (model, {"in_flight": 1}), (own, {"wanted": 3})):
            asked.ask(prompt(**more), 30)
        assert [received.body.get("temperature") for received in endpoint.received] == [None, 0.8, 0.8, 0.1]


def test_the_setting_is_kept_in_the_run_and_a_word_that_it_does_not_know_refused() -> None:
    kept = spec(reasoning="medium")
    assert spec_from_dict(spec_to_dict(kept)) == kept
    assert kept.output_tokens == 1_024 + 4_096
    with pytest.raises(UsageError, match="use auto, off, low, medium, high"):
        spec_from_dict({**spec_to_dict(kept), "reasoning": "much"})
    assert Form.from_dict(Form(thinking=512).to_dict()).thinking == 512
