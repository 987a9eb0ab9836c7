"""HTTP requests to one endpoint, each within a time and a size. Nothing is tried again here."""

from __future__ import annotations

import contextlib
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from colt_llvm import __version__
from colt_llvm.core.errors import UsageError
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.failures import is_local, one_line

#: Far above any answer: what is longer is none, and is not kept in memory.
LONGEST_BODY = 4 << 20
_GZIP = b"\x1f\x8b"


class BodyTooLong(Exception):
    """More came than LONGEST_BODY."""


@dataclass(frozen=True)
class Reply:
    """What came back. headers: by lower-case name. data: the body, as far as it came.

    broken: what ended the body early; None for a whole one. place: the address that answered, where requests were
    redirected; "" where they were not.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    data: bytes = b""
    broken: BaseException | None = None
    place: str = ""

    @property
    def text(self) -> str:
        """The body as text: unpacked where it is packed, whatever the headers say; never raises."""
        data = self.data
        if data.startswith(_GZIP):
            with contextlib.suppress(zlib.error):
                data = zlib.decompressobj(wbits=31).decompress(data, LONGEST_BODY)
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16", "replace")
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode("utf-8-sig")
        _, _, charset = self.headers.get("content-type", "").lower().partition("charset=")
        with contextlib.suppress(LookupError, ValueError):
            return data.decode(charset.split(";")[0].strip("\"' ") or "utf-8")
        return data.decode("utf-8", "replace")


class HttpClient:
    """Thread-safe. Made before any clock of a call runs, for loading what it needs takes a second or two.

    Raises UsageError where the environment's proxy or certificates cannot be used.
    """

    def __init__(self, spec: ModelSpec, key: str | None) -> None:
        import openai

        self._base_url = (spec.base_url or "").rstrip("/")
        said = ""
        try:
            # An endpoint on this machine is not behind the proxy that the environment names. What is packed could be
            # small on its way and endless here, so nothing is asked for packed.
            self._http: Any = openai.DefaultHttpxClient(
                trust_env=not is_local(spec),
                headers={
                    "Authorization": f"Bearer {key or 'none'}",
                    "Accept-Encoding": "identity",
                    "User-Agent": f"colt-llvm/{__version__}",
                },
            )
        except Exception as error:
            said = one_line(str(error) or type(error).__name__, key)
        if said:
            raise UsageError(
                f"model {spec.name}: {said}; mend the proxy or the certificates that the environment names, or put the "
                "endpoint's host into NO_PROXY"
            )

    def send(self, method: str, path: str, body: Any, seconds: float) -> Reply:
        """One request. ``body`` is sent as JSON; None: without one. seconds: for all of it.

        Raises what the HTTP library raises where no status came; its errors may hold the request's headers.
        """
        until = time.monotonic() + seconds
        data, broken = bytearray(), None
        with self._http.stream(method, self._base_url + path, json=body, timeout=seconds) as response:
            try:
                for piece in response.iter_raw():
                    data += piece
                    if len(data) > LONGEST_BODY:
                        raise BodyTooLong(f"longer than {LONGEST_BODY >> 20} MB")
                    if time.monotonic() > until:  # the library limits each read, and not all of them
                        raise TimeoutError
            except Exception as error:
                broken = error
            headers = {name.lower(): value for name, value in response.headers.items()}
            place = str(response.url) if response.history else headers.get("location", "")
            return Reply(response.status_code, headers, bytes(data), broken, place)

    def close(self) -> None:
        """Closing twice is harmless; requests under way end."""
        with contextlib.suppress(Exception):
            self._http.close()
