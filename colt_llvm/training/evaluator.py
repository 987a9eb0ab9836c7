"""Rewards of sequences for one program, without running the program.

Size is that of the objects' loaded sections, instructions are those of the IR. No output is checked here, so these
rewards are good for training and for comparing proposers, and prove nothing about a program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from colt_llvm.core.errors import PassError
from colt_llvm.env import ServiceOptions
from colt_llvm.evaluate.builder import Builder
from colt_llvm.evaluate.evaluation import Evaluation, Standing
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Built, Target, prepare_target
from colt_llvm.llvm.features import INST_COUNT_NAMES, inst_count
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.objectives.base import RUN_TIME, Objective
from colt_llvm.program.program import Program

PASS_SECONDS = 5.0


@dataclass
class CachedEvaluator:
    """One program under one objective: whatever was built is known from then on, to each search that uses this."""

    objective: Objective
    baseline_name: str
    builder: Builder
    passes: tuple[str, ...]
    edits: tuple[str, ...]
    features: dict[str, float]  #: InstCount of the root's completed IR, by name
    figures: dict[str, float]  #: of the baseline
    root_key: str
    known: dict[tuple[str, ...], Evaluation] = field(default_factory=dict)  #: every sequence built
    #: For objectives that time the program, against the baseline's time; None for a program that is wrong.
    relative_time: Callable[[Built], float | None] | None = None
    _times: dict[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.baseline: Evaluation | None = Evaluation(0.0, self.root_key, None, self.figures)

    def evaluate(self, sequence: tuple[str, ...], standing: Standing) -> Evaluation:
        """As ``outcome``: what it depends on is the sequence alone."""
        return self.outcome(sequence)

    def outcome(self, sequence: Sequence[str]) -> Evaluation:
        """As a run has it, but for the check of the output. Built once."""
        sequence = tuple(sequence)
        if sequence not in self.known:
            self.known[sequence] = self._build(sequence)
        return self.known[sequence]

    def forget(self) -> None:
        """Build and time anew whatever is asked for from now on."""
        self.known.clear()
        self._times.clear()

    def close(self) -> None:
        """Of one search that used this: the service stays for the next."""

    def _build(self, sequence: tuple[str, ...]) -> Evaluation:
        try:
            built = self.builder.build(sequence)
        except PassError as error:
            return Evaluation(None, failure=type(error).__name__)
        figures = built.figures
        if self.relative_time is not None:
            if built.key not in self._times:
                self._times[built.key] = 1.0 if built.key == self.root_key else self.relative_time(built)
            relative = self._times[built.key]
            if relative is None:
                return Evaluation(None, built.key, "wrong")
            figures = figures | {RUN_TIME: relative}
        if not all(value > 0 for value in figures.values()):
            return Evaluation(None, built.key, "empty")
        return Evaluation(self.objective.reward(figures, self.figures), built.key, None, figures)


@contextmanager
def cached_evaluator(toolchain: Toolchain, program: Program, objective: str) -> Iterator[CachedEvaluator]:
    """Starts one service process, and ends it. Raises ColtError when the program does not build."""
    target = prepare_target(toolchain, program, TuneOptions(objective=objective))
    service = ServiceOptions(llvm_prefix=toolchain.prefix, action_seconds=PASS_SECONDS)
    with Builder(target, "library", service) as builder:
        empty = builder.build(())
        figures = empty.figures
        if target.objective.builds_objects and target.objective.level == "Oz":
            figures = replace(target.baseline_built, instructions=empty.instructions).figures
        yield CachedEvaluator(
            target.objective, target.baseline.name, builder, tuple(target.catalogue.names()),
            tuple(target.sequences.edits), features_of(target), figures | {RUN_TIME: 1.0}, empty.key,
        )  # fmt: skip


def features_of(target: Target) -> dict[str, float]:
    """InstCount of the baseline's completed IR, by name: what a model is told of the program. Raises PassError."""
    counts = []
    for bitcode in target.optimise(target.baseline.completion.pipeline):
        with Module.parse(target.toolchain.load(), bitcode) as module:
            counts.append(inst_count(module))
    total = map(float, np.sum(counts, axis=0))
    return dict(zip((f"{name}Count" for name in INST_COUNT_NAMES), total, strict=True))
