"""What servers and gateways of certain makes do: refusals in their own words, and where they put what they answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from quirk_bodies import chunks, delta, sends, sends_raw
from quirk_server import ANSWER, USAGE, Handler, Quirk, completion


def form_of(handler: Handler) -> str:
    """What is asked for: "bounds", "schema", "json" or "text"."""
    kind = handler.body.get("response_format", {}).get("type", "text")
    if kind == "json_schema":
        return "bounds" if "maxItems" in json.dumps(handler.body["response_format"]) else "schema"
    return "json" if kind == "json_object" else "text"


def refuses(forms: tuple[str, ...], status: int, body: Any) -> Callable[[Handler], None]:
    """Until it is asked in another form."""

    def respond(handler: Handler) -> None:
        handler.json(body, status) if form_of(handler) in forms else handler.json(completion(ANSWER))

    return respond


def refuses_field(name: str, status: int, body: Any) -> Callable[[Handler], None]:
    def respond(handler: Handler) -> None:
        handler.json(body, status) if name in handler.body else handler.json(completion(ANSWER))

    return respond


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


def in_chunks(handler: Handler) -> None:
    """Of 40 bytes, with a trailer, as HTTP has it."""
    data = json.dumps(completion(ANSWER)).encode()
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for start in range(0, len(data), 40):
        piece = data[start : start + 40]
        handler.wfile.write(b"%x;name=value\r\n%s\r\n" % (len(piece), piece))
    handler.wfile.write(b"0\r\nX-Trailer: 1\r\n\r\n")


def until_it_hangs_up(handler: Handler) -> None:
    handler.wfile.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + json.dumps(completion(ANSWER)).encode()
    )
    handler.hang_up()


def no_http(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    handler.hang_up()


LINES = "\n".join(
    json.dumps(part)
    for part in (delta(content=ANSWER[:9]), delta("stop", content=ANSWER[9:]), {"choices": [], "usage": USAGE})
)

PRODUCTS: dict[str, Quirk] = {
    # Forms that are not taken.
    "OpenAI: no lengths in a schema": Quirk(
        refuses(
            ("bounds",), 400,
            error("Invalid schema for response_format 'joint_action': In context=('properties', 'passes'), 'minItems' "
                  "is not permitted.", type="invalid_request_error", param="response_format"),
        ), requests=2,
    ),
    "OpenAI: too many names in a schema": Quirk(
        refuses(
            ("bounds",), 400,
            error("Invalid schema for response_format 'joint_action': Expected at most 500 enum values in total "
                  "within a schema when using structured outputs, found 741.", param="response_format"),
        ), requests=2,
    ),
    "OpenAI: another name for the limit": Quirk(
        refuses_field(
            "max_tokens", 400,
            error("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
                  "instead.", param="max_tokens", code="unsupported_parameter"),
        ), requests=2,
    ),
    "DeepSeek: no schema": Quirk(
        refuses(("bounds", "schema"), 400, error("This response_format type is unavailable now", param=None)),
        requests=2,
    ),
    "llama.cpp: a grammar that fails": Quirk(
        refuses(("bounds", "schema"), 500, error("failed to parse grammar", code=500, type="server_error")), requests=2,
    ),
    "llama.cpp: two grammars": Quirk(
        refuses(
            ("bounds", "schema"), 400,
            error('Either "json_schema" or "grammar" can be specified, but not both', type="invalid_request_error"),
        ), requests=2,
    ),
    "vLLM: an old one without guided decoding": Quirk(
        refuses(
            ("bounds", "schema", "json"), 400,
            {"object": "error", "message": "guided decoding is not supported by this engine", "code": 400},
        ), requests=3,
    ),
    "Mistral: no seed": Quirk(
        refuses_field(
            "seed", 422,
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]},
        ), requests=2,
    ),
    # A wrong key, name or place.
    "Gemini: a wrong key": Quirk(
        sends([error("API key not valid. Please pass a valid API key.", code=400, status="INVALID_ARGUMENT")], 400),
        "authentication", ("$TEST_KEY",), "nothing",
    ),
    "xAI: a wrong key": Quirk(
        sends({"code": "Client specified an invalid argument", "error": "Incorrect API key provided: ab***."}, 400),
        "authentication", ("$TEST_KEY",), "nothing",
    ),
    "Azure: no deployment": Quirk(
        sends(error("The API deployment for this resource does not exist.", code="DeploymentNotFound"), 404),
        "not found", ("model",), "nothing",
    ),
    "LM Studio: no model": Quirk(
        sends(error("No models loaded. Please load a model in the developer page.", code="model_not_found"), 404),
        "not found", ("No models loaded", "check model"), "nothing",
    ),
    "LM Studio: a wrong path": Quirk(
        sends({"error": "Unexpected endpoint or method. (POST /chat/completions)"}), "not found", ("/v1",), "nothing",
    ),
    "OpenRouter: no provider": Quirk(
        sends(error("No endpoints found matching your data policy.", code=404), 404), "not found", ("data policy",),
        "nothing",
    ),
    "Together: a model on demand": Quirk(
        sends(error("Unable to access non-serverless model m.", code="model_not_available"), 400),
        "bad request", ("check model",), "nothing",
    ),
    "another service": Quirk(no_http, "connection", ("base_url",), "nothing"),
    # Trouble behind it.
    "Ollama: too little memory": Quirk(
        sends(error("model requires more system memory (5.6 GiB) than is available (3.1 GiB)"), 500),
        "server error", ("5.6 GiB",), "nothing",
    ),
    "Hugging Face: loading": Quirk(
        sends({"error": "Model m is currently loading", "estimated_time": 20.0}, 503), "server error", ("loading",),
        "nothing",
    ),
    "Anthropic: overloaded": Quirk(
        sends({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 529),
        "server error", ("Overloaded",), "nothing",
    ),
    "Cloudflare: a time-out": Quirk(
        sends_raw(b"<!DOCTYPE html><title>524: A timeout occurred</title>", 524, "text/html"),
        "server error", ("A timeout occurred",), "nothing",
    ),
    "problem details": Quirk(
        sends({"type": "about:blank", "title": "Bad Gateway", "status": 502, "detail": "no upstream"}),
        "server error", ("no upstream",), "nothing",
    ),
    "Azure: filtered": Quirk(
        sends(error("The response was filtered due to the prompt triggering the content management policy.",
                    code="content_filter", status=400), 400),
        "refusal", ("filtered",), "nothing",
    ),
    "OpenAI: no credit": Quirk(
        sends(error("You exceeded your current quota.", type="insufficient_quota", code="insufficient_quota"), 429),
        "quota", ("add credit",), "nothing",
    ),
    "nginx: too large": Quirk(
        sends_raw(b"<html><h1>413 Request Entity Too Large</h1></html>", 413, "text/html"), "too long", (), "nothing",
    ),
    # How it is answered.
    "in chunks": Quirk(in_chunks),
    "until it hangs up": Quirk(until_it_hangs_up),
    "lines of JSON": Quirk(sends_raw(LINES.encode(), kind="application/x-ndjson")),
    "a stream with carriage returns": Quirk(
        sends_raw(chunks(delta(content=ANSWER), {"choices": [], "usage": USAGE}).replace(b"\n", b"\r\n")),
    ),
    "an end in capitals": Quirk(sends(completion("", "MAX_TOKENS")), "truncated", ("max_output_tokens",)),
    "parsed already": Quirk(sends(completion(None, parsed=json.loads(ANSWER)))),
    "marks of a chat format": Quirk(sends(completion(f"<|channel|>final<|message|>{ANSWER}<|return|></s><|im_end|>"))),
    "thinking in other tags": Quirk(sends(completion('<thinking>{"passes": ["dce"]}</thinking>' + ANSWER))),
    "quotes of a typesetter": Quirk(sends(completion(ANSWER.replace('"', "\u201d")))),
    "DeepSeek: cached tokens": Quirk(
        sends(completion(ANSWER, usage={**USAGE, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36})),
    ),
    "a total alone": Quirk(sends(completion(ANSWER, usage={"total_tokens": 120})), charged="worst prompt"),
}  # fmt: skip
