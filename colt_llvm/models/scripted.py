"""Models without a network: answers from a list, for tests; and drawn at random, which every other has to beat."""

from __future__ import annotations

import json
import random
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


#: 2 to 6 passes a proposal did better than 1 to 3.
_LEAST, _MOST = 2, 6


class RandomModel:
    """The answer follows from the question's seed and id, and the model's name."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    def ask(self, prompt: Prompt, timeout_seconds: float) -> Answer:
        question = prompt.question
        actions = [*question.passes, *question.edits]
        if not actions:
            raise CallError("empty", f"model {self.spec.name}: no passes to draw from; give it a catalogue")
        draw = random.Random(f"{question.seed}/{question.request_id}/{question.kind}/{self.spec.name}")
        passes = draw.choices(actions, k=draw.randint(_LEAST, _MOST))
        next_model = draw.choice([offer.name for offer in question.offers] or [self.spec.name])
        return Answer(json.dumps({"passes": passes, "next_model": next_model, "reason": "drawn at random"}))

    def close(self) -> None:
        """Nothing is held."""
