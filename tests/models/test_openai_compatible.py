"""One request to an endpoint, and whatever comes of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from model_helpers import KEY, prompt, spec
from server import JOINT_ACTION, Endpoint

from colt_llvm.models.base import Answer, CallError, Usage
from colt_llvm.models.failures import retry_after_seconds, scrub
from colt_llvm.models.form import Form, answer_schema
from colt_llvm.models.openai_compatible import OpenAICompatible


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(KEY) as server:
        yield server


def connected(endpoint: Endpoint, key: str | None = KEY, **more: Any) -> OpenAICompatible:
    return OpenAICompatible(spec(url=endpoint.url, **more), key)


def failure(model: OpenAICompatible, timeout: float = 30.0) -> CallError:
    with pytest.raises(CallError) as caught:
        model.ask(prompt(), timeout)
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None, "what lies behind it may hold the request's headers"
    return caught.value


def ask_until_taken(model: OpenAICompatible) -> Answer:
    while True:
        try:
            return model.ask(prompt(), 30)
        except CallError as error:
            if error.kind != "unsupported":
                raise


@pytest.mark.parametrize("behaviour", ["ok", "parts", "no usage"])
def test_answers_with_the_text_that_came(endpoint: Endpoint, behaviour: str) -> None:
    endpoint.behave("small", behaviour)
    assert json.loads(connected(endpoint).ask(prompt(), 30).text) == JOINT_ACTION


@pytest.mark.parametrize(("behaviour", "text"), [("fenced", "```json"), ("prose", "hoist")])
def test_passes_on_text_that_is_no_json(endpoint: Endpoint, behaviour: str, text: str) -> None:
    endpoint.behave("small", behaviour)
    assert text in connected(endpoint).ask(prompt(), 30).text


def test_reads_tokens_with_those_from_the_cache(endpoint: Endpoint) -> None:
    assert connected(endpoint).ask(prompt(), 30).usage == Usage(100, 40, 20)


def test_sends_schema_seed_limit_and_options(endpoint: Endpoint) -> None:
    connected(endpoint, options={"temperature": 0.5}, model="the-model").ask(prompt(), 30)
    (received,) = endpoint.received
    body = received.body
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("the-model", 0.5, 1024)
    assert isinstance(body["seed"], int)
    schema = body["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["properties"]["next_model"]["enum"] == ["small", "large"]
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


def test_the_schema_holds_a_confidence_only_where_one_is_wanted() -> None:
    question = prompt().question
    assert set(answer_schema(question)["properties"]) == {"passes", "next_model", "reason"}
    wanted = answer_schema(replace(question, confidence_wanted=True))
    assert wanted["properties"]["confidence"] == {"type": "number"}
    assert wanted["required"] == list(wanted["properties"])


def test_the_schema_holds_what_may_be_proposed_and_thinks_first() -> None:
    question = replace(
        prompt().question,
        passes=("licm", "gvn"),
        edits=("without<licm>", "without<licm#2>", "noinline<f>", "noinline<g>"),
        promised={"noinline<g>": 0.02, "noinline<f>": 0.01},
    )  # fmt: skip
    properties = answer_schema(question)["properties"]
    assert list(properties) == ["reason", "passes", "next_model"]
    assert properties["passes"]["items"]["enum"] == [
        "licm", "gvn", "without<licm>", "noinline<g>", "noinline<f>", "without<licm#2>"
    ]  # fmt: skip
    assert (properties["passes"]["minItems"], properties["passes"]["maxItems"]) == (1, 6)
    assert properties["reason"]["maxLength"] <= 200
    plain = answer_schema(question, bounded=False)["properties"]
    assert plain["passes"] == {"type": "array", "items": {"type": "string"}}


def test_a_schema_has_no_more_names_than_endpoints_take() -> None:
    question = replace(prompt().question, edits=tuple(f"without<pass-{number}#3>" for number in range(5_000)))
    names = answer_schema(question)["properties"]["passes"]["items"]["enum"]
    assert names[: len(question.passes)] == list(question.passes)
    assert sum(map(len, names)) <= 15_000


def test_takes_nothing_from_the_environment(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "my-organisation")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "my-project")
    monkeypatch.setenv("OPENAI_API_KEY", "another-key")
    connected(endpoint).ask(prompt(), 30)
    sent = str(endpoint.received[0].headers)
    assert not any(word in sent for word in ("my-organisation", "my-project", "another-key"))


@pytest.mark.parametrize(
    ("refused", "form"),
    [
        ("bounds", Form(dropped=("schema bounds",))),
        ("schema", Form("json")),
        ("json", Form("text")),
        ("seed", Form(dropped=("seed",))),
        ("temperature", Form(dropped=("temperature",))),
        ("max_tokens", Form(length="max_completion_tokens")),
    ],
)
def test_leaves_out_what_the_endpoint_refuses_and_remembers(endpoint: Endpoint, refused: str, form: Form) -> None:
    endpoint.behave("small", f"refuses:{refused}")
    model = connected(endpoint, options={"temperature": 0.5})
    assert json.loads(ask_until_taken(model).text) == JOINT_ACTION
    assert model.form == form
    asked = endpoint.total
    model.ask(prompt(), 30)
    assert endpoint.total == asked + 1, "it was found out once"


def test_structured_output_that_was_chosen_is_not_changed(endpoint: Endpoint) -> None:
    endpoint.behave("small", "refuses:schema")
    error = failure(connected(endpoint, structured="schema"))
    assert error.kind == "bad request"
    assert "structured" in str(error)


@pytest.mark.parametrize(
    ("behaviour", "kind", "retryable"),
    [
        ("no choices", "empty", True),
        ("no content", "empty", True),
        ("refusal", "refusal", False),
        ("length", "truncated", False),
        ("too long", "too long", False),
        ("429", "rate limit", True),
        ("400", "bad request", False),
        ("402", "quota", False),
        ("403", "permission", False),
        ("404", "not found", False),
        ("500", "server error", True),
        ("503", "server error", True),
        ("html", "garbage", True),
        ("half json", "garbage", True),
        ("cut", "truncated", True),
        ("reset", "connection", True),
    ],
)
def test_names_the_kind_of_failure(endpoint: Endpoint, behaviour: str, kind: str, retryable: bool) -> None:
    endpoint.behave("small", behaviour)
    error = failure(connected(endpoint))
    assert (error.kind, error.retryable) == (kind, retryable)


def test_an_answer_that_never_comes_times_out(endpoint: Endpoint) -> None:
    endpoint.behave("small", "never")
    assert failure(connected(endpoint), timeout=0.1).kind == "timeout"


def test_a_refused_key_names_the_variable(endpoint: Endpoint) -> None:
    error = failure(connected(endpoint, key="wrong-key-0123456789"))
    assert error.kind == "authentication"
    assert "$TEST_KEY" in str(error)
    assert "wrong-key" not in str(error)


def test_nobody_at_the_address_is_a_connection_failure() -> None:
    error = failure(OpenAICompatible(spec(url="http://127.0.0.1:1/v1"), KEY))
    assert (error.kind, error.retryable) == ("connection", True)


def test_a_failed_call_keeps_what_it_took(endpoint: Endpoint) -> None:
    endpoint.behave("small", "length")
    assert failure(connected(endpoint)).usage == Usage(100, 40, 20)


def test_an_answer_with_the_key_in_it_loses_it(endpoint: Endpoint) -> None:
    endpoint.behave("small", "echo")
    assert KEY not in connected(endpoint).ask(prompt(), 30).text


def test_works_without_a_key() -> None:
    with Endpoint() as endpoint:
        assert connected(endpoint, key=None, key_variable=None).ask(prompt(), 30).text


def test_closes_twice(endpoint: Endpoint) -> None:
    model = connected(endpoint)
    model.ask(prompt(), 30)
    model.close()
    model.close()


def test_waits_as_long_as_the_endpoint_asks() -> None:
    now = datetime(2026, 1, 1, 12, 0, 0, tzinfo=timezone.utc)
    assert retry_after_seconds({"retry-after": "7"}) == 7
    assert retry_after_seconds({"retry-after-ms": "1500"}) == 1.5
    assert retry_after_seconds({"retry-after": "Thu, 01 Jan 2026 12:00:09 GMT"}, now) == 9
    assert retry_after_seconds({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, now) == 0
    for nonsense in ("", "soon", "-1", "nan", "inf"):
        assert retry_after_seconds({"retry-after": nonsense}) is None


def test_scrubs_keys_that_it_was_not_given() -> None:
    said = scrub('Authorization: "Bearer abcdef123456" key sk-abcdef123456', None)
    assert "abcdef" not in said


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:1")
    assert connected(endpoint).ask(prompt(), 30).text
