"""The weights as they are stored, read once a process; and actions as numbers of the weights' vocabulary."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from colt_llvm.models.embedded.choice import is_pipeline
from colt_llvm.models.embedded.own import CARD, WeightsError, check_file
from colt_llvm.models.embedded.retrieval import FAR, REWARD_WIDTH, TIMED_WIDTH, Coreset, Names

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

__all__ = [
    "BUILT", "FILE", "LLVM_MAJOR", "OBJECTIVES", "PARTS", "Weights", "WeightsError", "candidates", "read_arrays",
    "read_weights", "weights", "weights_of",
]  # fmt: skip

FILE = Path(__file__).with_name("weights.npz")
#: The version of LLVM whose actions are in the vocabulary.
LLVM_MAJOR = 22
#: The objectives that the weights know, in the order of their tables.
OBJECTIVES = ("instructions", "size", "runtime")
#: Those of them whose rewards need no run of the program. Only for these it was learned what comes after an action.
BUILT = OBJECTIVES[:2]

#: What each model is made of. The rest of the file (names, scales) is shared and not learned.
PARTS = {
    "embedded/nano": ("nano_gain", "nano_pair_gain"),
    "embedded/small": ("small_project", "small_weights", "small_gain", "small_rewards", "small_neighbours"),
    "embedded/base": ("base_gain", "base_in", "base_in_bias", "base_out", "base_out_bias"),
}

#: Before an objective's name: the coreset with decisions about the whole module. In ``small_objective`` its sequences
#: have the objective's number and that of all objectives more.
SCOPED = "scoped "

#: [objectives, vocabulary]: what one action more brings to a sequence that is good already. No model asks it, the
#: search's refinement does. An older file has none.
APPEND_GAINS = "addition_gain"


@dataclass(frozen=True, eq=False)  # compared and hashed by identity: one object a file
class Weights:
    """actions: the vocabulary. number: action -> its place there. arrays: by the names of PARTS and a few scales.

    pairs: action in the sequence -> [vocabulary], what it changes the worth of each action by, for nano.
    coresets: by objective, for small; SCOPED and an objective: for a search that decides about the module too.
    """

    actions: tuple[str, ...]
    number: dict[str, int]
    arrays: dict[str, Array]
    pairs: dict[str, Array]
    coresets: dict[str, Coreset]

    def count(self, model: str) -> int:
        """Learned numbers of one model; what is not known of a program is none."""
        return sum(int(np.count_nonzero(is_known(self.arrays[part]))) for part in PARTS[model])


def is_known(array: Array) -> npt.NDArray[np.bool_]:
    """Where there is a number: neither a reward of what was not tried, nor a feature of who was not searched for."""
    result: npt.NDArray[np.bool_] = ~np.isnan(array) & (array != FAR)
    return result


_lock = threading.Lock()
_read: dict[tuple[Path, str], Weights] = {}


def weights(path: Path = FILE, digest: str = "") -> Weights:
    """Those of a file; of the package where none is named. Each file is read once a process.

    digest: what the file's content has to have, where that matters. Raises WeightsError.
    """
    with _lock:
        if (path, digest) not in _read:
            if digest:
                check_file(path, digest)
            _read[path, digest] = read_weights(path)
        return _read[path, digest]


def read_arrays(path: Path) -> dict[str, Any]:
    """All arrays as they are stored, by name. Raises WeightsError."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files if name != CARD}
    except (OSError, ValueError, KeyError, BadZipFile, zlib.error) as error:
        raise _unreadable(path, error) from error


def read_weights(path: Path) -> Weights:
    """Raises WeightsError."""
    try:
        return weights_of(read_arrays(path))
    except (AttributeError, ValueError, KeyError, IndexError) as error:
        raise _unreadable(path, error) from error


def weights_of(stored: Mapping[str, Any]) -> Weights:
    """Of arrays as they are stored. Raises KeyError, ValueError, ... where they are not such."""
    raw = dict(stored)
    actions = tuple(str(raw.pop("actions")).split("\n"))
    sequences = [tuple(line.split()) for line in str(raw.pop("small_sequences")).split("\n")]
    raw.pop("small_programs", None)  # of whom the rows are; only training asks
    pairs = raw.pop("nano_pairs").astype(np.intp)
    arrays = {name: array.astype(np.float64) for name, array in raw.items()}
    coresets = _coresets(sequences, arrays)
    missing = [part for parts in PARTS.values() for part in parts if part not in arrays]
    if missing:
        raise KeyError(missing[0])
    number = {name: place for place, name in enumerate(actions)}
    return Weights(actions, number, arrays, _pairs(actions, pairs, arrays["nano_pair_gain"]), coresets)


def _pairs(actions: Names, places: Indices, gains: Array) -> dict[str, Array]:
    """Written out, so that an action in the sequence costs one addition. places: [pairs, 2]. gains: [pairs]."""
    written: dict[str, Array] = {}
    for held in np.unique(places[:, 0]):
        rows = places[:, 0] == held
        changes = written[actions[held]] = np.zeros(len(actions))
        changes[places[rows, 1]] = gains[rows]
    return written


def _unreadable(path: Path, error: Exception) -> WeightsError:
    remedy = "install again" if path == FILE else "make it again with colt-llvm train"
    return WeightsError(f"{path}: the embedded models' weights cannot be read ({error}); {remedy}")


def _coresets(sequences: list[Names], arrays: Mapping[str, Array]) -> dict[str, Coreset]:
    """small_rewards: [sequences, programs], NaN where not known. small_neighbours: [objectives, programs, features]."""
    found = {}
    for number, objective in enumerate(OBJECTIVES[: len(arrays["small_neighbours"])]):  # fewer in an older file
        width = REWARD_WIDTH if objective in BUILT else TIMED_WIDTH
        numbers = arrays["small_objective"]
        for name, held in ((objective, numbers == number), (SCOPED + objective, numbers % len(OBJECTIVES) == number)):
            places = np.flatnonzero(held)
            if name != objective and not (numbers[places] >= len(OBJECTIVES)).any():
                continue
            rewards = arrays["small_rewards"][places].T
            known = ~np.isnan(rewards).all(axis=1)  # programs
            names = tuple(sequences[place] for place in places)
            found[name] = Coreset(names, rewards[known], arrays["small_neighbours"][number][known], width)
    return found


@dataclass(frozen=True)
class Candidates:
    """The actions of one run. known: places in the vocabulary; for an unknown action, its size (one past the end).

    all_known: whether none is unknown. place: name -> where it stands in ``names``. pipelines: places of whole
    pipelines. by_name: all places in the order of their names. rank: of each place, where it stands in that order.
    """

    names: tuple[str, ...]
    known: Indices
    all_known: bool
    place: dict[str, int]
    pipelines: Indices
    by_name: Indices
    rank: Indices

    def places(self, names: Iterable[str]) -> list[int]:
        """Where these stand, in their order; those that are not among the actions are left out."""
        return [place for place in map(self.place.get, names) if place is not None]


@lru_cache(maxsize=8)
def candidates(known_by: Weights, passes: tuple[str, ...], edits: tuple[str, ...]) -> Candidates:
    """Edits first, as they pay more often."""
    names = tuple(dict.fromkeys((*edits, *passes)))
    number = known_by.number
    known = _indices(number.get(name, len(number)) for name in names)
    pipelines = _indices(place for place, name in enumerate(names) if is_pipeline(name))
    by_name = _indices(sorted(range(len(names)), key=names.__getitem__))
    place = {name: place for place, name in enumerate(names)}
    return Candidates(names, known, number.keys() >= place.keys(), place, pipelines, by_name, by_name.argsort())


def _indices(places: Iterable[int]) -> Indices:
    return np.array(list(places), dtype=np.intp)
