"""Chooses the coreset of ``embedded/small``: few sequences, such that every train program likes one of them."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from embedded_programs import origin
from embedded_runtime import NOISE, RUNTIME

from colt_llvm.models.embedded.retrieval import FAR
from colt_llvm.models.embedded.scoring import program_vector
from colt_llvm.models.embedded.weights import OBJECTIVES
from colt_llvm.training.dataset import FAILED

_SIZE = 64  # sequences, at most, for each objective
_LEAST = 2e-4  # of a mean log ratio: what one more sequence has to bring
_ANY = "any"  # the origin of what was found for no program in particular
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
                if tuple(sequence) in found:  # for run time not all are crossed
                    found[tuple(sequence)].add(path.stem)
        rows = [[FAILED if r is None else max(r, FAILED) for r in row["rewards"]] for row in content["programs"]]
        return Rewards(
            tuple(row["program"] for row in content["programs"]), sequences, np.array(rows),
            np.array([program_vector(row["features"]) for row in content["programs"]]),
            tuple(frozenset(found[sequence] or {_ANY}) for sequence in sequences),
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


def _timed(rewards: np.ndarray) -> list[int]:
    """All that did good to some program, past noise: what one likes says little of another, so breadth pays."""
    return np.flatnonzero(rewards.max(axis=0) > NOISE).tolist()


def coreset_arrays(
    folder: Path, mean: np.ndarray, scale: np.ndarray, without: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """What :func:`colt_llvm.models.embedded.weights.read_weights` reads of it.

    Sequences are chosen for the train programs; what they do for functions, other flags and random programs is kept
    beside that, to compare with. Chosen for all of these alike, they did less for train programs that were left out.
    """
    found = {name: Rewards.read(folder, name).without(without) for name in OBJECTIVES}
    programs = _in_order({program for data in found.values() for program in data.programs})
    sequences, rewards, numbers, neighbours = [], [], [], []
    for number, (objective, data) in enumerate(found.items()):
        places = {name: place for place, name in enumerate(data.programs)}
        own = [place for name, place in places.items() if _is_included(name)]
        columns = _timed(data.rewards[own]) if objective == RUNTIME else choose(data.rewards[own])
        sequences += [" ".join(data.sequences[column]) for column in columns]
        numbers += [number] * len(columns)
        table = np.full((len(programs), len(columns)), np.nan)  # what is not known of a program for this objective
        features = np.full((len(programs), len(mean)), FAR)
        for row, name in enumerate(programs):
            if name in places:
                table[row] = data.rewards[places[name], columns]
                features[row] = np.clip((data.features[places[name]] - mean) / scale, -3, 3)
        rewards.append(table.T)
        neighbours.append(features)
    return {
        "small_sequences": np.array("\n".join(sequences)),
        "small_programs": np.array("\n".join(programs)),
        "small_rewards": np.concatenate(rewards),
        "small_objective": np.array(numbers),
        "small_neighbours": np.array(neighbours),
    }


def _is_included(name: str) -> bool:
    return origin(name) == name and not name.startswith("csmith-")


def _in_order(programs: Collection[str]) -> list[str]:
    """The included ones first."""
    return sorted(programs, key=lambda name: (not _is_included(name), name))
