"""What actions bring in one state and not in another: nano's pairs, small's lines, base's last layer.

All three are linear in what they see of a state, so each is drawn to the user's tries by ridge regression around what
it was: where there are few tries, or all of them are as expected, next to nothing changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from colt_llvm.models.embedded.scoring import SCALE, hidden_of, objective_vector, small_inputs_of, state_values
from colt_llvm.models.embedded.weights import BUILT
from colt_llvm.training.lookup_table import levelled
from colt_llvm.training.samples import Try

Array = npt.NDArray[np.float64]

#: What the old numbers weigh: as in the training of small's lines, and of nano's pairs.
_RIDGE, _PAIR_PRIOR = 12.0, 4.0


def tuned(
    arrays: Mapping[str, Any], tries: Sequence[Try], number: Mapping[str, int], vectors: Mapping[tuple[str, str], Array]
) -> dict[str, Any]:
    """New numbers for what ``arrays`` holds; its tables are those that hold the tries already.

    number: action -> its place in the vocabulary. vectors: the features of a program under an objective, scaled; tries
    of others teach the pairs alone.
    """
    rows = [
        row
        for place, objective in enumerate(BUILT)
        for row in levelled(arrays["nano_gain"][place], number, [row for row in tries if row.objective == objective])
    ]
    seen = [row for row in rows if (row.program, row.objective) in vectors]
    return (
        _pairs(arrays, rows, number)
        | _lines(arrays, seen, number, vectors)
        | _last_layer(arrays, seen, number, vectors)
    )


def _pairs(arrays: Mapping[str, Any], rows: Sequence[Try], number: Mapping[str, int]) -> dict[str, Any]:
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


def _lines(
    arrays: Mapping[str, Any], rows: Sequence[Try], number: Mapping[str, int], vectors: Mapping[tuple[str, str], Array]
) -> dict[str, Any]:
    lines = np.array(arrays["small_weights"], dtype=np.float64)
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
        lines[action] += _change(inputs, rest - inputs @ lines[action], _weights(mine))
    return {"small_weights": lines}


def _last_layer(
    arrays: Mapping[str, Any], rows: Sequence[Try], number: Mapping[str, int], vectors: Mapping[tuple[str, str], Array]
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
    """inputs: [tries, inputs]. rest: [tries], what the old line leaves over. Shape [inputs]."""
    weighted = (inputs * weights[:, None]).T
    solved = np.linalg.solve(weighted @ inputs + _RIDGE * np.eye(inputs.shape[1]), weighted @ rest)
    return np.asarray(solved, dtype=np.float64)


def _by_action(rows: Sequence[Try], number: Mapping[str, int]) -> dict[int, list[Try]]:
    found: defaultdict[int, list[Try]] = defaultdict(list)
    for row in rows:
        found[number[row.action]].append(row)
    return found


def _table(table: Any, rows: Sequence[Try], action: int) -> Array:
    return np.array([float(table[BUILT.index(row.objective), action]) for row in rows])


def _gains(rows: Sequence[Try]) -> Array:
    return np.array([row.gain for row in rows])


def _weights(rows: Sequence[Try]) -> Array:
    return np.array([row.weight for row in rows])
