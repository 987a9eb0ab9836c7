"""Each quirk of an endpoint is a used answer, or one line that names the remedy; and it costs what it took."""

from __future__ import annotations

import contextlib
import json
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_helpers import KEY, PRICE, Run, prompt, spec
from quirk_server import ANSWER, QuirkServer
from quirks import QUIRKS

from colt_llvm.core.errors import UsageError
from colt_llvm.models.base import CallError, ModelSpec
from colt_llvm.models.form import Form
from colt_llvm.models.openai_compatible import HttpClient, OpenAICompatible, Reply
from colt_llvm.models.specs import key_of
from colt_llvm.models.transcript import read_calls
from colt_llvm.proposal.answer import parse_answer

#: Of quirks that never end; enough for any other on a busy machine.
SECONDS = {"a drip": 0.5, "headers in a drip": 0.5, "never closed": 0.5}


@pytest.fixture(scope="module")
def server() -> Iterator[QuirkServer]:
    with QuirkServer(QUIRKS) as running:
        yield running


def asked(server: QuirkServer, name: str, **more: object) -> ModelSpec:
    return spec(url=server.url(name), **{"timeout_seconds": SECONDS.get(name, 30.0), "max_retries": 0, **more})


@pytest.mark.parametrize("name", QUIRKS)
def test_a_quirk_is_read_or_named(server: QuirkServer, tmp_path: Path, name: str) -> None:
    quirk = QUIRKS[name]
    server.counts[name] = 0
    retries = int(name.endswith("then fine"))
    run = Run([OpenAICompatible(asked(server, name, max_retries=retries), KEY)], tmp_path)
    started = time.monotonic()
    try:
        text, said, kind = run.caller.ask("small", prompt(), 0).text, "", "answer"
    except CallError as error:
        text, said, kind = "", str(error), error.kind
    if kind == "unsupported":
        pytest.fail("it was to be asked again")
    run.close()
    assert time.monotonic() - started < 20, "the whole call has a limit"

    if name != "error with a word behind it":  # which is then asked again without that word
        assert kind == quirk.outcome, said
        assert server.counts[name] == quirk.requests
    if kind == "answer":
        action = parse_answer(text, ("licm", "gvn", "dce"), (), ("small", "large"))
        assert (action.passes, action.next_model) == (("licm", "gvn"), "small")
    else:
        assert "\n" not in said
        assert said.startswith("model small: ")
        assert len(said) < 600
        assert "; " in said, "what to do about it"
        assert all(words in said for words in quirk.says), said
    record = read_calls(tmp_path)[-1]
    total = record.usage.total
    expected = {"nothing": (0, False), "told": (120, False)}.get(quirk.charged)
    if expected is not None:
        assert (total, record.estimated) == expected
    else:
        assert record.estimated
        assert (record.usage.completion_tokens == 1024) == (quirk.charged == "worst")
    assert run.budget.spent.tokens == run.ledger.spent.tokens == total
    assert run.budget.spent.cost == pytest.approx(record.cost)
    assert (record.cost == 0) == (total == 0)
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or KEY[:12] not in path.read_text()
    assert KEY[:12] not in said + text


fields = st.sampled_from(
    ["choices", "message", "delta", "content", "tool_calls", "function", "arguments", "error", "code", "status",
     "usage", "prompt_tokens", "completion_tokens", "prompt_tokens_details", "metadata", "raw", "detail", "loc",
     "finish_reason", "refusal", "reasoning_content", "text", "type", "function_call", "object"]
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([ANSWER, "429"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=4),
    max_leaves=25,
)


def canned(reply: Reply) -> OpenAICompatible:
    model = OpenAICompatible.__new__(OpenAICompatible)  # without a connection
    model.spec, model._key, model._lock, model._form = spec(), KEY, threading.Lock(), Form()
    model._http = Canned(reply)
    return model


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(fields, values, max_size=6), st.sampled_from([200, 201, 302, 400, 404, 422, 500]), st.booleans())
def test_no_body_is_too_strange(body: dict[str, object], status: int, streamed: bool) -> None:
    data = json.dumps(body).encode()
    model = canned(Reply(status, {}, b"data: " + data + b"\n\ndata: [DONE]" if streamed else data))
    failed: CallError | None = None
    try:
        assert model.ask(prompt(), 1.0).text.strip()
    except CallError as error:
        failed = error
    if failed is not None:
        assert str(failed).startswith("model small: ")
        assert failed.usage.total >= 0


def test_no_nesting_is_too_deep() -> None:
    """Around the depth that json still reads."""
    for depth in range(880, 1000):
        for place in (b'{"choices": [{"message": {"content": %s}}]}', b'{"error": %s}'):
            with contextlib.suppress(CallError):
                canned(Reply(200, {}, place % (b'{"a":' * depth + b"1" + b"}" * depth))).ask(prompt(), 1.0)


class Canned(HttpClient):
    """The same reply to everything."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def send(self, method: str, path: str, body: object, seconds: float) -> Reply:
        return self._reply


def test_an_answer_in_the_wrong_place_says_so(server: QuirkServer) -> None:
    for name, words in (
        ("thoughts alone", ("reasoning_content", "thinking")),
        ("a tool call alone", ("a tool call", "structured")),
        ("cut but readable", ("max_output_tokens",)),
        ("in order", ()),
    ):
        note = OpenAICompatible(asked(server, name), KEY).ask(prompt(), 30).note
        assert bool(note) == bool(words)
        assert all(word in note for word in words), note


def test_an_answer_without_end_is_not_kept(server: QuirkServer) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in ("without end", "a refusal without end", "a bomb"):
        with pytest.raises(CallError):
            OpenAICompatible(asked(server, name), KEY).ask(prompt(), 30)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200_000, f"{grown} KB"


def test_time_that_was_left_of_the_run_is_not_called_the_models_own(server: QuirkServer) -> None:
    with pytest.raises(CallError, match=r"in the 0\.2 s that were left; raise --time"):
        OpenAICompatible(asked(server, "a drip", timeout_seconds=60.0), KEY).ask(prompt(), 0.2)


def test_a_wrong_port_and_a_wrong_protocol_name_the_remedy(server: QuirkServer) -> None:
    for url in (
        "http://127.0.0.1:1/v1",
        server.url("in order").replace("http:", "https:"),
        "http://no-such-host.invalid/v1",
    ):
        with pytest.raises(CallError) as caught:
            OpenAICompatible(spec(url=url), KEY).ask(prompt(), 30)
        assert caught.value.kind == "connection"
        assert "base_url" in str(caught.value)
        assert not caught.value.charged_unknown  # type: ignore[attr-defined]


def test_a_proxy_that_cannot_be_used_is_named_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:1")
    with pytest.raises(UsageError, match="NO_PROXY"):
        OpenAICompatible(spec(url="http://models.example.org/v1"), KEY)


def test_a_proxy_that_is_down_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with pytest.raises(CallError, match="NO_PROXY"):
        OpenAICompatible(spec(url="http://models.example.org/v1"), KEY).ask(prompt(), 30)


@pytest.mark.parametrize("key", ["abc def", "schl\u00fcssel-123456", "abc\ndef-0123456"])
def test_what_cannot_be_a_key_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(UsageError, match=r"\$TEST_KEY") as caught:
        key_of(spec(), {"TEST_KEY": key})
    assert key not in str(caught.value)


def test_what_a_call_took_is_priced_as_told(server: QuirkServer, tmp_path: Path) -> None:
    run = Run([OpenAICompatible(asked(server, "usage as text"), KEY)], tmp_path)
    run.caller.ask("small", prompt(), 0)
    assert run.ledger.to_dict()["total"]["cost"] == pytest.approx((100 * PRICE.input + 20 * PRICE.output) / 1e6)


def test_tokens_that_a_provider_had_cached_are_priced_as_such_however_it_says_so(
    server: QuirkServer, tmp_path: Path
) -> None:
    run = Run([OpenAICompatible(asked(server, "DeepSeek: cached tokens"), KEY)], tmp_path)
    run.caller.ask("small", prompt(), 0)
    cost = (36 * PRICE.input + 64 * PRICE.cached + 20 * PRICE.output) / 1e6
    assert run.ledger.to_dict()["total"]["cost"] == pytest.approx(cost)
