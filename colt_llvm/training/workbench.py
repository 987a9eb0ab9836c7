"""Rewards of sequences for one program, without running the program.

Size is that of the objects' loaded sections, instructions are those of the IR. No output is checked here, so these
rewards are good for training and for comparing proposers, and prove nothing about a program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from colt_llvm.core.errors import PassError
from colt_llvm.env import ServiceOptions
from colt_llvm.evaluate.builder import Builder
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Built, built_from_objects, prepare_target
from colt_llvm.llvm.features import INST_COUNT_NAMES, inst_count
from colt_llvm.llvm.library import Library
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.replay import replay
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.objectives.base import RUN_TIME, Objective
from colt_llvm.program.baseline import Baseline
from colt_llvm.program.program import Program
from colt_llvm.search import Outcome

PASS_SECONDS = 5.0


@dataclass
class Workbench:
    """One program under one objective.

    features: InstCount of the root's completed IR by name. figures: of the baseline. known: every sequence built.
    relative_time: for objectives that time the program, against the baseline's; None for a program that is wrong.
    """

    program: Program
    objective: Objective
    baseline: str
    builder: Builder
    passes: tuple[str, ...]
    edits: tuple[str, ...]
    features: dict[str, float]
    figures: dict[str, float]
    root_key: str
    known: dict[tuple[str, ...], Outcome] = field(default_factory=dict)
    relative_time: Callable[[Built], float | None] | None = None
    _times: dict[str, float | None] = field(default_factory=dict)

    def outcome(self, sequence: Sequence[str]) -> Outcome:
        """As a run's own driver tells it, but for the check of the output. Built once."""
        sequence = tuple(sequence)
        if sequence not in self.known:
            self.known[sequence] = self._build(sequence)
        return self.known[sequence]

    def forget(self) -> None:
        """Build and time anew whatever is asked for from now on."""
        self.known.clear()
        self._times.clear()

    def _build(self, sequence: tuple[str, ...]) -> Outcome:
        try:
            built = self.builder.build(sequence)
        except PassError as error:
            return Outcome(None, failure=type(error).__name__)
        figures = built.figures
        if self.relative_time is not None:
            if built.key not in self._times:
                self._times[built.key] = 1.0 if built.key == self.root_key else self.relative_time(built)
            relative = self._times[built.key]
            if relative is None:
                return Outcome(None, built.key, "wrong")
            figures = figures | {RUN_TIME: relative}
        if not all(value > 0 for value in figures.values()):
            return Outcome(None, built.key, "empty")
        return Outcome(self.objective.reward(figures, self.figures), built.key, None, figures)


@contextmanager
def workbench(toolchain: Toolchain, program: Program, objective: str) -> Iterator[Workbench]:
    """Starts one service process, and ends it. Raises ColtError when the program does not build."""
    target = prepare_target(toolchain, program, TuneOptions(objective=objective))
    goal, baseline = target.objective, target.baseline
    service = ServiceOptions(llvm_prefix=toolchain.prefix, action_seconds=PASS_SECONDS)
    with Builder(target, "library", service) as builder:
        empty = builder.build(())
        figures = empty.figures
        if goal.builds_objects and goal.level == "Oz":
            mark = built_from_objects(baseline.objects, empty.instructions)
            figures = mark.figures
        yield Workbench(
            program, goal, baseline.name, builder, tuple(target.catalogue.names()),
            tuple(target.sequences.edits), features_of(toolchain, baseline), figures | {RUN_TIME: 1.0},
            empty.key,
        )  # fmt: skip


def features_of(toolchain: Toolchain, baseline: Baseline) -> dict[str, float]:
    """InstCount of the baseline's completed IR, by name: what a model is told of the program."""
    library = Library.load(toolchain.library)
    done = replay(toolchain.library, baseline.bitcodes, baseline.completion.pipeline, baseline.codegen_level)
    counts = []
    for bitcode in done:
        with Module.parse(library, bitcode) as module:
            counts.append(inst_count(module))
    total = map(float, np.sum(counts, axis=0))
    return dict(zip((f"{name}Count" for name in INST_COUNT_NAMES), total, strict=True))
