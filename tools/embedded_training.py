"""Fits the embedded models: from samples and journals of train programs to one file of weights. numpy alone.

The target is max(gain, 0), cut at a most, for one action at one state. Everything follows from the data and the seed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from colt_llvm.llvm.pipeline import is_edit
from colt_llvm.models.embedded.scoring import SCALE, program_vector, state_values
from colt_llvm.models.embedded.weights import BUILT, PARTS, weights_of
from colt_llvm.run.journal import read_trials
from colt_llvm.run.trials import trial_from_dict
from colt_llvm.training.dataset import LEAST_STATE, Sample, gain_of, samples_of
from colt_llvm.training.linear_model import mean_gains
from colt_llvm.training.train import packed, stored

PRIOR_PROGRAMS = 3.0  # an action's mean gain is drawn to that of its sort as by so many programs
_PAIRS = 900
_DIRECTIONS = 6
_HIDDEN = 48


@dataclass(frozen=True)
class TrainingOptions:
    seed: int = 1
    epochs: int = 6
    batch: int = 256
    rate: float = 2e-3
    decay: float = 0.1
    dropout: float = 0.3  # of a held action or a feature
    nets: int = 3  # perceptrons of one hidden layer each, averaged
    strangers: float = 0.5  # part of the rows that are shown without their program's features
    trust: float = 0.5  # the perceptron's change to the table is cut to this part: more did worse on programs left out


def read(folder: Path, without: Collection[str] = ()) -> tuple[list[Sample], dict[tuple[str, str], np.ndarray]]:
    """All samples, and the features of each (program, objective) that has some. ``without``: programs left out."""
    samples: list[Sample] = []
    features: dict[tuple[str, str], np.ndarray] = {}
    for objective in BUILT:
        for path in sorted((folder / "samples" / objective).glob("*.jsonl")):
            if path.stem in without:
                continue
            head, *lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
            features[path.stem, objective] = program_vector(head["features"])
            for line in lines:
                if line["reward"] >= LEAST_STATE:
                    gain = 0.0 if line["same"] else gain_of(line["after"], line["reward"])
                    samples.append(Sample(path.stem, objective, tuple(line["at"]), line["action"], gain, 1.0))
        for path in sorted((folder / objective).glob("*/trials.jsonl")):
            program = path.parent.name
            if (program, objective) in features and program not in without:
                samples += samples_of(map(trial_from_dict, read_trials(path.parent)), program, objective)
    return samples, features


def train(samples: list[Sample], features: dict[tuple[str, str], np.ndarray], options: TrainingOptions) -> dict:
    """Arrays by name, as weights.npz holds them."""
    data = _Data.of(samples, features)
    arrays: dict[str, np.ndarray] = {"actions": np.array("\n".join(data.actions))}
    arrays["feature_mean"], arrays["feature_scale"] = data.mean, data.scale
    table = data.table()
    arrays["nano_gain"], arrays["small_gain"], arrays["base_gain"] = table, table.copy(), table.copy()
    arrays["nano_pairs"], arrays["nano_pair_gain"] = _pairs(data, table)
    arrays |= _linear(data, table)
    arrays |= _perceptrons(data, table, options)
    return arrays


@dataclass
class _Data:
    """Rows as arrays. objective, action: numbers. inputs: each row's program. bags: [rows, actions]."""

    actions: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    program: np.ndarray
    objective: np.ndarray
    action: np.ndarray
    gain: np.ndarray
    weight: np.ndarray
    inputs: np.ndarray
    state: np.ndarray
    bags: np.ndarray

    @staticmethod
    def of(samples: list[Sample], features: dict[tuple[str, str], np.ndarray]) -> _Data:
        actions = tuple(sorted({row.action for row in samples} | {name for row in samples for name in row.held}))
        number = {name: place for place, name in enumerate(actions)}
        every = np.array([features[key] for key in sorted(features)])
        mean, scale = every.mean(axis=0), np.maximum(every.std(axis=0), 0.05)
        programs = {name: place for place, name in enumerate(sorted({row.program for row in samples}))}
        bags = np.zeros((len(samples), len(actions)), dtype=np.float32)
        for place, row in enumerate(samples):
            bags[place, [number[name] for name in row.held]] = 1.0
        scaled = {key: np.clip((vector - mean) / scale, -3, 3) for key, vector in features.items()}
        return _Data(
            actions, mean, scale,
            np.array([programs[row.program] for row in samples]),
            np.array([BUILT.index(row.objective) for row in samples]),
            np.array([number[row.action] for row in samples]),
            np.array([row.gain for row in samples]),
            np.array([row.weight for row in samples]),
            np.array([scaled[row.program, row.objective] for row in samples]),
            np.array([state_values(row.held) for row in samples]),
            bags,
        )  # fmt: skip

    @property
    def one_hot(self) -> np.ndarray:
        return np.eye(len(BUILT))[self.objective]

    def table(self) -> np.ndarray:
        """Mean gain for each objective and action; each program counts alike, and few samples are drawn to the mean."""
        result = np.zeros((len(BUILT), len(self.actions)))
        sorts = np.array([sort_of(action) for action in self.actions])
        for objective in range(len(BUILT)):
            rows = self.objective == objective
            if not rows.any():
                continue
            prior = np.zeros(len(self.actions))  # the mean of the action's sort
            for sort in np.unique(sorts):
                alike = rows & (sorts[self.action] == sort)
                mean = np.average(self.gain[alike], weights=self.weight[alike]) if alike.any() else 0.0
                prior[sorts == sort] = mean
            result[objective] = mean_gains(
                prior, PRIOR_PROGRAMS, self.program[rows], self.action[rows], self.gain[rows], self.weight[rows]
            )
        return result


def sort_of(action: str) -> int:
    """Edits of whole passes, of one place of a pass, and passes."""
    return (1 if "#" in action else 0) if is_edit(action) else 2


def _pairs(data: _Data, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs (held, action) that say most beyond the table; a residual is shared by all that is held."""
    rest = data.gain - table[data.objective, data.action]
    size = len(data.actions)
    held_count = np.maximum(data.bags.sum(axis=1), 1.0)
    total, count = np.zeros((size, size)), np.zeros((size, size))
    for action in range(size):
        rows = data.action == action
        share = data.bags[rows] * data.weight[rows][:, None]
        total[:, action] = (share * (rest[rows] / held_count[rows])[:, None]).sum(axis=0)
        count[:, action] = share.sum(axis=0)
    gain = total / (count + 4.0)
    worth = np.abs(gain) * np.sqrt(count)
    order = np.argsort(-worth, axis=None, kind="stable")[:_PAIRS]
    places = np.stack(np.unravel_index(order, worth.shape), axis=1)
    return places, gain[places[:, 0], places[:, 1]]


def _linear(data: _Data, table: np.ndarray) -> dict[str, np.ndarray]:
    """Ridge regression for each action, of what the table leaves over."""
    _, _, right = np.linalg.svd(np.unique(data.inputs, axis=0), full_matrices=False)
    project = right[:_DIRECTIONS]
    signs = np.sign(project[np.arange(len(project)), np.abs(project).argmax(axis=1)])
    project = project * signs[:, None] / np.maximum((data.inputs @ project.T).std(axis=0), 1e-6)[:, None]
    inputs = np.concatenate([np.clip(data.inputs @ project.T, -3, 3), data.state, data.one_hot], axis=1)
    weights = np.zeros((len(data.actions), inputs.shape[1]))
    for action in range(len(data.actions)):
        rows = data.action == action
        x, w = inputs[rows], data.weight[rows]
        rest = data.gain[rows] - table[data.objective[rows], action]
        gram = (x * w[:, None]).T @ x + 12.0 * np.eye(x.shape[1])
        weights[action] = np.linalg.solve(gram, (x * w[:, None]).T @ rest)
    return {"small_project": project, "small_weights": weights, "small_gain": table.copy()}


def _perceptrons(data: _Data, table: np.ndarray, options: TrainingOptions) -> dict[str, np.ndarray]:
    """The mean of several perceptrons, which is one with all their hidden units."""
    nets = [_perceptron(data, table, replace(options, seed=options.seed + place)) for place in range(options.nets)]
    return {
        "base_gain": table.copy(),
        "base_in": np.concatenate([net["base_in"] for net in nets], axis=1),
        "base_in_bias": np.concatenate([net["base_in_bias"] for net in nets]),
        "base_out": np.concatenate([net["base_out"] for net in nets]) / len(nets),
        "base_out_bias": np.mean([net["base_out_bias"] for net in nets], axis=0),
    }


def _perceptron(data: _Data, table: np.ndarray, options: TrainingOptions) -> dict[str, np.ndarray]:
    """One hidden layer, by Adam with decay, on what the table leaves over, in hundredths."""
    random = np.random.default_rng(options.seed)
    fixed = np.concatenate([data.inputs, data.state, data.one_hot], axis=1).astype(np.float32)
    inputs = np.concatenate([fixed, data.bags], axis=1)
    target = ((data.gain - table[data.objective, data.action]) * SCALE).astype(np.float32)
    size, hidden = len(data.actions), _HIDDEN
    parts = [
        (random.standard_normal((inputs.shape[1], hidden)) * 0.15).astype(np.float32),
        np.zeros(hidden, np.float32),
        np.zeros((hidden, size), np.float32),
        np.zeros(size, np.float32),
    ]
    first = [np.zeros_like(part) for part in parts]
    second = [np.zeros_like(part) for part in parts]
    free = data.inputs.shape[1]
    step = 0
    for epoch in range(options.epochs):
        rate = options.rate * (1.0 - epoch / options.epochs)
        order = random.permutation(len(target))
        for start in range(0, len(order), options.batch):
            rows = order[start : start + options.batch]
            x = inputs[rows].copy()
            kept = random.random((len(rows), x.shape[1])) > options.dropout
            kept[:, free : fixed.shape[1]] = True
            x *= kept
            x[random.random(len(rows)) < options.strangers, :free] = 0.0
            before = x @ parts[0] + parts[1]
            out = np.maximum(before, 0.0)
            action = data.action[rows]
            told = np.einsum("rh,hr->r", out, parts[2][:, action]) + parts[3][action]
            error = ((told - target[rows]) * data.weight[rows] / len(rows)).astype(np.float32)
            gradients: list[np.ndarray] = [np.empty(0)] * 4
            spread = np.zeros((len(rows), size), np.float32)
            spread[np.arange(len(rows)), action] = error
            gradients[3] = spread.sum(axis=0)
            gradients[2] = out.T @ spread
            back = (error[:, None] * parts[2][:, action].T) * (before > 0)
            gradients[0] = x.T @ back
            gradients[1] = back.sum(axis=0)
            step += 1
            for place, gradient in enumerate(gradients):
                first[place] = 0.9 * first[place] + 0.1 * gradient
                second[place] = 0.999 * second[place] + 0.001 * gradient**2
                change = (first[place] / (1 - 0.9**step)) / (np.sqrt(second[place] / (1 - 0.999**step)) + 1e-8)
                parts[place] -= rate * (change + options.decay * parts[place])
    parts[2], parts[3] = parts[2] * options.trust, parts[3] * options.trust
    names = ("base_in", "base_in_bias", "base_out", "base_out_bias")
    return dict(zip(names, parts, strict=True))


def save(arrays: dict[str, np.ndarray], folder: Path) -> None:
    """weights.npz in half precision and parameters.json, byte for byte the same for the same arrays."""
    (folder / "weights.npz").write_bytes(packed(arrays))
    counts = {model: weights_of(stored(arrays)).count(model) for model in PARTS}
    (folder / "parameters.json").write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")


def rank_quality(samples: Iterable[Sample], gains: dict[tuple[str, tuple[str, ...]], dict[str, float]]) -> float:
    """Mean gain of the best-scored quarter of the samples at each state, over that of all: above 1 helps."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[tuple[float, float]]] = defaultdict(list)
    for row in samples:
        scores = gains[row.program + "/" + row.objective, row.held]
        groups[row.program, row.objective, row.held].append((scores[row.action], row.gain))
    chosen, every = [], []
    for pairs in groups.values():
        if len(pairs) >= 8:
            best = sorted(pairs, reverse=True)[: len(pairs) // 4]
            chosen.append(np.mean([gain for _, gain in best]))
            every.append(np.mean([gain for _, gain in pairs]))
    return float(np.mean(chosen) / np.mean(every))
