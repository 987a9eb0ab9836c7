"""What endpoints do that no document promises: one function each, which gets the handler and a sound answer's text.

with QuirkServer() as server:
    server.url("rate limit in a 200")   # base_url of an endpoint that has this quirk
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote

USAGE = {"prompt_tokens": 100, "completion_tokens": 20}
ANSWER = json.dumps({"passes": ["licm", "gvn"], "next_model": "small", "reason": "as asked"})


def completion(content: Any, finish: Any = "stop", usage: Any = USAGE, **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return body if usage is None else {**body, "usage": usage}


class Handler(BaseHTTPRequestHandler):
    """One request. ``count``: of requests for this quirk, from 1 on."""

    owner: QuirkServer
    count: int
    body: dict[str, Any]
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        """Be silent."""

    def do_GET(self) -> None:
        self.json({"object": "list", "data": []})

    def do_POST(self) -> None:
        name = unquote(self.path.split("/")[1])
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.owner.lock:
            self.owner.counts[name] += 1
            self.count = self.owner.counts[name]
        try:
            self.owner.quirks[name].respond(self)
        except OSError:
            self.close_connection = True

    def raw(self, data: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in {"Content_Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def json(self, value: Any, status: int = 200, **headers: str) -> None:
        self.raw(json.dumps(value).encode(), status, **headers)

    def error(self, status: int, message: Any, **more: Any) -> None:
        self.json({"error": {"message": message, **more}}, status)

    def hang_up(self) -> None:
        self.close_connection = True

    def drip(self, piece: bytes, seconds: float = 0.02) -> None:
        """Bytes without end, until the server goes."""
        while not self.owner.over.wait(seconds):
            self.wfile.write(piece)
            self.wfile.flush()
        self.hang_up()


@dataclass(frozen=True)
class Quirk:
    """outcome: "answer", or the kind of failure. says: what the message has to hold.

    charged: tokens that are counted: "told" by the endpoint, "nothing", or at its "worst". requests: that it takes.
    """

    respond: Callable[[Handler], None]
    outcome: str = "answer"
    says: tuple[str, ...] = ()
    charged: str = "told"
    requests: int = 1


class QuietServer(ThreadingHTTPServer):
    """That a client hangs up is what is tested."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class QuirkServer:
    """All quirks on one port of 127.0.0.1. counts: requests by quirk."""

    def __init__(self, quirks: Mapping[str, Quirk]) -> None:
        self.quirks = quirks
        self.counts: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.over = threading.Event()
        server = self

        class Bound(Handler):
            owner = server

        self._server = QuietServer(("127.0.0.1", 0), Bound)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{quote(name, safe='')}/v1"

    def __enter__(self) -> QuirkServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
