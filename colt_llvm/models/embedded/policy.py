"""An embedded model as the search sees it: a question in, a joint action as JSON out. Not a language model."""

from __future__ import annotations

import json

import numpy as np

from colt_llvm.models.base import Answer, CallError, ModelSpec, Prompt
from colt_llvm.models.embedded.choice import (
    DEFAULTS,
    DIGITS,
    ChoiceOptions,
    barred,
    choose,
    combined,
    first_action,
    generator,
    is_pipeline,
    trust_in_run,
)
from colt_llvm.models.embedded.confidence import confidence, relative_gain
from colt_llvm.models.embedded.own import home_of
from colt_llvm.models.embedded.scoring import RETRIEVING, SCORERS, retrieved
from colt_llvm.models.embedded.succession import next_model
from colt_llvm.models.embedded.weights import FILE, OBJECTIVES, Weights, candidates, weights
from colt_llvm.models.question import Question

#: Actions that go into the draw beside those that paid in this run: the best by the learned gain.
_SHORT_LIST = 96


class EmbeddedModel:
    """One of the small policies. Holds no state of a run, so any number of threads and runs may share it.

    Its numbers are those of the package, or of the file that the specification names (see ``own``).
    """

    def __init__(self, spec: ModelSpec, options: ChoiceOptions = DEFAULTS, known: Weights | None = None) -> None:
        """known: its numbers, where they are in no file."""
        self._spec = spec
        self._known = known
        self._options = options
        self._policy = spec.model or spec.name  # draws follow from it: equal numbers give equal answers
        self._score = SCORERS[self._policy]
        home = home_of(spec)
        self._file, self._digest = home or (FILE, "")
        # Who retrieves from the same file.
        self._retriever = RETRIEVING if home is None else f"{spec.name.rpartition('/')[0]}/{RETRIEVING.split('/')[1]}"

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    def ask(self, prompt: Prompt, timeout_seconds: float) -> Answer:
        """Reads ``prompt.question`` only. Raises CallError when nothing may be proposed, WeightsError."""
        question = prompt.question
        retrieves = self._policy == RETRIEVING
        offered = any(offer.name == self._retriever for offer in question.offers)
        known = retrieved(self._weights(), question) if retrieves or offered else None
        passes, relative = (list(known), None) if known and retrieves else self._step(question)
        if not passes:
            raise CallError("bad request", "no action is left to propose at this state: offer more passes")
        # Who knows whole sequences begins, as long as there is one that is worth a trial.
        successor = self._retriever if known and offered else next_model(question)
        sure = confidence(question, self._spec.name, relative)
        return Answer(json.dumps({"passes": passes, "next_model": successor, "confidence": sure}))

    def _weights(self) -> Weights:
        return self._known or weights(self._file, self._digest)

    def _step(self, question: Question) -> tuple[list[str], float | None]:
        """One to three names, empty where none is allowed; and how much they promise, as ``confidence`` reads it."""
        learned = self._short_list(self._weights(), question)
        out = barred(question)
        allowed = {name: gain for name, gain in learned.items() if name not in out}
        if question.kind == "seed":
            order = dict(list(learned.items())[:_SHORT_LIST])  # not what was tried: that grows in the meantime
            first = first_action(question, order, allowed, self._policy)
            if first is not None:
                return [first], relative_gain([first], allowed)
        scores = combined(allowed, question.paid, trust_in_run(question, OBJECTIVES, self._options))
        chosen = choose(question, scores, generator(question, self._policy), self._options)
        return chosen, relative_gain(chosen, scores)

    def expected_gains(self, question: Question) -> dict[str, float]:
        """The learned part for all actions of the question: a log ratio each, 0 or more."""
        known = self._weights()
        actions = candidates(known, question.passes, question.edits)
        gains = self._gains(known, question)[actions.known]
        return dict(zip(actions.names, map(float, gains), strict=True))

    def _gains(self, known: Weights, question: Question) -> np.ndarray:
        """Shape [vocabulary + 1]; the last is for actions that the weights do not know: the mean."""
        gains = np.maximum(self._score(known, question), 0.0)
        return np.append(gains, gains.mean())

    def _short_list(self, known: Weights, question: Question) -> dict[str, float]:
        """The best by the learned gain, and all that was tried in this run."""
        actions = candidates(known, question.passes, question.edits)
        gains = self._gains(known, question)[actions.known]
        if not any(map(is_pipeline, question.state.sequence)):
            gains[actions.pipelines] *= self._options.pipeline
        gains = gains.round(DIGITS)
        places = np.argsort(-gains, kind="stable")[:_SHORT_LIST].tolist()
        places += [actions.place[name] for name in question.paid if name in actions.place]
        names, listed = actions.names, gains.tolist()
        return {names[place]: listed[place] for place in places}

    def close(self) -> None:
        """Nothing to let go of."""
