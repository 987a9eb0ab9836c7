"""Whole sequences of the user's runs, added to the coreset of the policy that retrieves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from colt_llvm.models.embedded.retrieval import FAR
from colt_llvm.models.embedded.weights import OBJECTIVES
from colt_llvm.proposal.answer import MOST_PASSES
from colt_llvm.training.dataset import TrainingRun

Array = npt.NDArray[np.float64]
Names = tuple[str, ...]

#: Sequences that are taken of one program, and what they have to bring: a log ratio.
_KEPT = 4
_LEAST = 1e-3
#: A further sequence has to differ: of all names in the two of them, at most this part is in both.
_MOST_SHARED = 0.5
FAILED = -0.2  # the reward of what did not build, and the least that is told apart


@dataclass(frozen=True)
class Experience:
    """One program under one objective. vector: [features], scaled. known: every sequence that was tried -> reward."""

    key: str
    objective: str
    vector: Array
    known: Mapping[Names, float]

    def good(self) -> list[Names]:
        """The best, and a few more that differ from it; only such as an answer may hold whole."""
        chosen: list[Names] = []
        for names, reward in sorted(self.known.items(), key=lambda item: (-item[1], len(item[0]), item[0])):
            if reward < _LEAST or len(chosen) == _KEPT:
                break
            if len(names) <= MOST_PASSES and all(_shared(names, other) <= _MOST_SHARED for other in chosen):
                chosen.append(names)
        return chosen


def experiences(dataset: Iterable[TrainingRun], vectors: Mapping[tuple[str, str], Array]) -> list[Experience]:
    """Runs of one program and objective together; only of programs whose features are known.

    vectors: by key and objective.
    """
    known: dict[tuple[str, str], dict[Names, float]] = {}
    for run in dataset:
        place = (run.key, run.objective)
        if place not in vectors:
            continue
        rewards = known.setdefault(place, {})
        for trial in run.trials:
            reward = trial.outcome.reward
            rewards[trial.sequence] = max(rewards.get(trial.sequence, FAILED), FAILED if reward is None else reward)
    return [Experience(key, objective, vectors[key, objective], rewards) for (key, objective), rewards in known.items()]


def grown(arrays: Mapping[str, Any], new: Sequence[Experience]) -> dict[str, Any]:
    """The coreset's arrays with good sequences of the user's as rows, and the user's programs as columns.

    What was not tried is NaN: neither good nor bad.
    """
    sequences = [
        (tuple(line.split()), int(number))
        for line, number in zip(str(arrays["small_sequences"]).split("\n"), arrays["small_objective"], strict=True)
    ]
    for one in new:
        number = OBJECTIVES.index(one.objective)
        sequences += [(names, number) for names in one.good() if (names, number) not in sequences]
    keys = list(dict.fromkeys(one.key for one in new))
    old_rows, old_columns = arrays["small_rewards"].shape
    rewards = np.full((len(sequences), old_columns + len(keys)), np.nan)
    rewards[:old_rows, :old_columns] = arrays["small_rewards"]
    features = arrays["small_neighbours"].shape[2]
    neighbours = np.full((len(OBJECTIVES), old_columns + len(keys), features), FAR)
    neighbours[: len(arrays["small_neighbours"]), :old_columns] = arrays["small_neighbours"]  # fewer in an older file
    for one in new:
        number, column = OBJECTIVES.index(one.objective), old_columns + keys.index(one.key)
        neighbours[number, column] = one.vector
        for row, (names, of) in enumerate(sequences):
            if of == number and names in one.known:
                rewards[row, column] = one.known[names]
    return {
        "small_sequences": np.array("\n".join(" ".join(names) for names, _ in sequences)),
        "small_objective": np.array([number for _, number in sequences]),
        "small_rewards": rewards,
        "small_neighbours": neighbours,
    }


def _shared(one: Names, other: Names) -> float:
    return len(set(one) & set(other)) / max(1, len(set(one) | set(other)))
