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
    first_action,
    generator,
    is_pipeline,
    trust_in_run,
)
from colt_llvm.models.embedded.confidence import confidence, relative_gain
from colt_llvm.models.embedded.own import home_of
from colt_llvm.models.embedded.ranking import ranked, short_list
from colt_llvm.models.embedded.retrieval import Names
from colt_llvm.models.embedded.scoring import RETRIEVING, SCORERS, retrieved, table
from colt_llvm.models.embedded.succession import next_model
from colt_llvm.models.embedded.weights import (
    ADDITIONS,
    FILE,
    OBJECTIVES,
    Array,
    Candidates,
    Weights,
    candidates,
    weights,
)
from colt_llvm.models.question import Question

#: Decisions about single functions are tried side by side by the search's sweeps, many in one build: so little of what
#: one promises is left for a proposal of its own.
BESIDE_SWEEPS = 0.1


class EmbeddedModel:
    """One of the small policies. No answer depends on one before, so any number of threads and runs may share it.

    Its numbers are those of the package, or of the file that the specification names (see ``own``).
    """

    def __init__(self, spec: ModelSpec, options: ChoiceOptions = DEFAULTS, known: Weights | None = None) -> None:
        """known: its numbers, where they are in no file."""
        self._spec = spec
        self._known = known
        self._options = options
        self._policy = spec.model or spec.name  # draws follow from it: equal numbers give equal answers
        self._score = SCORERS[self._policy]
        self._last: tuple[Names, Names, Candidates | None] = (), (), None
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
        if self._known is None:  # two threads may both come here, and get the same object
            self._known = weights(self._file, self._digest)
        return self._known

    def _step(self, question: Question) -> tuple[list[str], float | None]:
        """One to three names, empty where none is allowed; and how much they promise, as ``confidence`` reads it."""
        actions, gains = self._learned(question)
        out = barred(question)
        if question.kind == "seed":
            # Not what was tried: that grows in the meantime.
            order = {actions.names[place]: float(gains[place]) for place in short_list(gains).tolist()}
            first = first_action(question, order, out, self._policy)
            if first is not None:
                return [first], relative_gain([order[first]], (order[name] for name in order if name not in out))
        trust = trust_in_run(question, OBJECTIVES, self._options)
        names, scores = ranked(actions, gains, question.paid, trust, out, self._options.pool)
        chosen = choose(question, names, scores, generator(question, self._policy), self._options)
        return chosen, relative_gain((scores[names.index(name)] for name in chosen), scores[:1])  # the best is first

    def expected_gains(self, question: Question) -> dict[str, float]:
        """The learned part for all actions of the question: a log ratio each, 0 or more."""
        actions, gains = self._gains(question)
        return dict(zip(actions.names, gains.tolist(), strict=True))

    def additions(self, objective: str) -> dict[str, float]:
        """What each action is expected to bring to a sequence that is good already, a log ratio; see ``weights``."""
        weights = self._weights()
        known = weights.arrays.get(ADDITIONS)
        return {} if known is None else dict(zip(weights.actions, table(known, objective).tolist(), strict=True))

    def _gains(self, question: Question) -> tuple[Candidates, Array]:
        """The actions, and what is learned of each; for those that the weights do not know, the mean of the others."""
        actions = self._actions(question)
        gains = np.maximum(self._score(self._weights(), question), 0.0)
        if actions.all_known:
            return actions, gains.take(actions.known)
        gains = np.append(gains, gains.mean()).take(actions.known)
        places = actions.places(question.promised)
        gains[places] = [BESIDE_SWEEPS * question.promised[actions.names[place]] for place in places]
        return actions, gains

    def _actions(self, question: Question) -> Candidates:
        """Those of the question before, as long as it names the very same tuples: comparing all names costs more."""
        passes, edits, actions = self._last
        if actions is None or passes is not question.passes or edits is not question.edits:
            actions = candidates(self._weights(), question.passes, question.edits)
            self._last = question.passes, question.edits, actions  # at once, as other threads read it
        return actions

    def _learned(self, question: Question) -> tuple[Candidates, Array]:
        """As ``_gains``, rounded, and whole pipelines cut where nothing has ended the edits yet."""
        actions, gains = self._gains(question)
        if not any(map(is_pipeline, question.state.sequence)):
            gains[actions.pipelines] *= self._options.pipeline
        return actions, gains.round(DIGITS)

    def close(self) -> None:
        """Nothing to let go of."""
