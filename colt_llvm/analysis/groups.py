"""Which cells may be compared: one objective, one budget, one LLVM, and one machine where figures are its own.

Nothing is mixed: a budget of trials with one of seconds, ``instructions`` strict with not strict, two versions of
LLVM, or two machines where run time or the seconds of a search decide. What differs is another group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from colt_llvm.analysis.cells import SECONDS, Budget, Cell, Results, is_timed

Subject = tuple[str, str]
EVERYTHING = "all"


@dataclass(frozen=True)
class Key:
    """What the cells of a group share."""

    objective: str
    strict: bool  # instructions against clang -Oz
    budget: Budget
    llvm: str  # its version
    host: str  # "" where the result does not depend on it

    def __str__(self) -> str:
        strict = " (strict)" if self.strict else ""
        host = f", {self.host}" if self.host else ""
        return f"{self.objective}{strict}, {self.budget}, LLVM {self.llvm}{host}"


@dataclass(frozen=True)
class Group:
    """Comparable cells, done ones alone."""

    key: Key
    part: str  # EVERYTHING, a split or a suite
    strategies: tuple[str, ...]  # those with a cell, in the experiment's order
    programs: tuple[Subject, ...]  # all of the group
    cells: Mapping[str, Mapping[Subject, tuple[Cell, ...]]]  # strategy -> program -> its cells, by seed
    failed: Mapping[str, int]  # strategy -> cells that failed
    best: Mapping[Subject, float]  # program -> the best gain known of it at any budget
    doubtful: tuple[str, ...] = ()  # a line for each program that has two baselines

    def gains(self, strategy: str, programs: Sequence[Subject] | None = None) -> list[list[float]]:
        """[program][seed], natural logs; the programs that the strategy has, or those named."""
        found = self.cells[strategy]
        return [[cell.gain for cell in found[program]] for program in (programs or self.programs_of(strategy))]

    def programs_of(self, *strategies: str) -> tuple[Subject, ...]:
        """Programs on which each of the strategies has a cell."""
        return tuple(
            program for program in self.programs if all(program in self.cells[strategy] for strategy in strategies)
        )

    def all_cells(self, strategy: str) -> list[Cell]:
        return [cell for program in self.programs_of(strategy) for cell in self.cells[strategy][program]]


def group_cells(results: Results, parts: bool = True) -> list[Group]:
    """Groups by key, each whole and, where ``parts`` and it has several, by split and by suite."""
    by_key: dict[Key, list[Cell]] = {}
    for cell in results.cells:
        by_key.setdefault(key_of(cell), []).append(cell)
    groups = []
    for key in sorted(by_key, key=lambda key: (key.objective, key.strict, key.budget.unit == SECONDS,
                                               key.budget.amount, key.llvm, key.host)):  # fmt: skip
        cells = by_key[key]
        best = _best_known(results, key)
        groups.append(_group(key, EVERYTHING, results.strategies, cells, best))
        for name in ("split", "suite") if parts else ():
            values = sorted({getattr(cell, name) for cell in cells} - {""})
            if len({getattr(cell, name) for cell in cells}) > 1:
                groups += [
                    _group(key, value, results.strategies, [c for c in cells if getattr(c, name) == value], best)
                    for value in values
                ]
    return [group for group in groups if group.strategies]


def key_of(cell: Cell) -> Key:
    """A search that stops after seconds depends on the machine, whatever its objective."""
    own = is_timed(cell.objective) or cell.budget.unit == SECONDS
    return Key(cell.objective, cell.strict, cell.budget, cell.llvm, cell.host if own else "")


def _group(key: Key, part: str, order: Sequence[str], cells: Sequence[Cell], best: Mapping[Subject, float]) -> Group:
    done: dict[str, dict[Subject, list[Cell]]] = {}
    failed: dict[str, int] = {}
    for cell in cells:
        if cell.done:
            done.setdefault(cell.strategy, {}).setdefault(cell.subject, []).append(cell)
        else:
            failed[cell.strategy] = failed.get(cell.strategy, 0) + 1
    ordered = {
        strategy: {
            program: tuple(sorted(seeds, key=lambda cell: cell.seed)) for program, seeds in done[strategy].items()
        }
        for strategy in order
        if strategy in done
    }
    programs = tuple(sorted({program for found in ordered.values() for program in found}))
    return Group(key, part, tuple(ordered), programs, ordered, failed, best, tuple(_unlike_baselines(key, cells)))


def _best_known(results: Results, key: Key) -> dict[Subject, float]:
    """Over all budgets and strategies that may be compared with the key's."""
    best: dict[Subject, float] = {}
    for cell in results.cells:
        same = replace(key_of(cell), budget=key.budget, host=key.host)
        if cell.done and same == key and (not is_timed(key.objective) or cell.host == key.host):
            best[cell.subject] = max(best.get(cell.subject, 0.0), cell.gain)
    return best


def _unlike_baselines(key: Key, cells: Sequence[Cell]) -> list[str]:
    """Without noise a program has one baseline. Where it has two, its cells are of two programs or two levels."""
    if is_timed(key.objective):
        return []
    seen: dict[Subject, set[float]] = {}
    for cell in cells:
        if cell.done and key.objective in cell.baseline:
            seen.setdefault(cell.subject, set()).add(cell.baseline[key.objective])
    return [
        f"{program}: different baselines of {key.objective} ({', '.join(f'{value:g}' for value in sorted(values))})"
        for (_, program), values in sorted(seen.items())
        if len(values) > 1
    ]
