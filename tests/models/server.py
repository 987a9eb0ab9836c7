"""An endpoint on 127.0.0.1 that behaves as told, request by request: good, slow, broken or picky.

    with Endpoint() as endpoint:
        endpoint.behave("model-name", "ok", "429", "ok")   # one a request; the last one stays

It counts what arrives, and keeps headers and bodies.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any

from quirk_server import QuietServer

JOINT_ACTION = {"passes": ["licm", "gvn"], "next_model": "small", "reason": "as asked"}
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 40}}


@dataclass(frozen=True)
class Received:
    model: str
    body: dict[str, Any]
    headers: dict[str, str]


class Endpoint:
    """Answers chat completions. key: what it demands; None: it takes anything."""

    def __init__(self, key: str | None = None) -> None:
        self.key = key
        self.received: list[Received] = []
        self.counts: Counter[str] = Counter()
        self.listed = 0
        self.names: list[str] = []  # of the models that it lists
        self.answer: Callable[[dict[str, Any]], str] = lambda body: json.dumps(JOINT_ACTION)
        self.under_way = 0
        self.most_under_way = 0
        self.reached = threading.Semaphore(0)  # released by each request that arrives
        self.released = threading.Event()  # ends those that never answer
        self._behaviours: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        endpoint = self

        class Handler(_Handler):
            owner = endpoint

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def behave(self, model: str, *behaviours: str) -> None:
        with self._lock:
            self._behaviours[model] = list(behaviours)

    def next_behaviour(self, model: str) -> str:
        with self._lock:
            waiting = self._behaviours.get(model, ["ok"])
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def arrived(self, received: Received) -> None:
        with self._lock:
            self.received.append(received)
            self.counts[received.model] += 1
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        self.reached.release()

    def left(self) -> None:
        with self._lock:
            self.under_way -= 1

    def __enter__(self) -> Endpoint:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def completion(content: str | None, finish: str = "stop", **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": USAGE}


class _Handler(BaseHTTPRequestHandler):
    owner: Endpoint
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        """Be silent."""

    def do_GET(self) -> None:
        self.owner.listed += 1
        if not self._allowed():
            return self._refuse(401, f"Incorrect API key provided: {self.headers.get('Authorization')}")
        return self._send(200, {"object": "list", "data": [{"id": name} for name in self.owner.names]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        model = body["model"]
        self.owner.arrived(Received(model, body, dict(self.headers.items())))
        try:
            if not self._allowed():
                return self._refuse(401, f"Incorrect API key provided: {self.headers.get('Authorization')}")
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._behave(self.owner.next_behaviour(model), body)
        finally:
            self.owner.left()

    def _allowed(self) -> bool:
        return self.owner.key is None or self.headers.get("Authorization") == f"Bearer {self.owner.key}"

    def _behave(self, behaviour: str, body: dict[str, Any]) -> None:
        text = self.owner.answer(body)
        word, _, detail = behaviour.partition(":")
        structured = body.get("response_format", {}).get("type", "text")
        if word == "refuses" and detail == "bounds" and '"maxLength"' in str(json.dumps(body)):
            said = "Invalid schema for response_format 'joint_action': in 'reason', 'maxLength' is not permitted"
            return self._refuse(400, said, "response_format")
        if word == "refuses" and detail == "schema" and structured == "json_schema":
            return self._refuse(400, "response_format json_schema is not supported by this model", "response_format")
        if word == "refuses" and detail == "json" and structured != "text":
            return self._refuse(422, "unknown field: response_format")
        if word == "refuses" and detail in body:
            return self._refuse(400, f"Unsupported parameter: '{detail}' is not supported with this model.", detail)
        bodies: dict[str, dict[str, Any]] = {
            "ok": completion(text),
            "refuses": completion(text),
            "fenced": completion(f"Here you are:\n```json\n{text}\n```"),
            "prose": completion("I would hoist the loads first, and then see."),
            "no choices": {**completion(text), "choices": []},
            "no content": completion(None),
            "reasoning": completion(None, reasoning_content=f"So: {text}"),
            "refusal": completion(None, refusal="I cannot help with that."),
            "length": completion(text[:10], "length"),
            "no usage": {**completion(text), "usage": None},
            "parts": completion(None) | {"choices": [{"message": {"content": [{"type": "text", "text": text}]}}]},
            "echo": completion(f"{text} {self.headers.get('Authorization')}"),
        }
        if word in bodies:
            return self._send(200, bodies[word])
        if word == "too long":
            message = "This model's maximum context length is 4096 tokens; you asked for 5000. Reduce max_tokens."
            return self._refuse(400, message, code="context_length_exceeded")
        if word == "no such model":
            return self._refuse(404, f"The model `{body['model']}` does not exist.", code="model_not_found")
        if word == "429":
            return self._refuse(429, "slow down", headers={"Retry-After": detail or "0"})
        if word.isdigit():
            return self._refuse(int(word), f"no: {self.headers.get('Authorization')}")
        if word == "html":
            return self._raw(200, b"<html>It works!</html>", "text/html")
        if word == "half json":
            return self._raw(200, b'{"choices": [{"mess', "application/json")
        if word == "cut":
            data = json.dumps(completion(text)).encode()
            self._raw(200, data[: len(data) // 2], "application/json", length=len(data))
            return self._hang_up()
        if word == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return self._hang_up()
        if word == "never":
            self.owner.released.wait(60)
            return self._hang_up()
        if word == "held":  # answers when the test lets go
            self.owner.released.wait(60)
            return self._send(200, completion(text))
        raise AssertionError(f"unknown behaviour {behaviour}")

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR) if self.connection.getsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER
            ) == 0 else self.connection.close()

    def _refuse(
        self, status: int, message: str, field: str | None = None, code: str = "", headers: dict[str, str] | None = None
    ) -> None:
        self._send(status, {"error": {"message": message, "param": field, "code": code}}, headers)

    def _send(self, status: int, value: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._raw(status, json.dumps(value).encode(), "application/json", headers=headers)

    def _raw(
        self, status: int, data: bytes, kind: str, length: int | None = None, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()
