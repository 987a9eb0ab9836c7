"""What can go wrong in a call to an endpoint, as typed errors that say what to do and hold no key."""

from __future__ import annotations

import email.utils
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from colt_llvm.models.base import CallError, ModelSpec, Usage
from colt_llvm.models.form import Form

_TOO_LONG = re.compile(
    r"context_length|context[ _](length|window|size)|maximum context|prompt is too long|too many tokens|"
    r"exceeds? (the )?(available |model'?s? )?context|context (the )?overflow|exceeds the maximum number of tokens|"
    r"reduce the length of the (messages|prompt)|tokens`? \+ `max_new_tokens`",
    re.I,
)
_WRONG_KEY = re.compile(r"\b(incorrect|invalid) api key\b|\bapi key (is )?(not valid|invalid|incorrect)\b", re.I)
_N = r"(\d[\d,]{2,9})"
#: What a context holds, and how long the prompt was, in the words of llama.cpp, OpenAI, vLLM, TGI and others.
_CONTEXT = re.compile(
    rf'"?n_ctx"?\s*[:=]\s*{_N}|(?:context|max_model_len|max_seq_len)[^.\d"]{{0,40}}?{_N}|'
    rf"{_N} tokens? (?:context|limit)|must be <= {_N}|(?:at most|maximum of|limit of|limited to) {_N} tokens|"
    rf"> {_N} maximum|allowed \({_N}\)",
    re.I,
)
_PROMPT = re.compile(
    rf'"?n_prompt_tokens"?\s*[:=]\s*{_N}|resulted in {_N} tokens|\({_N} in the messages|'
    rf"prompt (?:contains|has|is)(?: at least)? {_N}|{_N} (?:input|prompt) tokens|given: {_N}|"
    rf"token count \({_N}|too long: {_N}",
    re.I,
)
_LEAST_CONTEXT = 256
_BEARER = re.compile(r"(\b(?:bearer|basic)\s+|\b(?:sk|pk|key)-)[^\s\"',;]{6,}", re.I)
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^<>]*>", re.I | re.S)
_LONGEST_TEXT = 300
#: More than any call takes: such a count is a fault of the endpoint.
_MOST_TOKENS = 100_000_000


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
    if key and len(key) >= shortest_key:
        for spelling in {key, json.dumps(key)[1:-1], key.replace("/", "\\/"), quote(key, safe=""), quote(key)}:
            text = text.replace(spelling, "***")
    return text


def scrub(text: str, key: str | None) -> str:
    """For messages: the text without the key, and without what looks like one."""
    return _BEARER.sub(r"\1***", without_key(text, key, 4))


def one_line(text: str, key: str | None) -> str:
    """Foreign text for a message: one line, printable, short, without a key."""
    words = scrub(text, key)[: 20 * _LONGEST_TEXT]  # in this order: a key that is cut in two is not found
    if words.lstrip()[:1] == "<":
        words = _TAG.sub(" ", words)
    words = " ".join(words.split())
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


def _named(pattern: re.Pattern[str], text: str) -> int:
    """The number that a text names so; 0 where there is none that could be."""
    found = next((group for match in pattern.finditer(text) for group in match.groups() if group), "0")
    number = int(found.replace(",", ""))
    return number if _LEAST_CONTEXT <= number <= _MOST_TOKENS else 0


def is_too_long(text: str, code: str) -> bool:
    """Whether an endpoint's refusal is about the length of prompt and answer together."""
    return "context_length" in code or bool(_TOO_LONG.search(text))


@dataclass(frozen=True)
class BadStatus:
    """A reply that is no answer."""

    status: int  # of HTTP
    text: str  # the endpoint's own words
    code: str  # its name for the failure, or empty
    headers: Mapping[str, str]
    answered: str = ""  # what it answered, where the status stands in the body alone
    whole: str = ""  # the body, for numbers beside its words


def status_error(reply: BadStatus, spec: ModelSpec, key: str | None, usage: Usage) -> ChatError:
    """The failure behind an HTTP status."""
    status, text, code = reply.status, reply.text, reply.code
    said = (
        f"model {spec.name}: the endpoint answered {reply.answered or status}: {one_line(text, key) or 'nothing more'}"
    )
    variable = f"${spec.key_variable}" if spec.key_variable else ""
    wait = retry_after_seconds(reply.headers)

    def failure(kind: str, remedy: str, **rest: Any) -> ChatError:
        return ChatError(kind, f"{said}; {remedy}", **rest, usage=usage)

    if status == 401 or (status == 400 and _WRONG_KEY.search(text)):
        remedy = (
            f"check the key in {variable}" if variable else "name the variable that holds its key with key_variable"
        )
        return failure("authentication", remedy)
    if code == "content_filter":
        return failure("refusal", "leave the model out if it goes on so")
    if status == 402 or code == "insufficient_quota":
        return failure("quota", f"add credit to the account behind {variable or 'it'}")
    if status == 403:
        return failure(
            "permission",
            f"{f'the key in {variable}' if variable else 'who has no key'} may not use this model: ask for access",
        )
    if status == 407:
        return failure("permission", "give the proxy that the environment names its user and password")
    if status == 429:
        asked = (
            f"it asks to wait {wait / 3600:.3g} hours: come back then" if wait and wait > 600 else "lower concurrency"
        )
        return failure("rate limit", asked, retryable=True, retry_after_seconds=wait)
    if status in (400, 413, 422, 500) and (status == 413 or is_too_long(text, code)):
        context = _named(_CONTEXT, reply.whole)
        error = failure("too long", f"set context_tokens to {context or 'what the endpoint takes'}")
        error.context_tokens, error.prompt_tokens = context, _named(_PROMPT, reply.whole)
        return error
    if status in (408, 409, 425) or status >= 500:
        kind = "timeout" if status in (408, 504) else "server error"
        remedy = "try later, or look at the endpoint's log"
        return failure(kind, remedy, retryable=status != 501, retry_after_seconds=wait)
    if status < 400:
        return failure("not found", "set base_url to where it leads")
    if status == 404 and re.search(r"\bmodel", text, re.I):
        return failure("not found", "check model: the name that the endpoint knows it by")
    if status in (404, 405, 410):
        return failure("not found", "check base_url (does it end in /v1?) and model")
    return failure("bad request", "check model, structured and options")


def connection_error(error: BaseException, spec: ModelSpec, key: str | None, seconds: float) -> ChatError:
    """No whole response: the connection failed, was cut, or ended in the middle of the body.

    seconds: how long the call was given.
    """
    causes = _causes(error)
    text = next((one_line(str(cause), key) for cause in causes if str(cause)), type(error).__name__)
    where = f"model {spec.name}: {spec.base_url}"
    names = {type(cause).__name__ for cause in causes}
    if names & {"ConnectTimeout", "PoolTimeout"}:
        return ChatError(
            "timeout", f"{where}: cannot be reached in time; {_connection_remedy('', spec)}", retryable=True
        )
    if any("Timeout" in name for name in names):
        return timed_out(spec, seconds)
    if any("incomplete" in str(cause) or "without sending complete" in str(cause) for cause in causes):
        return ChatError(
            "truncated", f"{where}: the answer broke off ({text}); try again", retryable=True, charged_unknown=True
        )
    if "TooManyRedirects" in names:
        return ChatError("not found", f"{where}: redirects in a circle; check base_url (http or https? /v1?)")
    if "BodyTooLong" in names:
        return ChatError("garbage", f"{where}: the answer is {text}; check base_url (does it end in /v1?)")
    return ChatError("connection", f"{where}: {text}; {_connection_remedy(text, spec)}", retryable=True)


def timed_out(spec: ModelSpec, seconds: float) -> ChatError:
    """No whole answer in the seconds that a call was given: its own, or what was left of the run."""
    if seconds < spec.timeout_seconds:
        said = f"no answer in the {seconds:.3g} s that were left; raise --time"
    else:
        said = f"no answer in {seconds:.3g} s; raise timeout_seconds"
    return ChatError("timeout", f"model {spec.name}: {spec.base_url}: {said}", retryable=True, charged_unknown=True)


def is_local(spec: ModelSpec) -> bool:
    """Whether the endpoint is on this machine, and so not behind the proxy that the environment names."""
    return (urlsplit(spec.base_url or "").hostname or "") in ("localhost", "127.0.0.1", "::1")


def _connection_remedy(text: str, spec: ModelSpec) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "name the file with its authority in SSL_CERT_FILE"
    if "SSL" in text or "TLS" in text:
        return "does base_url want http in place of https?"
    parts = urlsplit(spec.base_url or "")
    proxies = {} if is_local(spec) or proxy_bypass(parts.hostname or "") else getproxies()
    if "roxy" in text or proxies.get(parts.scheme) or proxies.get("all"):
        return "fix the proxy that the environment names, or put the endpoint's host into NO_PROXY"
    return "is the endpoint up, and base_url right (http or https, the port)?"


def usage_of(body: Mapping[str, Any]) -> Usage | None:
    """Tokens as the endpoint counted them; None where it did not say, or nothing that can be.

    Never negative, never more cached than sent.
    """
    usage = body.get("usage")
    if not isinstance(usage, Mapping):
        return None
    prompt = _count(usage.get("prompt_tokens", usage.get("input_tokens")))
    completion = _count(usage.get("completion_tokens", usage.get("output_tokens")))
    if prompt is None or completion is None or max(prompt, completion) > _MOST_TOKENS:
        return None
    cached = _detail(usage, "prompt_tokens_details", "cached_tokens")
    if not cached:  # as DeepSeek says it
        cached = _count(usage.get("prompt_cache_hit_tokens")) or 0.0
    thought = _detail(usage, "completion_tokens_details", "reasoning_tokens")
    if _count(usage.get("total_tokens")) == prompt + completion + thought:
        completion += thought  # some endpoints count thinking apart, and charge for it all the same
    return Usage(
        math.ceil(prompt), math.ceil(min(cached, prompt)), math.ceil(completion), math.ceil(min(thought, completion))
    )  # fmt: skip


def _detail(usage: Mapping[str, Any], details: str, name: str) -> float:
    found = usage.get(details)
    return (_count(found.get(name)) or 0.0) if isinstance(found, Mapping) else 0.0


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
