"""What the search itself costs, without model, compiler and program; and what overlapping slow ones gives."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from colt_llvm.evaluate.evaluation import Reference
from colt_llvm.evaluate.evaluators import Pool, ProgramEvaluator, examiner_of
from colt_llvm.evaluate.target import Built
from colt_llvm.evaluate.timer import Timer
from colt_llvm.measure.intervals import Interval
from colt_llvm.measure.rounds import TrialMeasurement
from colt_llvm.models.base import ModelSpec
from colt_llvm.models.budget import Spending
from colt_llvm.objectives.base import Objective
from colt_llvm.proposal.questions import Questions
from colt_llvm.run.loop import Loop, LoopOptions
from colt_llvm.search import ColtOptions, ColtSearch, DrawOptions, Model, Outcome, Proposal, RandomProposer, Request
from colt_llvm.search.strategy import Task

SIZES = (1_000, 10_000, 50_000)
_SAMPLE = 500
_ACTIONS = tuple(f"pass-{number}" for number in range(200))
_SPECS = tuple(
    ModelSpec(name, "scripted", count) for name, count in (("small", 7e9), ("middle", 30e9), ("large", 7e10))
)
_MODELS = tuple(Model(spec.name, spec.parameters) for spec in _SPECS)
_MODEL_SECONDS, _PROGRAM_SECONDS, _OVERLAPPED_TRIALS = 2.0, 0.3, 16


def search_seconds() -> list[dict[str, float]]:
    """Seconds of one iteration (ask, question, tell) at each tree size, and the mean depth of what was asked there."""
    search = ColtSearch(_MODELS, ColtOptions(), seed=1)
    questions = Questions(Task("size", "clang -Oz", "", _ACTIONS, ()), search, _SPECS)
    proposer = RandomProposer(_ACTIONS, _MODELS, seed=1, draws=DrawOptions(signed=None))
    rows = []
    for size in SIZES:
        while len(search.tree.nodes) < size:
            _iterate(search, questions, proposer)
        started = time.perf_counter()
        depths = [_iterate(search, questions, proposer) for _ in range(_SAMPLE)]
        took = time.perf_counter() - started - _proposing(proposer)
        rows.append({"nodes": size, "seconds": took / _SAMPLE, "mean_passes": sum(depths) / len(depths)})
    return rows


def _iterate(search: ColtSearch, questions: Questions, proposer: RandomProposer) -> int:
    request = search.ask()
    assert request is not None
    questions.make(request, request.model, lambda name: True, Spending())
    proposal = proposer.propose(request)
    number = random.Random(request.id).random()
    outcome = Outcome(number - 0.5, str(number))
    search.tell(request, proposal, outcome)
    questions.observe(request, proposal, outcome)
    return len(request.sequence)


def _proposing(proposer: RandomProposer) -> float:
    """Seconds that the double's answers took: not the search's own."""
    requests = [Request(number, 0, (), "small", "expand") for number in range(_SAMPLE)]
    started = time.perf_counter()
    for request in requests:
        proposer.propose(request)
        random.Random(request.id).random()
    return time.perf_counter() - started


def overlap() -> dict[str, float]:
    """The loop with a model of 2 s and a program of 0.3 s, both asleep: one call in flight, and four."""
    one, four = (_run_overlapped(in_flight) for in_flight in (1, 4))
    return {"one_seconds": one, "four_seconds": four, "ratio": one / four, "trials": _OVERLAPPED_TRIALS}


def _run_overlapped(in_flight: int) -> float:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="colt-")))
        search = ColtSearch(_MODELS, ColtOptions(), seed=1)
        reference = Reference(Objective("runtime"), {"runtime": 1.0, "size": 1.0}, "")
        examiner = examiner_of(cast(Timer, _SlowTimer(folder)))
        evaluator = ProgramEvaluator(Pool([_Builder()]), examiner, reference)
        loop = Loop(search, _SlowProposer(), evaluator, lambda trial: None, LoopOptions(in_flight))
        started = time.perf_counter()
        loop.run(trials=_OVERLAPPED_TRIALS, seconds=None)
        return time.perf_counter() - started


class _SlowProposer:
    def __init__(self) -> None:
        self._random = RandomProposer(_ACTIONS, _MODELS, seed=1, draws=DrawOptions(signed=None))

    def prepare(self, request: Request) -> Callable[[], Proposal]:
        def answer() -> Proposal:
            time.sleep(_MODEL_SECONDS)
            return self._random.propose(request)

        return answer

    def observe(self, request: Request, proposal: Proposal, outcome: Outcome) -> None: ...


class _Builder:
    def build(self, sequence: Sequence[str]) -> Built:
        return Built(" ".join(sequence), 1, (b"",), 1, 1)


class _SlowTimer:
    core = None
    verifier = property(lambda self: self)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def link(self, objects: Sequence[bytes], name: str) -> Path:
        return self.folder / name

    def check(self, executable: Path, **_: Any) -> bool:
        return True

    def measure(self, executable: Path, best_ratio: float | None, seed: int) -> TrialMeasurement:
        time.sleep(_PROGRAM_SECONDS)
        ratio = 1 + random.Random(seed).random() / 10
        return TrialMeasurement((1 / ratio,), (1.0,), (), Interval(ratio, ratio, ratio, 0.95, 1), False)
