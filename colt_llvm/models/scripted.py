"""A double that answers from a list: for tests and for trying things out without a network."""

from __future__ import annotations

from collections.abc import Sequence

from colt_llvm.core.errors import UsageError
from colt_llvm.models.base import Answer, CallError, ModelSpec, Prompt, Usage

_FAILURE = "error:"
_RETRYABLE = frozenset({"timeout", "connection", "rate limit", "server error", "empty", "garbage"})


class ScriptedModel:
    """The answer is a matter of the request's id alone, so threads do not change it.

    options.answers of the specification: texts, one after the other, from the start again at the end. One that
    begins with ``error:`` fails as the kind after it: ``error:rate limit``.
    """

    def __init__(self, spec: ModelSpec, answers: Sequence[str] | None = None) -> None:
        given = spec.options.get("answers") if answers is None else answers
        if not isinstance(given, (list, tuple)) or not given or not all(isinstance(text, str) for text in given):
            raise UsageError(f'model {spec.name}: a scripted model needs options = {{ answers = ["..."] }}')
        self.spec = spec
        self._answers = tuple(given)

    def ask(self, prompt: Prompt, timeout_seconds: float) -> Answer:
        """Tokens are counted as a quarter of the letters, so that prices mean something."""
        prompt_tokens = sum(len(message.content) for message in prompt.messages) // 4
        text = self._answers[prompt.question.request_id % len(self._answers)]
        if text.startswith(_FAILURE):
            kind = text[len(_FAILURE) :].strip()
            raise CallError(kind, f"model {self.spec.name}: {kind}, as scripted", retryable=kind in _RETRYABLE)
        return Answer(text, Usage(prompt_tokens, 0, len(text) // 4))

    def close(self) -> None:
        """Nothing is held."""
