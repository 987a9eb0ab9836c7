"""Chooses the coreset of ``embedded/small``: few sequences, such that every train program likes one of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from embedded_programs import origin

from colt_llvm.learning.sequences import FAILED
from colt_llvm.models.embedded.features import program_vector
from colt_llvm.models.embedded.weights import OBJECTIVES

_SIZE = 64  # sequences, at most, for each objective
_LEAST = 2e-4  # of a mean log ratio: what one more sequence has to bring
_MOST_GAIN = 0.2  # of one program: it must not drown the others


@dataclass(frozen=True)
class Rewards:
    """What was found for one objective. rewards: [programs, sequences]. features: [programs, features], not scaled.

    origins: for each sequence, the programs for which it was found.
    """

    programs: tuple[str, ...]
    sequences: tuple[tuple[str, ...], ...]
    rewards: np.ndarray
    features: np.ndarray
    origins: tuple[frozenset[str], ...]

    @staticmethod
    def read(folder: Path, objective: str) -> Rewards:
        content = json.loads((folder / f"{objective}-rewards.json").read_text(encoding="utf-8"))
        sequences = tuple(map(tuple, content["sequences"]))
        found: dict[tuple[str, ...], set[str]] = {sequence: set() for sequence in sequences}
        for path in sorted((folder / objective).glob("*.json")):
            for _, sequence in json.loads(path.read_text(encoding="utf-8"))["best"]:
                found[tuple(sequence)].add(path.stem)
        rows = [[FAILED if r is None else max(r, FAILED) for r in row["rewards"]] for row in content["programs"]]
        return Rewards(
            tuple(row["program"] for row in content["programs"]), sequences, np.array(rows),
            np.array([program_vector(row["features"]) for row in content["programs"]]),
            tuple(frozenset(found[sequence]) for sequence in sequences),
        )  # fmt: skip

    def without(self, programs: Collection[str]) -> Rewards:
        """As if these programs had never been seen, nor what was found for them."""
        rows = [place for place, name in enumerate(self.programs) if origin(name) not in programs]
        columns = [place for place, names in enumerate(self.origins) if names - set(programs)]
        return Rewards(
            tuple(self.programs[row] for row in rows), tuple(self.sequences[column] for column in columns),
            self.rewards[np.ix_(rows, columns)], self.features[rows], tuple(self.origins[c] for c in columns),
        )  # fmt: skip


def choose(rewards: np.ndarray, size: int = _SIZE) -> list[int]:
    """Columns, greedily: each the one that adds most to the mean over programs of the best so far."""
    capped = np.minimum(rewards, _MOST_GAIN)
    best = np.zeros(len(capped))
    chosen: list[int] = []
    while len(chosen) < size:
        gains = np.maximum(capped - best[:, None], 0.0).mean(axis=0)
        place = int(gains.argmax())
        if gains[place] < _LEAST:
            break
        chosen.append(place)
        best = np.maximum(best, capped[:, place])
    return chosen


def coreset_arrays(
    folder: Path, mean: np.ndarray, scale: np.ndarray, without: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """What :func:`colt_llvm.models.embedded.weights.read_weights` reads of it."""
    found: Mapping[str, Rewards] = {name: Rewards.read(folder, name).without(without) for name in OBJECTIVES}
    sequences, rewards, numbers = [], [], []
    for number, data in enumerate(found.values()):
        columns = choose(data.rewards)
        sequences += [" ".join(data.sequences[column]) for column in columns]
        rewards.append(data.rewards[:, columns].T)
        numbers += [number] * len(columns)
    if len({data.programs for data in found.values()}) != 1:
        raise SystemExit(f"{folder}: the objectives have different programs; run sequences again")
    neighbours = [np.clip((data.features - mean) / scale, -3, 3) for data in found.values()]
    return {
        "small_sequences": np.array("\n".join(sequences)),
        "small_rewards": np.concatenate(rewards),
        "small_objective": np.array(numbers),
        "small_neighbours": np.array(neighbours),
    }
