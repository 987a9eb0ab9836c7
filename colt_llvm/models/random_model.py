"""Passes and the next model drawn at random: what every other model has to be better than."""

from __future__ import annotations

import json
import random

from colt_llvm.models.base import Answer, CallError, ModelSpec, Prompt

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
