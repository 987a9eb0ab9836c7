"""The learned part: the expected gain of each action of the vocabulary in a state. A gain is a log ratio, 0 or more.

What is predicted is the mean of max(gain, 0): a search keeps what is better and leaves the rest.
The small and the base model see of a program its instruction counts, as shares and sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from colt_llvm.llvm.pipeline import is_edit
from colt_llvm.models.embedded.retrieval import Coreset, Names
from colt_llvm.models.embedded.weights import BUILT, OBJECTIVES, SCOPED, Array, Weights
from colt_llvm.models.question import Question
from colt_llvm.objectives.registry import known_objective

Vector = npt.NDArray[np.float64]

#: Names of InstCount, without "Count". The first is a size, all others become shares of it.
NAMES = (
    "TotalInsts", "TotalBlocks", "TotalFuncs", "Ret", "Br", "Switch", "Add", "FAdd", "Sub", "FSub", "Mul", "FMul",
    "FDiv", "Shl", "LShr", "AShr", "And", "Or", "Xor", "Alloca", "Load", "Store", "GetElementPtr", "Trunc", "ZExt",
    "SExt", "ICmp", "FCmp", "PHI", "Call", "Select", "SIToFP", "Unreachable", "ShuffleVector",
)  # fmt: skip

_KEYS = tuple(f"{name}Count" for name in NAMES)


def program_vector(program: Mapping[str, float]) -> Vector:
    """Shape [len(NAMES)], logarithms: of the size, and of each count against the size. Zeros for no program."""
    return vector_of(counts_of(program))


def counts_of(program: Mapping[str, float]) -> tuple[float, ...]:
    """In the order of NAMES; 0 for what is not told."""
    return tuple([float(program.get(key, 0.0)) for key in _KEYS])


def vector_of(counts: Sequence[float]) -> Vector:
    """As ``program_vector``, of the counts in the order of NAMES."""
    total = counts[0]
    if not total > 0:
        return np.zeros(len(NAMES))
    return np.array([math.log1p(total), *(math.log1p(1000.0 * max(0.0, count) / total) for count in counts[1:])])


_DEPTH = 8.0  # a sequence of this length has depth 1

Scorer = Callable[[Weights, Question], Array]


def nano(weights: Weights, question: Question) -> Array:
    """A table for each objective, and one of pairs: what an action in the sequence changes for another."""
    gains = table(weights.arrays["nano_gain"], question.objective).copy()
    if question.objective not in BUILT:
        return gains
    for name in dict.fromkeys(question.state.sequence):
        changes = weights.pairs.get(name)
        if changes is not None:
            gains += changes
    return gains


def small(weights: Weights, question: Question) -> Array:
    """Linear for each action: in a few directions of the program's features, and in how far the state has come."""
    gains = table(weights.arrays["small_gain"], question.objective)
    if question.objective not in BUILT:
        return gains
    inputs = small_inputs_of(
        weights.arrays["small_project"], _scaled(weights, question), state_values(question.state.sequence),
        objective_vector(question.objective),
    )  # fmt: skip
    return gains + weights.arrays["small_weights"] @ inputs


def base(weights: Weights, question: Question) -> Array:
    """One hidden layer over the program's features, the bag of actions in the sequence, depth and objective."""
    arrays = weights.arrays
    if question.objective not in BUILT:
        return table(arrays["base_gain"], question.objective)
    held = [weights.number[name] for name in set(question.state.sequence) if name in weights.number]
    hidden = hidden_of(
        arrays["base_in"], arrays["base_in_bias"], _scaled(weights, question), state_values(question.state.sequence),
        objective_vector(question.objective), held,
    )  # fmt: skip
    change: Array = hidden @ arrays["base_out"] + arrays["base_out_bias"]
    return table(arrays["base_gain"], question.objective) + change / SCALE


def hidden_of(
    into: Array, bias: Array, vector: Array, state: Sequence[float], objective: Array, held: Sequence[int]
) -> Array:
    """The hidden layer. into: [features + state + objective + vocabulary, hidden]. held: actions in the sequence."""
    inputs = np.concatenate([vector, state, objective])
    hidden = inputs @ into[: len(inputs)] + bias
    if held:
        hidden = hidden + into[len(inputs) :][sorted(held)].sum(axis=0)
    result: Array = np.maximum(hidden, 0.0)
    return result


def retrieved(weights: Weights, question: Question) -> Names | None:
    """For a seed: a whole sequence that did good to programs like this one; None where none promises more.

    What is known to be good of any program is proposed in turn with these.
    """
    if question.kind != "seed":
        return None
    had = {attempt.passes for attempt in question.tried}.union(question.proposed)
    gained = question.best is not None and question.best.reward > 0
    # Decisions that harm the first time are in all of these: then what is known without them.
    scoped = weights.coresets.get(SCOPED + question.objective) if OF_ALL in question.edits else None
    scoped = scoped if gained or not question.tried else None
    coreset = scoped or weights.coresets.get(question.objective)
    good = [sequence for sequence in question.known_good if sequence not in had]
    tried = len(question.known_good) - len(good)
    if good and tried < len(had) - tried and scoped is None:
        return good[0]
    found = _of_coreset(coreset, weights, question) if coreset is not None else None
    return found if found is not None or not good else good[0]


def _of_coreset(coreset: Coreset, weights: Weights, question: Question) -> Names | None:
    return coreset.choose(question, _scaled(weights, question), allowed(question.passes, question.edits))


@lru_cache(maxsize=8)
def allowed(passes: Names, edits: Names) -> frozenset[str]:
    """All that may be proposed in a run."""
    return frozenset((*passes, *edits))


#: A decision about all functions that there is wherever the module is decided about.
OF_ALL = "optsize<*>"

#: The perceptron learns gains in hundredths.
SCALE = 100.0

#: The model that proposes what ``retrieved`` gives.
RETRIEVING = "embedded/small"

SCORERS: Mapping[str, Scorer] = {"embedded/nano": nano, "embedded/small": small, "embedded/base": base}


def table(gains: Array, objective: str) -> Array:
    """The row of the objective; where it is a mixture, or an older file has no such row, the mean of the others."""
    known = OBJECTIVES[: len(gains)]
    if objective in known:
        row: Array = gains[known.index(objective)]
        return row
    stated = known_objective(objective)
    mixed = [place for place, name in enumerate(known) if stated is not None and name in stated.figures]
    mean: Array = gains[mixed or slice(None)].mean(axis=0)
    return mean


def objective_vector(objective: str) -> Array:
    """One place an objective."""
    return np.array([float(objective == known) for known in BUILT])


def small_inputs_of(project: Array, vector: Array, state: Sequence[float], objective: Array) -> Array:
    """What a line of small is linear in. project: [directions, features]. vector: [features], scaled."""
    return np.concatenate([np.clip(project @ vector, -3.0, 3.0), state, objective])


@lru_cache(maxsize=1024)
def state_values(sequence: tuple[str, ...]) -> tuple[float, ...]:
    """Depth; whether the pipeline is edited (its written-out form inlines more); whether inlining is left out of it."""
    edited = any(is_edit(name) for name in sequence)
    return min(1.0, len(sequence) / _DEPTH), float(edited), float("without<inline>" in sequence)


def _scaled(weights: Weights, question: Question) -> Array:
    return _scaled_counts(weights, counts_of(question.program) if question.program else None)


@lru_cache(maxsize=8)
def _scaled_counts(weights: Weights, counts: tuple[float, ...] | None) -> Array:
    """Not to be written to: a run's questions are all of one program, and share it."""
    arrays = weights.arrays
    if counts is None:
        return np.zeros(len(arrays["feature_mean"]))
    return np.clip((vector_of(counts) - arrays["feature_mean"]) / arrays["feature_scale"], -3.0, 3.0)
