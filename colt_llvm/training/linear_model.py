"""What the user's samples change in the policies: lookup tables of single actions and linear models beside them.

Mean gains of actions fill the tables. What actions bring in one state and not in another is in nano's pairs, small's
linear model and base's last layer.

All three are linear in what they see of a state, so each is drawn to the user's samples by ridge regression around what
it was: where there are few samples, or all of them are as expected, next to nothing changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from colt_llvm.models.embedded.scoring import SCALE, hidden_of, objective_vector, small_inputs_of, state_values
from colt_llvm.models.embedded.weights import BUILT
from colt_llvm.training.dataset import Sample

Array = npt.NDArray[np.float64]

#: What the old numbers weigh: as in the training of small's linear model, and of nano's pairs.
_RIDGE, _PAIR_PRIOR = 12.0, 4.0


def tuned(
    arrays: Mapping[str, Any],
    samples: Sequence[Sample],
    number: Mapping[str, int],
    vectors: Mapping[tuple[str, str], Array],
) -> dict[str, Any]:
    """New numbers for what ``arrays`` holds; its tables hold the samples already.

    number: action -> its place in the vocabulary. vectors: the features of a program under an objective, scaled;
    samples of others teach the pairs alone.
    """
    rows = [
        row
        for place, objective in enumerate(BUILT)
        for row in levelled(arrays["nano_gain"][place], number, [row for row in samples if row.objective == objective])
    ]
    seen = [row for row in rows if (row.program, row.objective) in vectors]
    return (
        _pairs(arrays, rows, number)
        | _linear_model(arrays, seen, number, vectors)
        | _last_layer(arrays, seen, number, vectors)
    )


def _pairs(arrays: Mapping[str, Any], rows: Sequence[Sample], number: Mapping[str, int]) -> dict[str, Any]:
    """A residual is shared by all that is held. No pair is added: what is new among so many is mostly chance."""
    places = {(int(held), int(action)): place for place, (held, action) in enumerate(arrays["nano_pairs"])}
    total, count = np.zeros(len(places)), np.zeros(len(places))
    gains = np.array(arrays["nano_pair_gain"], dtype=np.float64)
    for row in rows:
        action, held = number[row.action], {number[name] for name in row.held if name in number}
        known = [places[name, action] for name in held if (name, action) in places]
        if known:
            rest = row.gain - arrays["nano_gain"][BUILT.index(row.objective), action]
            total[known] += row.weight * rest / len(held)
            count[known] += row.weight
    return {"nano_pair_gain": (_PAIR_PRIOR * gains + total) / (_PAIR_PRIOR + count)}


def _linear_model(
    arrays: Mapping[str, Any],
    rows: Sequence[Sample],
    number: Mapping[str, int],
    vectors: Mapping[tuple[str, str], Array],
) -> dict[str, Any]:
    weights = np.array(arrays["small_weights"], dtype=np.float64)
    for action, mine in _by_action(rows, number).items():
        inputs = np.array(
            [
                small_inputs_of(
                    arrays["small_project"], vectors[row.program, row.objective], state_values(row.held),
                    objective_vector(row.objective),
                )
                for row in mine
            ]
        )  # fmt: skip
        rest = _gains(mine) - _table(arrays["small_gain"], mine, action)
        weights[action] += _change(inputs, rest - inputs @ weights[action], _weights(mine))
    return {"small_weights": weights}


def _last_layer(
    arrays: Mapping[str, Any],
    rows: Sequence[Sample],
    number: Mapping[str, int],
    vectors: Mapping[tuple[str, str], Array],
) -> dict[str, Any]:
    """The hidden layer stays as it is: it was made from far more than one user's runs."""
    out = np.array(arrays["base_out"], dtype=np.float64)
    bias = np.array(arrays["base_out_bias"], dtype=np.float64)
    for action, mine in _by_action(rows, number).items():
        hidden = np.array(
            [
                hidden_of(
                    arrays["base_in"], arrays["base_in_bias"], vectors[row.program, row.objective],
                    state_values(row.held), objective_vector(row.objective),
                    [number[name] for name in set(row.held) if name in number],
                )
                for row in mine
            ]
        )  # fmt: skip
        rest = SCALE * (_gains(mine) - _table(arrays["base_gain"], mine, action))
        inputs = np.concatenate([hidden, np.ones((len(mine), 1))], axis=1)
        change = _change(inputs, rest - hidden @ out[:, action] - bias[action], _weights(mine))
        out[:, action] += change[:-1]
        bias[action] += change[-1]
    return {"base_out": out, "base_out_bias": bias}


def _change(inputs: Array, rest: Array, weights: Array) -> Array:
    """inputs: [samples, inputs]. rest: [samples], what the old weights leave over. Shape [inputs]."""
    weighted = (inputs * weights[:, None]).T
    solved = np.linalg.solve(weighted @ inputs + _RIDGE * np.eye(inputs.shape[1]), weighted @ rest)
    return np.asarray(solved, dtype=np.float64)


def _by_action(rows: Sequence[Sample], number: Mapping[str, int]) -> dict[int, list[Sample]]:
    found: defaultdict[int, list[Sample]] = defaultdict(list)
    for row in rows:
        found[number[row.action]].append(row)
    return found


def _table(table: Any, rows: Sequence[Sample], action: int) -> Array:
    return np.array([float(table[BUILT.index(row.objective), action]) for row in rows])


def _gains(rows: Sequence[Sample]) -> Array:
    return np.array([row.gain for row in rows])


def _weights(rows: Sequence[Sample]) -> Array:
    return np.array([row.weight for row in rows])


#: What the old table weighs against the user's programs: as much as so many of them.
PRIOR_PROGRAMS = 2.0
#: A program's gains are brought to the level that the table expects; by this factor at most, either way.
_MOST_SCALE = 3.0


def mean_gains(
    prior: Array, strength: float, program: npt.NDArray[np.intp], action: npt.NDArray[np.intp], gain: Array,
    weight: Array,
) -> Array:  # fmt: skip
    """Shape [actions]: the mean over programs of their own mean gains, drawn to ``prior`` as by ``strength`` programs.

    program, action, gain, weight: shape [samples]; actions are places in ``prior``. Each program counts alike.
    """
    size = len(prior)
    total, count = strength * prior, np.full(size, strength)
    for number in np.unique(program):
        mine = program == number
        weights = np.bincount(action[mine], weight[mine], size)
        sums = np.bincount(action[mine], weight[mine] * gain[mine], size)
        sure = weights / (weights + 1.0)  # a program with one try counts by half
        total += sure * sums / np.maximum(weights, 1e-9)
        count += sure
    result: Array = total / count
    return result


def learned_row(prior: Array, number: Mapping[str, int], samples: Sequence[Sample]) -> Array:
    """A row of a table, shape [actions], with the user's samples mixed in, at the table's level."""
    samples = levelled(prior, number, samples)
    names = {name: place for place, name in enumerate(sorted({row.program for row in samples}))}
    program = np.array([names[row.program] for row in samples], dtype=np.intp)
    action = np.array([number[row.action] for row in samples], dtype=np.intp)
    gain = np.array([row.gain for row in samples], dtype=np.float64)
    weight = np.array([row.weight for row in samples], dtype=np.float64)
    return mean_gains(prior, PRIOR_PROGRAMS, program, action, gain, weight)


def levelled(prior: Array, number: Mapping[str, int], samples: Sequence[Sample]) -> list[Sample]:
    """The samples of actions that are known, with the level of each program's gains brought to that of the table.

    Trials of a long search gain less than those that the table was made of, and what was tried must not fall behind
    what was not. A program that gained nothing says nothing, and is left out.
    """
    programs: defaultdict[str, list[Sample]] = defaultdict(list)
    for row in samples:
        if row.action in number:
            programs[row.program].append(row)
    result: list[Sample] = []
    for rows in programs.values():
        seen = sum(row.weight * row.gain for row in rows)
        if seen > 0:
            expected = sum(row.weight * max(float(prior[number[row.action]]), 0.0) for row in rows)
            scale = min(max(expected / seen, 1.0 / _MOST_SCALE), _MOST_SCALE)
            result += [replace(row, gain=row.gain * scale) for row in rows]
    return result
