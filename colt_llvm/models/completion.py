"""What an endpoint's reply holds: a chat completion, whatever stands around it, or a refusal in the endpoint's words.

Endpoints and what is put in front of them send comments, event streams that nobody asked for, errors under status 200,
and texts where another field is meant to be. What can be read is read; the rest is named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_DEPTH = 6
_LONGEST_WORDS = 20_000
#: Where the words of an error stand, the most telling place first.
_WORDS = ("message", "detail", "error", "msg", "error_description", "description", "reason", "title", "errors", "raw")
_STATUSES = (
    (402, r"insufficient.?(quota|credit|balance|funds)|exceeded your current quota|payment required"),
    (429, r"rate.?limit|too many requests|resource.?exhausted|throttl|slow down"),
    (401, r"(invalid|incorrect|missing|no).{0,12}api.?key|unauthenti|unauthori[sz]ed|authentication"),
    (403, r"permission|forbidden|access denied"),
    (404, r"unexpected endpoint"),
    (404, r"(model|deployment).{0,80}(not.?found|does not exist|unknown)|(no such|unknown) model|not.?found"),
    (400, r"invalid.?(request|argument)|bad.?request|unsupported|not supported|not permitted"),
    (503, r"overload|unavailable|loading|capacity|try again"),
)  # fmt: skip
#: Fields of a message that hold what a model thought.
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
#: A proposal, or the beginning of one: a list of passes with a name in it.
_ANSWER = re.compile(r"passes\\?[\"'`]?\s{0,20}[:=][\s\[{]{0,200}\\?[\"']?[a-z]", re.I)


@dataclass(frozen=True)
class Refusal:
    """An error as the endpoint tells it. status: 0 where it says none. field: the part of the request it names."""

    text: str
    code: str = ""
    field: str = ""
    status: int = 0


@dataclass(frozen=True)
class Completion:
    """The first answer of a chat completion.

    text: of the answer. source: which field it came in: "content", "reasoning_content", "a tool call"; "" for none.
    finish: why it ended ("stop", "length", ...). refusal: the model's own words; "" where it did not refuse.
    reasoning: what it thought before it answered, where that came apart.
    """

    text: str = ""
    source: str = ""
    finish: str = ""
    refusal: str = ""
    reasoning: str = ""


def body_of(text: str) -> dict[str, Any] | None:
    """The JSON object in a body, whatever stands around it; of an event stream, its parts joined.

    None: there is none.
    """
    body: Any = _loads(text.strip())
    for _ in range(3):  # JSON in a string, or in a list, or both
        if isinstance(body, str):
            body = _loads(body.strip())
        elif isinstance(body, list):
            body = next((item for item in body if isinstance(item, dict)), None)
    if isinstance(body, dict):
        return body
    lines = map(_loads, re.findall(r"^(?:data:[ \t]*)?(\{.*)$", text, re.M))
    events = [event for event in lines if isinstance(event, dict)]
    if events:
        return _joined(events)
    start = text.find("{")
    if start < 0 or text.lstrip("\ufeff \t\r\n").startswith("<"):
        return None
    try:
        body, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def refusal_of(body: Any) -> Refusal | None:
    """The error that a body holds in place of an answer; None where it holds none."""
    if isinstance(body, list):
        body = next((item for item in body if isinstance(item, dict)), None)
    if not isinstance(body, Mapping):
        return None
    choice = _choice(body)
    if choice is not None:
        error = choice.get("error") or body.get("error")
        if not error and choice.get("finish_reason") != "error":
            return None
        error = error or "the answer ended in an error"
    elif "choices" in body and not body.get("error"):
        return None
    else:
        said = body.get("error") or body.get("errors")
        error = said or (body if any(isinstance(body.get(name), (str, list)) for name in _WORDS) else None)
    if not error:
        return None
    inner = error if isinstance(error, Mapping) else {}
    code = inner.get("code") or inner.get("type") or body.get("code") or ""
    words = words_of(error)
    return Refusal(words, str(code), str(inner.get("param") or ""), _status(inner, body, words))


def words_of(error: Any, depth: int = 0) -> str:
    """What an error says, for a person: its message, and what lies behind that where it says so."""
    if isinstance(error, str):
        return error[:_LONGEST_WORDS]
    if isinstance(error, list):
        return "; ".join(filter(None, (words_of(item, depth + 1) for item in error[:5]))) if depth < _DEPTH else ""
    if not isinstance(error, Mapping) or depth >= _DEPTH:
        return "" if error is None else str(error)[:_LONGEST_WORDS] if depth < _DEPTH else ""
    found = next((words for name in _WORDS if (words := words_of(error.get(name), depth + 1))), "")
    place = error.get("loc")  # how FastAPI names a field
    if isinstance(place, list) and place:
        found = f"{place[-1]}: {found}"
    behind = error.get("metadata")
    raw = words_of(behind.get("raw"), depth + 1) if isinstance(behind, Mapping) else ""
    return f"{found} ({raw})" if found and raw else found or (str(dict(error))[:_LONGEST_WORDS] if not depth else "")


def completion_of(body: Mapping[str, Any]) -> Completion | None:
    """The first answer of a body; None where it is no chat completion, or one without choices."""
    choice = _choice(body)
    if choice is None:
        return None
    message: Any = choice.get("message", choice.get("delta"))
    if not isinstance(message, Mapping):
        message = {"content": message if message is not None else choice.get("text")}
    finish = str(choice.get("finish_reason") or "")
    refusal = words_of(message.get("refusal")) or ("filtered" if finish == "content_filter" else "")
    thought = next(filter(str.strip, _thoughts(message)), "")
    for source, text in _texts(message):
        if text.strip():
            return Completion(text, source, finish, refusal, thought)
    return Completion("", "", finish, refusal)


def holds_an_answer(text: str) -> bool:
    """Whether a text has the beginning of a proposal in it."""
    return bool(_ANSWER.search(text))


def _texts(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text of a message, with the name of its field, in the order in which they count."""
    yield "content", _text(message.get("content"))
    yield "content", _text(message.get("parsed"))
    calls = message.get("tool_calls")
    made: list[Any] = calls if isinstance(calls, list) else []
    for call in [*made, {"function": message.get("function_call")}]:
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            yield "a tool call", _text(function.get("arguments"))
    for name in _THOUGHTS:
        yield name, _text(message.get(name))


def _thoughts(message: Mapping[str, Any]) -> Iterator[str]:
    """Every text of thinking, in a field of its own or as a part of the content."""
    for name in _THOUGHTS:
        yield _text(message.get(name))
    for name in ("reasoning_details", "content"):
        parts = message.get(name)
        listed = [part for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else []
        yield "".join(
            _text(part.get("text") or part.get("thinking") or part.get("summary"))
            for part in listed
            if str(part.get("type", "")).startswith(("thinking", "reasoning"))
        )


def _text(content: Any, depth: int = 0) -> str:
    """Text, the texts of a list of parts, or an object that should have been a text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and depth < _DEPTH:
        return "".join(_text(part, depth + 1) for part in content)
    if not isinstance(content, Mapping) or depth >= _DEPTH or content.get("type") in ("thinking", "reasoning"):
        return ""
    for name in ("text", "value", "content"):
        if content.get(name):
            return _text(content[name], depth + 1)
    return json.dumps(content) if "type" not in content else ""


def _choice(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    choices = body.get("choices")
    if isinstance(choices, Mapping):
        choices = list(choices.values()) if "message" not in choices else [choices]
    if not isinstance(choices, list):
        return None
    return next((choice for choice in choices if isinstance(choice, Mapping)), None)


def _joined(events: list[dict[str, Any]]) -> dict[str, Any]:
    """One body of an event stream's parts. An error in it stands for all of it."""
    body: dict[str, Any] = {}
    texts: dict[str, str] = {}
    calls: dict[Any, str] = {}
    finish: Any = None
    for event in events:
        body |= {name: event[name] for name in ("usage", "error", "model") if event.get(name)}
        choice = _choice(event)
        if choice is None:
            continue
        part: Any = choice.get("delta") or choice.get("message")
        part = part if isinstance(part, Mapping) else {"content": choice.get("text")}
        finish = choice.get("finish_reason") or finish
        for name in ("content", "reasoning_content", "reasoning", "refusal"):
            texts[name] = texts.get(name, "") + _text(part.get(name))
        made = part.get("tool_calls")
        for call in made if isinstance(made, list) else []:
            function = call.get("function") if isinstance(call, Mapping) else None
            if isinstance(function, Mapping):
                place = str(call.get("index"))
                calls[place] = calls.get(place, "") + _text(function.get("arguments"))
    if not any("choices" in event for event in events):
        return events[-1] | body
    message = {**texts, "tool_calls": [{"function": {"arguments": text}} for text in calls.values()]}
    return {**body, "choices": [{"message": message, "finish_reason": finish}]}


def _status(inner: Mapping[str, Any], body: Mapping[str, Any], words: str) -> int:
    """The HTTP status that an error means: as it says, or by its words; 0 where it leaves that open."""
    said = [place.get(name) for place in (inner, body) for name in ("code", "status", "status_code", "http_status")]
    for value in said:
        if not isinstance(value, bool) and re.fullmatch(r"[45]\d\d(\.0)?", str(value)):
            return int(float(str(value)))
    named = " ".join(str(value) for value in (*said, inner.get("type"), body.get("type"), words) if value)
    return next((status for status, pattern in _STATUSES if re.search(pattern, named, re.I)), 0)


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
