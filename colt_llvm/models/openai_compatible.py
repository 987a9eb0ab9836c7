"""A model behind an endpoint that speaks OpenAI's chat completions. One call is one HTTP request; the caller retries.

What the endpoint refuses (a JSON schema, ``seed``, ...) is left out from then on. Such a refusal is a failed call of
the kind "unsupported", to be repeated at once, so that every request that goes out is seen and counted.
"""

from __future__ import annotations

import contextlib
import threading
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from colt_llvm import __version__
from colt_llvm.core.errors import UsageError
from colt_llvm.models.base import Answer, ModelSpec, Prompt, Usage
from colt_llvm.models.completion import Completion, Refusal, body_of, completion_of, holds_an_answer, refusal_of
from colt_llvm.models.failures import (
    BadStatus,
    ChatError,
    connection_error,
    is_local,
    is_too_long,
    one_line,
    status_error,
    usage_of,
    without_key,
)
from colt_llvm.models.form import Form
from colt_llvm.models.question import Question

_LONGEST_ANSWER = 200_000
_LONGEST_THOUGHT = 20_000
#: Where several proposals are wanted, or others are asked for at the same state. Options of the model come before it.
_DIVERSE = {"temperature": 0.8}
#: How much a model is to think, in the words of the servers that know any; what one refuses is left out from then on.
_NO_THINKING = {"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": False}}
_LONGEST_REFUSAL = 20_000
_THINKING = 'turn its thinking off (reasoning = "off"), or raise max_output_tokens'
#: What to do about a text that came where it was not looked for.
_REMEDIES = {"a tool call": "set structured to text"}


class OpenAICompatible:
    """One model of one endpoint. The key stays in here. Raises UsageError as HttpClient does."""

    def __init__(self, spec: ModelSpec, key: str | None) -> None:
        self.spec = spec
        self._key = key
        self._lock = threading.Lock()
        self._http = HttpClient(spec, key)
        self._form = Form("schema" if spec.structured == "auto" else spec.structured)

    @property
    def form(self) -> Form:
        """How requests are put, as far as it has been found out."""
        return self._form

    def adopt(self, form: Form) -> None:
        """Go on with what an earlier part of the run found out."""
        self._form = form if self.spec.structured == "auto" else Form(self._form.structured, form.length, form.dropped)

    def ask(self, prompt: Prompt, timeout_seconds: float) -> Answer:
        """One request. Raises CallError; kind "unsupported" means: ask again at once, it will be put differently."""
        form = self._form
        fields = form.fields(prompt.question, self.spec.output_tokens, self._options(prompt.question))
        messages = form.messages([(message.role, _sound(message.content)) for message in prompt.messages])
        body = {"model": self.spec.model or self.spec.name, "messages": messages, **fields}
        try:
            reply = self._post(body, timeout_seconds)
            text = without_key(reply.text, self._key)  # before anything is cut: half a key is not found any more
            if 200 <= reply.status < 300:
                return self._read(reply, text, body, form, timeout_seconds)
            said = refusal_of(body_of(text)) or Refusal(text[:_LONGEST_REFUSAL])
            raise self._refused(reply, said, Usage(), body, form)
        except ChatError as error:
            error.form = error.form or form
            raise

    def close(self) -> None:
        self._http.close()

    def _options(self, question: Question) -> dict[str, Any]:
        several = (question.wanted or 1) > 1 or question.in_flight or question.proposed
        options: dict[str, Any] = dict(_DIVERSE) if several else {}
        if self.spec.reasoning == "off":
            options |= _NO_THINKING
        elif self.spec.reasoning != "auto":
            options["reasoning_effort"] = self.spec.reasoning
        return {**options, **self.spec.options}

    def _post(self, body: Mapping[str, Any], timeout_seconds: float) -> Reply:
        try:
            return self._http.send("POST", "/chat/completions", body, timeout_seconds)
        except (ValueError, TypeError) as error:  # an option that is no JSON
            said = one_line(f"{type(error).__name__}: {error}", self._key)
            failure = ChatError("bad request", f"model {self.spec.name}: {said}; check base_url and options")
        except Exception as error:
            failure = connection_error(error, self.spec, self._key, timeout_seconds)
        raise failure  # out here, for the error behind it may hold the request's headers

    def _refused(self, reply: Reply, said: Refusal, usage: Usage, body: Mapping[str, Any], form: Form) -> ChatError:
        """An error by its status; one in the body of a 200 by that which it names there."""
        status, answered = reply.status, ""
        if status < 300:
            status = said.status or 500
            answered = (
                f"{reply.status} with the error {said.status}" if said.status else f"{reply.status} with an error"
            )
        text = said.text
        if 300 <= status < 400 or (reply.place and status in (404, 405)):
            text = f"redirected to {reply.place or 'nowhere'}" + (f": {text}" if text.strip() else "")
        failure = status_error(
            BadStatus(status, text, said.code, reply.headers, answered, reply.text[:_LONGEST_REFUSAL]),
            self.spec, self._key, usage,
        )  # fmt: skip
        adaptable = status in (400, 422) or (status in (500, 501) and "response_format" in body)
        if not adaptable or is_too_long(text, said.code):
            return failure
        sent = {name: None for name in body if name not in ("model", "messages")}
        if status >= 500:
            sent = {}
        following = form.after_refusal(text, said.field, sent, self.spec.structured == "auto")
        if following is None or (status >= 500 and following.structured == form.structured):
            return failure
        with self._lock:
            if self._form == form:  # else another call has found it out already
                self._form = following
        words = f"{failure}; asked again without it"
        return ChatError("unsupported", words, retryable=True, retry_after_seconds=0.0, form=following, usage=usage)

    def _read(self, reply: Reply, text: str, sent: Mapping[str, Any], form: Form, timeout_seconds: float) -> Answer:
        """An answer, or whatever else came with status 200."""
        body = body_of(text)
        if body is None:
            raise self._no_completion(reply, text, timeout_seconds)
        usage = usage_of(body)
        refusal = refusal_of(body)
        if refusal is not None:
            raise self._refused(reply, refusal, usage or Usage(), sent, form)
        completion = completion_of(body)
        if completion is None:
            said = "no choices" if "choices" in body else f"not a chat completion: {one_line(text, self._key)!r}"
            remedy = "try again" if "choices" in body else "check base_url (does it end in /v1?)"
            raise ChatError(
                "empty", f"model {self.spec.name}: no answer ({said}); {remedy}", retryable="choices" in body,
                usage=usage, charged_unknown=usage is None and "choices" in body, form=form,
            )  # fmt: skip
        answer = self._answer(completion, {"usage": usage, "charged_unknown": usage is None, "form": form})
        other = _other_model(str(body.get("model") or ""), self.spec)
        return replace(answer, note="; ".join(filter(None, [answer.note, other]))) if other else answer

    def _no_completion(self, reply: Reply, text: str, timeout_seconds: float) -> ChatError:
        """There is no JSON in it. Where it began as an answer, a model has worked for it."""
        worked = '"choices"' in text or not text.strip()
        if reply.broken is not None:
            failure = connection_error(reply.broken, self.spec, self._key, timeout_seconds)
            failure.charged_unknown = failure.charged_unknown and worked
            return failure
        if not text.strip():
            said = f"model {self.spec.name}: an empty answer; try again, or look at the endpoint's log"
            return ChatError("empty", said, retryable=True, charged_unknown=True)
        packed = reply.headers.get("content-encoding", "identity").lower()
        said = f"packed as {packed}, unasked" if packed not in ("identity", "gzip") else repr(one_line(text, self._key))
        if reply.place:
            said += f", redirected to {one_line(reply.place, self._key)}"
        return ChatError(
            "garbage", f"model {self.spec.name}: not a chat completion: {said}; check base_url (does it end in /v1?)",
            retryable=True, charged_unknown=worked,
        )  # fmt: skip

    def _answer(self, completion: Completion, took: Mapping[str, Any]) -> Answer:
        """The text that a model gave, wherever it stands, as long as a proposal may be in it."""
        name, source = self.spec.name, completion.source
        text = without_key(completion.text, self._key)[:_LONGEST_ANSWER]
        if completion.refusal:
            said = one_line(completion.refusal, self._key)
            raise ChatError(
                "refusal", f"model {name}: refused to answer: {said}; leave it out if it goes on so", text=text, **took
            )
        cut = completion.finish.lower() in ("length", "max_tokens")
        thought = without_key(completion.reasoning, self._key)[:_LONGEST_THOUGHT]
        if cut and not holds_an_answer(text):
            raise self._cut(text, thought, took)
        if not text.strip():
            raise ChatError("empty", f"model {name}: an answer without text; try again", retryable=True, **took)
        remedy = _REMEDIES.get(source, _THINKING)
        if source != "content" and not holds_an_answer(text):
            raise ChatError(
                "empty", f"model {name}: the text came as {source}, and holds no proposal; {remedy}",
                text=text, **took,
            )  # fmt: skip
        notes = [f"as {source}: {remedy}"] if source != "content" else []
        notes += ["cut at max_output_tokens: raise it"] if cut else []
        usage = took["usage"]
        return Answer(
            text, **({"usage": usage} if usage else {}), note="; ".join(notes), form=took["form"],
            charged_unknown=took["charged_unknown"], reasoning=thought if source == "content" else "",
        )  # fmt: skip

    def _cut(self, text: str, thought: str, took: Mapping[str, Any]) -> ChatError:
        """An answer without a proposal. Where thinking took it all, the next one is given more room."""
        name, form = self.spec.name, took["form"]
        more = None
        if thought or "<think" in text:
            more = form.with_more_thinking(self.spec.output_tokens, self.spec.context_tokens // 2)
        if more is None:
            said = f"model {name}: the answer reached max_output_tokens; raise it (thinking counts too)"
        else:
            with self._lock:
                self._form = more if self._form == form else self._form
            took = {**took, "form": more}
            said = f"model {name}: its thinking took all of max_output_tokens; {_THINKING}"
        error = ChatError("truncated", said, text=text, retryable=more is not None, **took)
        error.reasoning = thought
        return error


def _other_model(served: str, spec: ModelSpec) -> str:
    """What to say where an endpoint names another model than was asked for; a dated or a longer name is the same."""
    asked = spec.model or spec.name
    one, other = (name.lower().rpartition("/")[2].removesuffix(".gguf") for name in (served, asked))
    if not one or one in other or other in one or other == "default":
        return ""
    return f"{one_line(served, None)} answered, and {asked} was asked for: correct its name"


def _sound(text: str) -> str:
    """Without lone surrogates, which cannot be sent."""
    return text.encode("utf-8", "replace").decode("utf-8")


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
                f"model {spec.name}: {said}; fix the proxy or the certificates that the environment names, or put the "
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
