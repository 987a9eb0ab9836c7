"""Bodies of replies: what stands around an answer, where its text is, and what it says that it took."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

from quirk_server import ANSWER, USAGE, Handler, Quirk, completion


def chunks(*parts: Any, done: bool = True) -> bytes:
    lines = [f"data: {json.dumps(part)}\n\n" for part in parts]
    return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


def delta(finish: Any = None, **part: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": part, "finish_reason": finish}]}


def sends(value: Any, status: int = 200, **headers: str) -> Callable[[Handler], None]:
    return lambda handler: handler.json(value, status, **headers)


def sends_raw(
    data: bytes, status: int = 200, kind: str = "application/json", **headers: str
) -> Callable[[Handler], None]:
    return lambda handler: handler.raw(data, status, kind, **headers)


BODIES: dict[str, Quirk] = {
    # What stands around it.
    "in order": Quirk(sends(completion(ANSWER))),
    "byte order mark": Quirk(sends_raw(b"\xef\xbb\xbf" + json.dumps(completion(ANSWER)).encode())),
    "utf-16": Quirk(sends_raw(json.dumps(completion(ANSWER)).encode("utf-16"))),
    "latin-1": Quirk(
        sends_raw(
            json.dumps(completion(ANSWER + " caf\u00e9"), ensure_ascii=False).encode("latin-1"),
            kind="application/json; charset=iso-8859-1",
        )
    ),
    "unknown charset": Quirk(
        sends_raw(b"\xff" + json.dumps(completion(ANSWER)).encode(), kind="text/plain; charset=x-odd")
    ),
    "invalid utf-8": Quirk(sends_raw(json.dumps(completion(ANSWER + "?")).encode().replace(b"?", b"\xff\xfe"))),
    "comments first": Quirk(sends_raw(b": OPENROUTER PROCESSING\n\n" * 3 + json.dumps(completion(ANSWER)).encode())),
    "empty lines first": Quirk(sends_raw(b"\n\n  \r\n" + json.dumps(completion(ANSWER)).encode())),
    "something after it": Quirk(sends_raw(json.dumps(completion(ANSWER)).encode() + b"\n{}\ntrailer")),
    "a list of one": Quirk(sends([completion(ANSWER)])),
    "JSON in a string": Quirk(sends(json.dumps(completion(ANSWER)))),
    "wrong content type": Quirk(sends_raw(json.dumps(completion(ANSWER)).encode(), kind="text/html")),
    "packed without a word": Quirk(sends_raw(gzip.compress(json.dumps(completion(ANSWER)).encode()))),
    "packed in a word alone": Quirk(sends_raw(json.dumps(completion(ANSWER)).encode(), Content_Encoding="gzip")),
    "packed otherwise": Quirk(sends_raw(b"\x0b\x02\x80", Content_Encoding="br"), "garbage", ("br",), "nothing"),
    "a bomb": Quirk(sends_raw(gzip.compress(b" " * 50_000_000)), "empty", (), "worst"),
    "not a number": Quirk(sends_raw(json.dumps(completion(ANSWER) | {"created": float("nan")}).encode())),
    "duplicate keys": Quirk(
        sends_raw(json.dumps(completion(ANSWER)).encode().replace(b'{"id"', b'{"choices": [], "id"'))
    ),
    "deep nesting": Quirk(sends_raw(b'{"choices":' + b"[" * 100_000), "garbage", (), "worst"),
    "half an answer": Quirk(sends_raw(b'{"choices": [{"mess'), "garbage", (), "worst"),
    "another model": Quirk(sends(completion(ANSWER) | {"model": "gpt-unknown"})),
    "of another protocol": Quirk(sends({"message": {"content": ANSWER}, "done": True}), "empty", ("/v1",), "nothing"),
    # Streams that nobody asked for.
    "stream": Quirk(
        sends_raw(
            chunks(delta(content=ANSWER[:9]), delta("stop", content=ANSWER[9:]), {"choices": [], "usage": USAGE}),
            kind="text/event-stream",
        )
    ),
    "stream without usage": Quirk(sends_raw(chunks(delta(content=ANSWER), done=False)), charged="worst prompt"),
    "stream of one event": Quirk(sends_raw(b"event: message\n" + chunks(completion(ANSWER)))),
    "stream of thoughts": Quirk(
        sends_raw(
            chunks(
                delta(reasoning_content="so " + ANSWER[:30]),
                delta(reasoning_content=ANSWER[30:]),
                {"choices": [], "usage": USAGE},
            )
        )
    ),
    "stream of a tool call": Quirk(
        sends_raw(
            chunks(
                *(
                    delta(tool_calls=[{"index": 0, "function": {"arguments": part}}])
                    for part in (ANSWER[:20], ANSWER[20:])
                ),
                {"choices": [], "usage": USAGE},
            )
        )
    ),
    # Where the text is.
    "thoughts alone": Quirk(sends(completion(None, reasoning_content="hm " + ANSWER))),
    "thoughts without a proposal": Quirk(
        sends(completion("", reasoning="hm, passes")), "empty", ("reasoning", "thinking"), "told"
    ),
    "a tool call alone": Quirk(
        sends(completion(None, "tool_calls", tool_calls=[{"function": {"name": "json", "arguments": ANSWER}}]))
    ),
    "a tool call with an object": Quirk(
        sends(completion(None, tool_calls=[{"function": {"arguments": json.loads(ANSWER)}}]))
    ),
    "a function call": Quirk(
        sends(completion(None, "function_call", function_call={"name": "f", "arguments": ANSWER}))
    ),
    "a tool call of nothing": Quirk(
        sends(completion(None, tool_calls=[{"function": {"arguments": "{}"}}])),
        "empty",
        ("a tool call", "structured"),
        "told",
    ),
    "parts": Quirk(
        sends(completion([{"type": "thinking", "text": "passes: [dce]"}, {"type": "text", "text": ANSWER}]))
    ),
    "parts as strings": Quirk(sends(completion([ANSWER[:10], ANSWER[10:]]))),
    "an object for a text": Quirk(sends(completion(json.loads(ANSWER)))),
    "quoted": Quirk(sends(completion(json.dumps(ANSWER)))),
    "quoted inside": Quirk(sends(completion(json.dumps({"answer": ANSWER})))),
    "thinking tags": Quirk(sends(completion('<think>{"passes": ["dce"]}</think>' + ANSWER))),
    "only the end of thinking": Quirk(sends(completion('perhaps {"passes": ["dce"]}\n</think>\n' + ANSWER))),
    "fences": Quirk(sends(completion(f"Sure:\n```json\n{ANSWER}\n```\nGood luck."))),
    "several objects": Quirk(sends(completion('{"passes": ["dce"]}\n' + ANSWER + '\n{"done": true}'))),
    "completions of old": Quirk(sends({"choices": [{"text": ANSWER, "finish_reason": "stop"}], "usage": USAGE})),
    "a message that is a text": Quirk(sends({"choices": [{"message": ANSWER}], "usage": USAGE})),
    "choices as an object": Quirk(sends({"choices": {"0": {"message": {"content": ANSWER}}}, "usage": USAGE})),
    "no choice": Quirk(sends({"choices": [], "usage": USAGE}), "empty", ("no choices",), "told"),
    "null for choices": Quirk(sends({"choices": None, "usage": USAGE}), "empty", ("no choices",), "told"),
    "null in choices": Quirk(sends({"choices": [None], "usage": USAGE}), "empty", ("no choices",), "told"),
    "no text": Quirk(sends(completion("  ")), "empty", ("without text",), "told"),
    "refusal": Quirk(sends(completion(None, refusal="I cannot.")), "refusal", ("I cannot.",), "told"),
    "filtered": Quirk(sends(completion("", "content_filter")), "refusal", ("filtered",), "told"),
    "cut but readable": Quirk(sends(completion(ANSWER[:-14], "length"))),
    "cut in a name": Quirk(sends(completion('{"next_model": "small", "passes": ["licm", "gvn", "loop-unr', "length"))),
    "cut too early": Quirk(sends(completion('{"passes": [', "length")), "truncated", ("max_output_tokens",), "told"),
    "cut in its thoughts": Quirk(
        sends(completion("", "length", reasoning_content="well")), "truncated", ("thinking",), "told"
    ),
    # What it took.
    "no usage": Quirk(sends(completion(ANSWER, usage=None)), charged="worst prompt"),
    "null for usage": Quirk(
        sends(completion(ANSWER, usage={"prompt_tokens": None, "completion_tokens": None})), charged="worst prompt"
    ),
    "usage as text": Quirk(sends(completion(ANSWER, usage={"prompt_tokens": "100", "completion_tokens": "20"}))),
    "usage in fractions": Quirk(sends(completion(ANSWER, usage={"prompt_tokens": 99.5, "completion_tokens": 19.2}))),
    "usage by other names": Quirk(sends(completion(ANSWER, usage={"input_tokens": 100, "output_tokens": 20}))),
    "negative usage": Quirk(
        sends(completion(ANSWER, usage={"prompt_tokens": 100, "completion_tokens": -5})), charged="worst prompt"
    ),
    "absurd usage": Quirk(
        sends(completion(ANSWER, usage={"prompt_tokens": 10**30, "completion_tokens": 5})), charged="worst prompt"
    ),
    "usage in a list": Quirk(sends(completion(ANSWER, usage=[100, 20])), charged="worst prompt"),
}
