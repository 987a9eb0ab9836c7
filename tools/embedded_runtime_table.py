"""The row of ``runtime`` in the tables of all three models: what single actions brought on the clock."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from embedded_runtime import NOISE, RUNTIME
from embedded_training import PRIOR_PROGRAMS, sort_of

from colt_llvm.models.embedded.weights import BUILT, OBJECTIVES
from colt_llvm.training.dataset import MOST_GAIN
from colt_llvm.training.linear_model import mean_gains

_TABLES = ("nano_gain", "small_gain", "base_gain")
_MOST_ONCE = MOST_GAIN / 4  # of what was timed once
_TRIED = 1e6  # the weight of a try: it was timed, and one more would say the same


def with_runtime(arrays: Mapping[str, Any], folder: Path, without: Collection[str] = ()) -> dict[str, Any]:
    """The arrays with that row, and with the actions that only -O3 has at the end of the vocabulary.

    folder: of ``find_runtime_sequences``. Of actions that are new nothing is known under the other objectives: they get
    the mean of the row, and nothing where something is added to it.
    """
    singles = read_singles(folder, without)
    old = str(arrays["actions"]).split("\n")
    actions = [*old, *sorted({action for rows in singles.values() for action in rows} - set(old))]
    result = _longer(arrays, len(actions) - len(old)) | {"actions": np.array("\n".join(actions))}
    row = _row(actions, singles)
    for name in _TABLES:
        result[name] = np.stack([*result[name][: len(BUILT)], row])
    assert len(result["nano_gain"]) == len(OBJECTIVES)
    return result


def read_singles(folder: Path, without: Collection[str] = ()) -> dict[str, dict[str, float]]:
    """program -> action -> gain: a log ratio, cut at both ends; 0 where it changed nothing, failed, or may be noise.

    What a sweep saw was timed once, and is cut sooner; actions that were tried for every program were timed twice.
    """
    found = {}
    for path in sorted((folder / RUNTIME).glob("*.json")):
        if path.stem in without:
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        found[path.stem] = {
            action: _cut(None if key == content["root"] else reward, _MOST_ONCE)
            for action, reward, key in content["singles"]
        }
    table = json.loads((folder / f"{RUNTIME}-rewards.json").read_text(encoding="utf-8"))
    for row in table["programs"]:
        for sequence, reward in zip(table["sequences"], row["rewards"], strict=True):
            if len(sequence) == 1 and row["program"] in found:
                found[row["program"]][sequence[0]] = _cut(reward, MOST_GAIN)
    return found


def _cut(reward: float | None, most: float) -> float:
    return 0.0 if reward is None or reward <= NOISE else min(reward, most)


def _row(actions: list[str], singles: Mapping[str, Mapping[str, float]]) -> np.ndarray:
    number = {action: place for place, action in enumerate(actions)}
    samples = [
        (program, number[action], gain)
        for program, rows in enumerate(singles.values())
        for action, gain in rows.items()
    ]
    program, action, gain = (np.array(column) for column in zip(*samples, strict=True))
    sorts = np.array([sort_of(name) for name in actions])
    prior = np.zeros(len(actions))
    for sort in np.unique(sorts):
        alike = gain[sorts[action] == sort]
        prior[sorts == sort] = alike.mean() if len(alike) else gain.mean() / 2
    return mean_gains(prior, PRIOR_PROGRAMS, program, action, gain, np.full(len(gain), _TRIED))


def _longer(arrays: Mapping[str, Any], more: int) -> dict[str, Any]:
    """With so many more actions at the end of everything that has one place an action."""
    result = dict(arrays)
    for name in _TABLES:
        mean = arrays[name].mean(axis=1, keepdims=True)
        result[name] = np.concatenate([arrays[name], np.repeat(mean, more, axis=1)], axis=1)
    result["small_weights"] = np.pad(arrays["small_weights"], ((0, more), (0, 0)))
    result["base_in"] = np.pad(arrays["base_in"], ((0, more), (0, 0)))
    result["base_out"] = np.pad(arrays["base_out"], ((0, 0), (0, more)))
    result["base_out_bias"] = np.pad(arrays["base_out_bias"], (0, more))
    return result
