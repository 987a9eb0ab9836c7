"""How long prompts may be: learned from what endpoints count, and from what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from model_helpers import KEY, Run, prompt, spec
from quirk_server import ANSWER, Handler, Quirk, QuirkServer, completion

from colt_llvm.models.base import CallError, Message, Prompt, Usage
from colt_llvm.models.openai_compatible import OpenAICompatible
from colt_llvm.models.prompt_size import PromptSizes
from colt_llvm.models.transcript import CallRecord, read_calls

ANSWERED = CallRecord(0, "d", "expand", "small", 1, "{}", estimated_prompt=2_000)

#: What servers say of a prompt that is too long, the context that they name, and the tokens that they counted.
REFUSALS = {
    "llama.cpp": (
        {
            "error": {
                "code": 400, "message": "the request exceeds the available context size, try increasing it",
                "type": "exceed_context_size_error", "n_prompt_tokens": 5031, "n_ctx": 4096,
            }
        }, 4096, 5031,
    ),
    "OpenAI": (
        {
            "error": {
                "message": "This model's maximum context length is 4097 tokens. However, you requested 5024 tokens "
                "(4000 in the messages, 1024 in the completion).", "code": "context_length_exceeded",
            }
        }, 4097, 4000,
    ),
    "OpenAI later": (
        {
            "error": {
                "message": "This model's maximum context length is 128000 tokens. However, your messages resulted in "
                "130,412 tokens. Please reduce the length of the messages.", "code": "context_length_exceeded",
            }
        }, 128000, 130412,
    ),
    "vLLM": (
        {
            "object": "error", "message": "This model's maximum context length is 2048 tokens. However, your request "
            "has 3110 input tokens. Please reduce the length of the input messages.", "code": 400,
        }, 2048, 3110,
    ),
    "TGI": (
        {
            "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` "
            "tokens and 512 `max_new_tokens`", "error_type": "validation",
        }, 4096, 5000,
    ),
    "LM Studio": (
        {
            "error": "Trying to keep the first 4859 tokens when context the overflows. However, the model is loaded "
            "with context length of only 4096 tokens, which is not enough.",
        }, 4096, 0,
    ),
    "Anthropic": ({"error": {"message": "prompt is too long: 210331 tokens > 200000 maximum"}}, 200000, 210331),
    "Gemini": (
        {
            "error": {
                "message": "The input token count (1100012) exceeds the maximum number of tokens allowed (1048576).",
                "code": 400, "status": "INVALID_ARGUMENT",
            }
        }, 1048576, 1100012,
    ),
    "no number": ({"error": {"message": "context window is full", "code": 400}}, 0, 0),
}  # fmt: skip


def refuses(name: str) -> Quirk:
    return Quirk(lambda handler: handler.json(REFUSALS[name][0], 400))


def cuts(handler: Handler) -> None:
    handler.json(completion(ANSWER, usage={"prompt_tokens": 2_048, "completion_tokens": 20}))


@pytest.fixture(scope="module")
def server() -> Iterator[QuirkServer]:
    with QuirkServer({**{name: refuses(name) for name in REFUSALS}, "cuts": Quirk(cuts)}) as running:
        yield running


def long_prompt(request_id: int = 0, tokens: int = 6_000) -> Prompt:
    return Prompt(prompt(request_id).question, lambda: (Message("user", "Propose passes.", tokens),))


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_says_what_the_context_holds(server: QuirkServer, tmp_path: Path, name: str) -> None:
    _, context, counted = REFUSALS[name]
    asked = spec(url=server.url(name), context_tokens=2_000_000, prompt_tokens=2_000_000, max_retries=0)
    run = Run([OpenAICompatible(asked, KEY)], tmp_path)
    before = run.caller.room("small")
    with pytest.raises(CallError, match="context_tokens"):
        run.caller.ask("small", long_prompt(tokens=max(counted, 1_000)), 0)
    run.close()
    (record,) = read_calls(tmp_path)
    assert (record.error, record.context_tokens, record.counted_prompt) == ("too long", context, counted)
    room = run.caller.room("small")
    assert room == before if not context else context / 1.15 - 1_024 <= room <= context - 1_024
    again = Run([OpenAICompatible(asked, KEY)], tmp_path, told=[0])
    assert again.caller.room("small") == room, "a resumed run knows it too"
    again.close()


def test_what_is_counted_corrects_the_estimate() -> None:
    sizes = PromptSizes([spec(prompt_tokens=3_000)])
    rooms = []
    for _ in range(4):
        rooms.append(sizes.room("small"))
        sizes.observe(replace(ANSWERED, usage=Usage(1_500, 0, 20)))
    assert rooms[:3] == [3_000] * 3, "a few replies decide nothing"
    assert rooms[3] == int(3_000 / 0.8), "three quarters are counted, and a little is spared"
    for _ in range(40):
        sizes.observe(replace(ANSWERED, usage=Usage(2_600, 0, 20)))
    assert sizes.room("small") == int(3_000 / 1.3)


def test_a_prompt_is_no_longer_than_the_context_or_the_setting_allows() -> None:
    assert PromptSizes([spec()]).room("small") == 3_000
    assert PromptSizes([spec(context_tokens=4_096, prompt_tokens=9_000)]).room("small") == 3_072
    assert PromptSizes([spec(context_tokens=4_096)]).room("small", thinking=1_000) == 2_072
    assert PromptSizes([spec(prompt_tokens=8_000)]).room("small") == 8_000


def test_an_endpoint_that_cuts_without_a_word_is_named_and_gets_shorter_prompts(server: QuirkServer) -> None:
    run = Run([OpenAICompatible(spec(url=server.url("cuts"), prompt_tokens=8_000), KEY)])
    run.caller.ask("small", long_prompt(), 0)
    (note,) = run.caller.sizes.notes()
    assert note.startswith("small: its endpoint counted 2,048 prompt tokens of about 6,000, so it cuts long prompts; ")
    assert "context_tokens" in note
    assert run.caller.room("small") == 2_048


def test_a_count_that_is_no_count_changes_nothing_but_is_named() -> None:
    sizes = PromptSizes([spec()])
    for _ in range(5):
        sizes.observe(replace(ANSWERED, usage=Usage(12, 0, 20)))
    assert sizes.room("small") == 3_000
    assert len(sizes.notes()) == 1


def test_an_endpoint_that_counts_only_what_it_had_not_cached_does_not_cut() -> None:
    sizes = PromptSizes([spec()])
    for counted in (1_500, 300, 1_450, 120, 450):
        sizes.observe(replace(ANSWERED, usage=Usage(counted, 0, 20)))
    assert (sizes.room("small"), sizes.notes()) == (3_000, [])
    sizes.observe(replace(ANSWERED, usage=Usage(450, 0, 20)))
    assert len(sizes.notes()) == 1, "the very same number twice is what it cuts to"
