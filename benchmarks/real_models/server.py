"""A real server for one model on this machine, in a process of its own that ends with this one, however that ends.

As a module, ``python -m benchmarks.real_models.server LIBRARY WEIGHTS NAME CONTEXT ADDRESS_FILE``: serves until its
standard input is closed, and writes where it can be asked to the last file.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from colt_llvm.core.errors import ColtError
from colt_llvm.core.files import write_file

CONTEXT_TOKENS = 4_096
_START_SECONDS = 180.0
_END_SECONDS = 10.0
_METRICS_SECONDS = 30.0


class ServerFailed(ColtError):
    """The server did not start, or is gone."""


@dataclass(frozen=True)
class Counted:
    """Tokens as the server counts them, since it was started."""

    prompt: int = 0  # those of the cache included
    cached: int = 0
    completion: int = 0


@dataclass(frozen=True)
class Server:
    """One that runs. url: without /v1."""

    name: str
    url: str

    def counted(self) -> Counted:
        """What it has read and written so far. Raises ServerFailed."""
        try:
            with urlopen(f"{self.url}/metrics", timeout=_METRICS_SECONDS) as response:
                return counted_in(response.read().decode())
        except OSError as error:
            raise ServerFailed(f"{self.name}: its server is gone ({error}); run again to go on") from None


def counted_in(metrics: str) -> Counted:
    """Of llama.cpp's metrics; there the cache's tokens are apart."""
    found = {name: int(float(value)) for name, value in re.findall(r"^llamacpp:(\w+) ([-+.\deE]+)$", metrics, re.M)}
    cached = found.get("prompt_tokens_cached_total", 0)
    return Counted(found.get("prompt_tokens_total", 0) + cached, cached, found.get("tokens_predicted_total", 0))


@contextlib.contextmanager
def serving(library: Path, weights: Path, name: str, folder: Path) -> Iterator[Server]:
    """A server while the block runs. folder: for its log. Raises ServerFailed where it does not start."""
    folder.mkdir(parents=True, exist_ok=True)
    address, log = folder / f"{name}.address", folder / f"{name}.log"
    address.unlink(missing_ok=True)
    argv = [sys.executable, "-m", __name__, str(library), str(weights), name, str(CONTEXT_TOKENS), str(address)]
    with log.open("wb") as lines:
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=lines, stderr=lines, start_new_session=True)
    try:
        until = time.monotonic() + _START_SECONDS
        while not address.is_file():
            if child.poll() is not None or time.monotonic() > until:
                raise ServerFailed(
                    f"{name}: its server did not start, see {log}; it needs x86-64 with AVX2 and 2 GB of memory, "
                    "or name an endpoint of your own: --models models.toml"
                )
            time.sleep(0.05)
        yield Server(name, address.read_text().strip())
    finally:
        assert child.stdin is not None
        child.stdin.close()
        try:
            child.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def serve(library: str, weights: str, name: str, context_tokens: int, address: str) -> None:
    """Serve with one slot and one thread until standard input ends."""
    sys.path.insert(0, library)
    api: Any = importlib.import_module("xllamacpp")
    options = api.CommonParams()
    options.model.path, options.model_alias = weights, {name}
    options.hostnames, options.port = ["127.0.0.1"], 0
    options.n_ctx, options.n_parallel, options.n_gpu_layers = context_tokens, 1, 0
    options.cpuparams.n_threads = options.cpuparams_batch.n_threads = 1
    options.endpoint_metrics = True
    server = api.Server(options)
    write_file(Path(address), server.listening_address)
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
