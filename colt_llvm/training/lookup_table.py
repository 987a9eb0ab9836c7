"""Mean gains of actions, with few tries drawn to what was believed before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from colt_llvm.training.samples import Try

Array = npt.NDArray[np.float64]

#: What the old table weighs against the user's programs: as much as so many of them.
PRIOR_PROGRAMS = 2.0
#: A program's gains are brought to the level that the table expects; by this factor at most, either way.
_MOST_SCALE = 3.0


def mean_gains(
    prior: Array, strength: float, program: npt.NDArray[np.intp], action: npt.NDArray[np.intp], gain: Array,
    weight: Array,
) -> Array:  # fmt: skip
    """Shape [actions]: the mean over programs of their own mean gains, drawn to ``prior`` as by ``strength`` programs.

    program, action, gain, weight: shape [tries]; actions are places in ``prior``. Each program counts alike.
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


def learned_row(prior: Array, number: Mapping[str, int], tries: Sequence[Try]) -> Array:
    """A row of a table, shape [actions], with the user's tries of its objective mixed in, at the table's level."""
    tries = levelled(prior, number, tries)
    names = {name: place for place, name in enumerate(sorted({row.program for row in tries}))}
    program = np.array([names[row.program] for row in tries], dtype=np.intp)
    action = np.array([number[row.action] for row in tries], dtype=np.intp)
    gain = np.array([row.gain for row in tries], dtype=np.float64)
    weight = np.array([row.weight for row in tries], dtype=np.float64)
    return mean_gains(prior, PRIOR_PROGRAMS, program, action, gain, weight)


def levelled(prior: Array, number: Mapping[str, int], tries: Sequence[Try]) -> list[Try]:
    """The tries of actions that are known, with the level of each program's gains brought to that of the table.

    Trials of a long search gain less than those that the table was made of, and what was tried must not fall behind
    what was not. A program that gained nothing says nothing, and is left out.
    """
    programs: defaultdict[str, list[Try]] = defaultdict(list)
    for row in tries:
        if row.action in number:
            programs[row.program].append(row)
    result: list[Try] = []
    for rows in programs.values():
        seen = sum(row.weight * row.gain for row in rows)
        if seen > 0:
            expected = sum(row.weight * max(float(prior[number[row.action]]), 0.0) for row in rows)
            scale = min(max(expected / seen, 1.0 / _MOST_SCALE), _MOST_SCALE)
            result += [replace(row, gain=row.gain * scale) for row in rows]
    return result
