"""What one answer of an embedded model costs, beside one trial of the search that the questions are from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.models.base import Answer, LanguageModel, ModelSpec, Prompt
from colt_llvm.models.embedded import SPECS, load
from colt_llvm.program.program import load_program, programs_directory
from colt_llvm.search import PRESETS
from colt_llvm.training.validation import cached_evaluator, learning_curve

_PROGRAM, _OBJECTIVE = "crc_adler", "size"
_TRIALS = 200
_FEWEST_TRIED = 20  # before that a question is easier than most of a run's
_ROUNDS = 15
_ASK_SECONDS = 10.0


def answer_seconds(toolchain: Toolchain) -> dict[str, Any]:
    """Of each model, the seconds of one answer undisturbed, and its mean as a part of a trial of the same search.

    A trial is question, answer and build; nothing is run. Asked are the questions of a search with all three whose
    kind is "expand", as soon as some actions were tried. mean_tried: the mean number of actions of which the run knows
    what they gained. actions: all that may be proposed. trial_seconds: mean. Raises ColtError when the program does
    not build.
    """
    models = [_Listening(load(name)) for name in SPECS]
    with cached_evaluator(toolchain, load_program(programs_directory() / _PROGRAM), _OBJECTIVE) as evaluator:
        started = time.perf_counter()
        learning_curve(evaluator, models, PRESETS["retrieval"], _TRIALS, seed=1)
        trial = (time.perf_counter() - started) / _TRIALS
    heard = [prompt for model in models for prompt in model.heard if _is_usual(prompt)]
    took = {model.spec.name: ask_all(model.model, heard) for model in models}
    return {
        "program": _PROGRAM,
        "questions": len(heard),
        "mean_tried": sum(len(prompt.question.paid) for prompt in heard) / len(heard),
        "actions": len(heard[0].question.passes) + len(heard[0].question.edits),
        "trial_seconds": trial,
        "models": {name: {"seconds": fastest, "trials": mean / trial} for name, (fastest, mean) in took.items()},
    }


def ask_all(model: LanguageModel, prompts: Sequence[Prompt]) -> tuple[float, float]:
    """Seconds of one answer, mean over the prompts: of each prompt's fastest in several rounds, and of all rounds.

    The fastest says what an answer takes where nobody else uses the machine.
    """
    took = [[_ask(model, prompt) for prompt in prompts] for _ in range(_ROUNDS)]
    fastest = sum(map(min, zip(*took, strict=True)))
    return fastest / len(prompts), sum(map(sum, took)) / len(prompts) / _ROUNDS


def _ask(model: LanguageModel, prompt: Prompt) -> float:
    started = time.perf_counter()
    model.ask(prompt, _ASK_SECONDS)
    return time.perf_counter() - started


def _is_usual(prompt: Prompt) -> bool:
    return prompt.question.kind == "expand" and len(prompt.question.paid) >= _FEWEST_TRIED


class _Listening:
    """A model that keeps what it was asked."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.heard: list[Prompt] = []

    @property
    def spec(self) -> ModelSpec:
        return self.model.spec

    def ask(self, prompt: Prompt, timeout_seconds: float) -> Answer:
        self.heard.append(prompt)
        return self.model.ask(prompt, timeout_seconds)

    def close(self) -> None:
        self.model.close()
