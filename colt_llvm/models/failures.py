"""What can go wrong in a call to an endpoint, as typed errors that say what to do and hold no key."""

from __future__ import annotations

import email.utils
import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from colt_llvm.models.base import CallError, ModelSpec, Usage
from colt_llvm.models.form import Form

_TOO_LONG = re.compile(
    r"context_length|context (length|window|size)|maximum context|prompt is too long|too many tokens|"
    r"exceeds? (the )?(available |model'?s? )?context",
    re.I,
)
_BEARER = re.compile(r"(\b(?:bearer|basic)\s+|\b(?:sk|pk|key)-)[^\s\"',;]{6,}", re.I)
_LONGEST_TEXT = 300


class ChatError(CallError):
    """A failed call to an endpoint. text: what came back of an answer. form: how to put the next one.

    charged_unknown: the endpoint may have worked, and charged, without saying how much.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        text: str = "",
        form: Form | None = None,
        charged_unknown: bool = False,
        **rest: Any,
    ) -> None:
        super().__init__(kind, message, **rest)
        self.text = text
        self.form = form
        self.charged_unknown = charged_unknown


def without_key(text: str, key: str | None, shortest_key: int = 7) -> str:
    """The text without the key. What is shorter is no secret: local endpoints take "none" or the like for a key."""
    return text.replace(key, "***") if key and len(key) >= shortest_key else text


def scrub(text: str, key: str | None) -> str:
    """For messages: the text without the key, and without what looks like one."""
    return _BEARER.sub(r"\1***", without_key(text, key, 4))


def one_line(text: str, key: str | None) -> str:
    """Foreign text for a message: one line, printable, short, without a key."""
    words = " ".join(scrub(text[: 20 * _LONGEST_TEXT], key).split())
    line = "".join(letter if letter.isprintable() else "?" for letter in words)
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 3] + "..."


def retry_after_seconds(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """How long the endpoint asks to wait: Retry-After in seconds or as an HTTP date; None where it says nothing."""
    milliseconds = _count(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _count(value)
    if seconds is not None or not value:
        return seconds
    try:
        until = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    return max(0.0, (until - (now or datetime.now(timezone.utc))).total_seconds())


def is_too_long(text: str, code: str) -> bool:
    """Whether an endpoint's refusal is about the length of prompt and answer together."""
    return "context_length" in code or bool(_TOO_LONG.search(text))


def status_error(
    status: int, text: str, code: str, headers: Mapping[str, str], spec: ModelSpec, key: str | None
) -> ChatError:
    """The failure behind an HTTP status. text: the endpoint's own words."""
    said = f"model {spec.name}: the endpoint answered {status}: {one_line(text, key) or 'nothing more'}"
    variable = f"${spec.key_variable}" if spec.key_variable else "key_variable"
    wait = retry_after_seconds(headers)
    if status == 401:
        return ChatError("authentication", f"{said}; check the key in {variable}")
    if status == 403:
        return ChatError("permission", f"{said}; the key in {variable} may not use this model: ask for access")
    if status == 402 or code == "insufficient_quota":
        return ChatError("quota", f"{said}; add credit to the account behind {variable}")
    if status == 429:
        return ChatError("rate limit", f"{said}; lower concurrency", retryable=True, retry_after_seconds=wait)
    if status in (408, 409) or status >= 500:
        kind = "timeout" if status in (408, 504) else "server error"
        remedy = "; try later, or look at the endpoint's log"
        return ChatError(kind, said + remedy, retryable=status != 501, retry_after_seconds=wait)
    if status in (400, 413, 422) and (status == 413 or is_too_long(text, code)):
        return ChatError("too long", f"{said}; set context_tokens to what the endpoint takes")
    if status == 404:
        return ChatError("not found", f"{said}; check base_url and model")
    return ChatError("bad request", f"{said}; check model, structured and options")


def connection_error(error: BaseException, spec: ModelSpec, key: str | None) -> ChatError:
    """No whole response: the connection failed, was cut, or ended in the middle of the body."""
    causes = _causes(error)
    text = next((one_line(str(cause), key) for cause in causes if str(cause)), type(error).__name__)
    where = f"model {spec.name}: {spec.base_url}"
    names = {type(cause).__name__ for cause in causes}
    if names & {"ConnectTimeout", "PoolTimeout"}:
        return ChatError("timeout", f"{where}: cannot be reached in time; is the endpoint up?", retryable=True)
    if any("Timeout" in name for name in names):
        return ChatError(
            "timeout", f"{where}: no answer in time; raise timeout_seconds", retryable=True, charged_unknown=True
        )
    if any("incomplete" in str(cause) or "without sending complete" in str(cause) for cause in causes):
        return ChatError(
            "truncated", f"{where}: the answer broke off ({text}); try again", retryable=True, charged_unknown=True
        )
    return ChatError("connection", f"{where}: {text}; is the endpoint up, and base_url right?", retryable=True)


def usage_of(body: Mapping[str, Any]) -> Usage | None:
    """Tokens as the endpoint counted them; None where it did not say. Never negative, never more cached than sent."""
    usage = body.get("usage")
    if not isinstance(usage, Mapping):
        return None
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details = usage.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, Mapping) else None
    return Usage(int(prompt), min(int(cached or 0), int(prompt)), int(completion))


def _count(value: Any) -> float | None:
    """A finite number that is 0 or more; None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 and not isinstance(value, bool) else None


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what lies behind it, the deepest first."""
    found: list[BaseException] = []
    while len(found) < 5:
        found.insert(0, error)
        following = error.__cause__ or error.__context__
        if following is None:
            break
        error = following
    return found
