"""What endpoints do that no document promises: errors, statuses, and the ways in which a reply is sent."""

from __future__ import annotations

import json
from collections.abc import Callable

from quirk_bodies import BODIES, chunks, delta, sends, sends_raw
from quirk_products import PRODUCTS
from quirk_server import ANSWER, USAGE, Handler, Quirk, completion


def wrongly_chunked(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"this is no length\r\n" + json.dumps(completion(ANSWER)).encode())
    handler.hang_up()


def never_closed(handler: Handler) -> None:
    """The whole answer, promised to be longer, and a connection that stays."""
    data = json.dumps(completion(ANSWER)).encode()
    handler.raw(data, Content_Length=str(len(data) + 100))
    handler.owner.over.wait(60)
    handler.hang_up()


def broken_off(data: bytes) -> Callable[[Handler], None]:
    def respond(handler: Handler) -> None:
        handler.raw(data, Content_Length=str(len(data) + 100))
        handler.hang_up()

    return respond


def old_protocol(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(completion(ANSWER)).encode())
    handler.hang_up()


def dripping(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    handler.drip(b" ")


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    while not handler.owner.over.is_set():
        handler.wfile.write(b"x" * 65_536)


def endless_refusal(handler: Handler) -> None:
    handler.send_response(500)
    handler.send_header("Connection", "close")
    handler.end_headers()
    while not handler.owner.over.is_set():
        handler.wfile.write(b"<p>" * 20_000)


def slow_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    handler.drip(b"X: 1\r\n")


def first_fails(status: int, message: str) -> Callable[[Handler], None]:
    def respond(handler: Handler) -> None:
        handler.error(status, message) if handler.count == 1 else handler.json(completion(ANSWER))

    return respond


def no_system_role(handler: Handler) -> None:
    if handler.body["messages"][0]["role"] == "system":
        return handler.error(400, "System role not supported")
    assert "You tune." in handler.body["messages"][0]["content"]
    return handler.json(completion(ANSWER))


def no_schema_in_a_200(handler: Handler) -> None:
    if "response_format" in handler.body:
        return handler.json({"error": {"message": "response_format is not supported", "code": 400}})
    return handler.json(completion(ANSWER))


def no_extra_fields(handler: Handler) -> None:
    extra = [name for name in handler.body if name not in ("model", "messages", "max_tokens")]
    if extra:
        detail = [
            {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}
            for name in extra
        ]
        return handler.json({"detail": detail}, 422)
    return handler.json(completion(ANSWER))


def echoes_the_key(handler: Handler) -> None:
    key = handler.headers["Authorization"].removeprefix("Bearer ")
    handler.raw(("x" * 190 + key + " " * 5980 + key + "x" * 100).encode(), 400, "text/plain")


QUIRKS: dict[str, Quirk] = {
    # An error under status 200.
    "rate limit in a 200": Quirk(
        sends({"error": {"message": "Provider returned error", "code": 429}}),
        "rate limit",
        ("200", "429", "Provider returned error", "concurrency"),
        "nothing",
    ),
    "error in a choice": Quirk(
        sends({"choices": [{"finish_reason": "error", "error": {"code": 502, "message": "upstream"}, "message": {}}]}),
        "server error",
        ("502", "upstream"),
        "nothing",
    ),
    "error with usage": Quirk(
        sends({"error": {"message": "died", "code": "503"}, "usage": USAGE}), "server error", ("503", "died")
    ),
    "error as text": Quirk(sends({"error": "model is overloaded"}), "server error", ("overloaded",), "nothing"),
    "error as a list": Quirk(
        sends([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota per minute"}}]),
        "rate limit",
        ("Quota per minute",),
        "nothing",
    ),
    "error with a word for a code": Quirk(
        sends({"error": {"message": "no", "type": "authentication_error", "code": "invalid_api_key"}}),
        "authentication",
        ("$TEST_KEY",),
        "nothing",
    ),
    "error with a word behind it": Quirk(
        sends({"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": "bad seed here"}}}),
        "unsupported",
        ("bad seed here",),
        "nothing",
    ),
    "error without a reason": Quirk(
        sends({"error": {}, "object": "error", "message": "odd"}), "server error", ("odd",), "nothing"
    ),
    "error of vLLM": Quirk(
        sends({"object": "error", "message": "The model `m` does not exist.", "type": "NotFoundError", "code": 404}),
        "not found",
        ("check model",),
        "nothing",
    ),
    "detail in a 200": Quirk(sends({"detail": "Not Found"}), "not found", ("/v1",), "nothing"),
    "too long in a 200": Quirk(
        sends({"error": {"message": "This model's maximum context length is 4096 tokens", "code": 400}}),
        "too long",
        ("context_tokens",),
        "nothing",
    ),
    "no credit in a 200": Quirk(
        sends({"error": {"message": "Insufficient credits", "code": 402}}), "quota", ("add credit",), "nothing"
    ),
    "error in a stream": Quirk(
        sends_raw(chunks(delta(content="{"), {"error": {"message": "gone", "code": 502}}), kind="text/event-stream"),
        "server error",
        ("gone",),
        "nothing",
    ),
    "schema refused in a 200": Quirk(no_schema_in_a_200, requests=3),
    # Statuses.
    "wrong key": Quirk(lambda h: h.error(401, "Incorrect API key"), "authentication", ("$TEST_KEY",), "nothing"),
    "no access": Quirk(lambda h: h.error(403, "not for you"), "permission", ("ask for access",), "nothing"),
    "no credit": Quirk(lambda h: h.error(402, "pay"), "quota", ("add credit",), "nothing"),
    "unknown model": Quirk(
        lambda h: h.error(404, 'model "m" not found, try pulling it first'),
        "not found",
        ("pulling", "check model"),
        "nothing",
    ),
    "wrong path": Quirk(sends({"detail": "Not Found"}, 404), "not found", ("base_url", "/v1"), "nothing"),
    "wrong method": Quirk(sends({"detail": "Method Not Allowed"}, 405), "not found", ("base_url",), "nothing"),
    "context exceeded": Quirk(
        lambda h: h.error(
            400, "the request exceeds the available context size (512 tokens)", type="exceed_context_size_error"
        ),
        "too long",
        ("context_tokens",),
        "nothing",
    ),
    "context exceeded as 500": Quirk(lambda h: h.error(500, "context window is full"), "too long", (), "nothing"),
    "rate limit": Quirk(sends({"error": "slow down"}, 429, Retry_After="1"), "rate limit", ("slow down",), "nothing"),
    "rate limit for years": Quirk(
        sends({"error": "slow down"}, 429, Retry_After="Wed, 21 Oct 2099 07:28:00 GMT"), "rate limit", (), "nothing"
    ),
    "rate limit for a day": Quirk(
        sends({"error": "later"}, 429, Retry_After="86400"), "rate limit", ("asks to wait 24 hours",), "nothing"
    ),
    "rate limit for nonsense": Quirk(sends({}, 429, Retry_After="1e999"), "rate limit", (), "nothing"),
    "500 then fine": Quirk(first_fails(500, "oh"), requests=2),
    "loading then fine": Quirk(first_fails(503, "Loading model"), requests=2),
    "page of a proxy": Quirk(
        sends_raw(b"<html><style>b {x}</style><h1>503 Service Unavailable</h1></html>", 503, "text/html"),
        "server error",
        (": 503 Service Unavailable;",),
        "nothing",
    ),
    "error that is nested": Quirk(
        sends({"error": {"error": {"message": {"detail": "deep down"}}}}, 400), "bad request", ("deep down",), "nothing"
    ),
    "error that is a number": Quirk(sends({"error": 17}, 400), "bad request", ("17",), "nothing"),
    "plain text error": Quirk(sends_raw(b"nope", 400, "text/plain"), "bad request", ("nope",), "nothing"),
    "no system role": Quirk(no_system_role, requests=2),
    "no extra fields": Quirk(no_extra_fields, requests=4),
    "echoes the key": Quirk(echoes_the_key, "bad request", (), "nothing"),
    "redirect": Quirk(sends({}, 307, Location="/in%20order/v1/chat/completions")),
    "redirect in a circle": Quirk(
        sends({}, 307, Location="/redirect%20in%20a%20circle/v1/chat/completions"),
        "not found",
        ("circle", "base_url"),
        "nothing",
        requests=21,
    ),
    "redirect to nowhere": Quirk(sends({}, 302), "not found", ("base_url",), "nothing"),
    "page of a captive portal": Quirk(
        sends_raw(b"<html><body onload='{}'>Sign in</body></html>", 200, "text/html"),
        "garbage",
        ("Sign in", "base_url"),
        "nothing",
    ),
    "nothing at all": Quirk(sends_raw(b""), "empty", ("an empty answer",), "worst"),
    "no content": Quirk(sends_raw(b"", 204), "empty", (), "worst"),
    # How it is sent.
    "wrongly chunked": Quirk(wrongly_chunked, "connection", ("base_url",), "nothing"),
    "broken off behind the answer": Quirk(broken_off(json.dumps(completion(ANSWER)).encode())),
    "broken off in the answer": Quirk(
        broken_off(json.dumps(completion(ANSWER)).encode()[:120]), "truncated", ("broke off",), "worst"
    ),
    "never closed": Quirk(never_closed),
    "HTTP/1.0": Quirk(old_protocol),
    "a drip": Quirk(dripping, "timeout", ("timeout_seconds",), "worst"),
    "headers in a drip": Quirk(slow_headers, "timeout", ("timeout_seconds",), "worst"),
    "without end": Quirk(endless, "garbage", ("4 MB",), "nothing"),
    "a refusal without end": Quirk(endless_refusal, "server error", (), "nothing"),
} | BODIES
QUIRKS |= PRODUCTS
