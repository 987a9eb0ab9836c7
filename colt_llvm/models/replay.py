"""Models that ask nobody: answers of a run's transcript, of a list, or drawn at random.

With a transcript a run's models give the same search again, without a call, a key or a network.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import ColtError, RunDirectoryError, UsageError
from colt_llvm.models.base import Answer, CallError, ModelSpec, Prompt, Usage
from colt_llvm.models.budget import BudgetSpent
from colt_llvm.models.specs import spec_from_dict
from colt_llvm.models.transcript import Recorded, digest_of, read_calls

#: In a specification's options: the recorded run, and what the model was there.
_RUN, _WAS, _MODEL, _OPTIONS = "run", "was", "model", "options"


class TranscriptEnded(BudgetSpent):
    """Nothing more was recorded; the search ends with the best so far."""

    def __init__(self, run: str) -> None:
        super().__init__("transcript", f"{run}: the transcript ends here; tune with the models themselves to go on")


class ReplayDiverged(ColtError, RuntimeError):
    """The search asks something else than the recorded one did."""


class ReplayModel:
    """One model of a recorded run. Every attempt comes back as it was, failures included."""

    def __init__(self, spec: ModelSpec, recorded: Recorded) -> None:
        self.spec = spec
        self._recorded = recorded

    @staticmethod
    def of(spec: ModelSpec) -> ReplayModel:
        """Raises UsageError and RunDirectoryError."""
        run = spec.options.get(_RUN)
        if not isinstance(run, str):
            raise UsageError(f"model {spec.name}: of which run? Name it on the command line: --models replay:RUN")
        return ReplayModel(spec, Recorded(read_calls(Path(run))))

    def ask(self, prompt: Prompt, timeout_seconds: float) -> Answer:
        """Raises CallError as recorded, TranscriptEnded or ReplayDiverged."""
        question = prompt.question
        record = self._recorded.take(question.request_id, digest_of(question), self.spec.name)
        if record is not None:
            return record.outcome()
        run = str(self.spec.options.get(_RUN))
        all_served = self._recorded.knew(question.request_id, digest_of(question), self.spec.name)
        if all_served or question.request_id > self._recorded.last_request:
            raise TranscriptEnded(run)
        raise ReplayDiverged(
            f"{run}: request {question.request_id} asks {self.spec.name} something that was not asked there; replay "
            "with the program, objective, seed, options and version of that run, and --workers 1"
        )

    def close(self) -> None:
        """Nothing is held."""


def recorded_run(spec: ModelSpec) -> str | None:
    """The run directory whose transcript answers for this model; None where it is asked itself."""
    run = spec.options.get(_RUN) if spec.can.recorded else None
    return None if run is None else str(run)


def asked_as(spec: ModelSpec) -> ModelSpec:
    """What the model is, or was in the run that is replayed: the search depends on its kind and its weights."""
    if not spec.can.recorded:
        return spec
    was = spec.options
    return replace(
        spec, kind=was.get(_WAS, spec.kind), model=was.get(_MODEL, spec.model), options=was.get(_OPTIONS, {})
    )  # fmt: skip


def specs_of_run(run: Path) -> list[ModelSpec]:
    """The models of a recorded run, to be answered from its transcript. Raises RunDirectoryError."""
    file = run / "run.json"
    try:
        header: Any = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunDirectoryError(f"{run}: holds no run (no run.json); name the folder that tune made") from None
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"{file}: cannot be read ({str(error).splitlines()[0]}); name another run") from None
    models = header.get("models") if isinstance(header, Mapping) else None
    if not isinstance(models, list) or not models or not all(isinstance(model, Mapping) for model in models):
        raise RunDirectoryError(f"{run}: was tuned without models; name a run that has calls to replay")
    if not read_calls(run):
        raise RunDirectoryError(f"{run}: recorded no call (no calls.jsonl); name a run that has calls to replay")
    return [_replayed(spec_from_dict(model, str(file)), run) for model in models]


def _replayed(spec: ModelSpec, run: Path) -> ModelSpec:
    was = asked_as(spec)
    options = {_RUN: str(run.resolve()), _WAS: was.kind, _MODEL: was.model, _OPTIONS: dict(was.options)}
    return replace(spec, kind="replay", base_url=None, key_variable=None, model="", options=options)


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
