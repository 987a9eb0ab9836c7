"""A model behind an endpoint that speaks OpenAI's chat completions. One call is one HTTP request; the caller retries.

What the endpoint refuses (a JSON schema, ``seed``, ...) is left out from then on. Such a refusal is a failed call of
the kind "unsupported", to be repeated at once, so that every request that goes out is seen and counted.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from colt_llvm.models.base import Answer, CallError, ModelSpec, Prompt
from colt_llvm.models.failures import (
    ChatError,
    connection_error,
    is_too_long,
    one_line,
    status_error,
    usage_of,
    without_key,
)
from colt_llvm.models.form import Form

_LONGEST_ANSWER = 200_000


@dataclass(frozen=True)
class ChatAnswer(Answer):
    """form: how the request was put. charged_unknown: the endpoint did not say what it took; usage is empty."""

    form: Form | None = None
    charged_unknown: bool = False


class OpenAICompatible:
    """One model of one endpoint. The key stays in here."""

    def __init__(self, spec: ModelSpec, key: str | None) -> None:
        self.spec = spec
        self._key = key
        self._lock = threading.Lock()
        self._client: Any = None
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
        fields = form.fields(prompt.question, self.spec.max_output_tokens, self.spec.options)
        messages = [{"role": message.role, "content": _sound(message.content)} for message in prompt.messages]
        body = {"model": self.spec.model or self.spec.name, "messages": messages, **fields}
        try:
            text = self._post(body, timeout_seconds, form)
            return self._read(text, form)
        except ChatError as error:
            error.form = error.form or form
            raise

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close()

    def _post(self, body: Mapping[str, Any], timeout_seconds: float, form: Form) -> str:
        import openai

        failure: CallError
        try:
            response = self._connected().chat.completions.with_raw_response.create(
                model=body["model"],
                messages=body["messages"],
                timeout=timeout_seconds,
                extra_body={name: value for name, value in body.items() if name not in ("model", "messages")},
            )
            return str(response.http_response.text)
        except openai.APIStatusError as error:
            failure = self._refused(error, body, form)
        except openai.APIConnectionError as error:
            failure = connection_error(error, self.spec, self._key)
        except Exception as error:
            # What the client itself makes of a strange response or value: nobody else's business to know its types.
            said = one_line(f"{type(error).__name__}: {error}", self._key)
            failure = ChatError("bad request", f"model {self.spec.name}: {said}; check base_url and options")
        raise failure  # out here, for the error behind it may hold the request's headers

    def _refused(self, error: Any, body: Mapping[str, Any], form: Form) -> ChatError:
        text, code, field = _words(error.response)
        failure = status_error(error.status_code, text, code, error.response.headers, self.spec, self._key)
        adaptable = error.status_code in (400, 422) or (error.status_code in (500, 501) and "response_format" in body)
        if not adaptable or is_too_long(text, code):
            return failure
        sent = {name: None for name in body if name not in ("model", "messages")}
        if error.status_code >= 500:
            sent = {}
        following = form.after_refusal(text, field, sent, self.spec.structured == "auto")
        if following is None or (error.status_code >= 500 and following.structured == form.structured):
            return failure
        with self._lock:
            if self._form == form:  # else another call has found it out already
                self._form = following
        said = f"{failure}; asked again without it"
        return ChatError("unsupported", said, retryable=True, retry_after_seconds=0.0, form=following)

    def _read(self, text: str, form: Form) -> ChatAnswer:
        name = self.spec.name
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            said = one_line(text[:200], self._key)
            raise ChatError(
                "garbage", f"model {name}: not a chat completion: {said!r}; check base_url (does it end in /v1?)",
                retryable=True, charged_unknown=True,
            )  # fmt: skip
        usage = usage_of(body)
        took: dict[str, Any] = {"usage": usage, "charged_unknown": usage is None, "form": form}
        choices = body.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(message, dict):
            said = body.get("error") or "no choices"
            raise ChatError(
                "empty",
                f"model {name}: no answer ({one_line(str(said), self._key)}); try again",
                retryable=True,
                **took,
            )
        content = without_key(_content(message.get("content")), self._key)[:_LONGEST_ANSWER]
        reason = choice.get("finish_reason")
        if message.get("refusal") or reason == "content_filter":
            said = one_line(str(message.get("refusal") or "filtered"), self._key)
            raise ChatError("refusal", f"model {name}: refused to answer: {said}", text=content, **took)
        if reason == "length":
            raise ChatError(
                "truncated", f"model {name}: the answer reached max_output_tokens; raise it (thinking counts too)",
                text=content, **took,
            )  # fmt: skip
        if not content.strip():
            raise ChatError("empty", f"model {name}: an answer without text; try again", retryable=True, **took)
        return ChatAnswer(content, **({"usage": usage} if usage else {}), form=form, charged_unknown=usage is None)

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = new_client(self.spec, self._key)
            return self._client


def new_client(spec: ModelSpec, key: str | None) -> Any:
    """openai's client for an endpoint; nothing is sent yet. Key, address and account of the environment stay out."""
    import openai

    local = (urlsplit(spec.base_url or "").hostname or "") in ("localhost", "127.0.0.1", "::1")
    # An endpoint on this machine is not behind the proxy that the environment names.
    http = openai.DefaultHttpxClient(trust_env=False) if local else None
    client = openai.OpenAI(
        api_key=key or "none", base_url=spec.base_url, max_retries=0, timeout=spec.timeout_seconds, http_client=http
    )
    client.organization = client.project = None
    return client


def _words(response: Any) -> tuple[str, str, str]:
    """What an endpoint says of a refusal: its text, its code, and the field that it names."""
    try:
        text = str(response.text)[:20_000]
    except Exception:
        return "", "", ""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return text, "", ""
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return str(error), "", ""
    said = error.get("message") or error.get("detail") or text
    return str(said), str(error.get("code") or ""), str(error.get("param") or "")


def _content(content: Any) -> str:
    """Text, or the texts of a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return ""


def _sound(text: str) -> str:
    """Without lone surrogates, which cannot be sent."""
    return text.encode("utf-8", "replace").decode("utf-8")
