"""What a run shows of itself while it lasts, and what it ends with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from colt_llvm.measure.compared import Compared
from colt_llvm.measure.intervals import Interval
from colt_llvm.run.trials import TrialRecord

IMPROVED, IMPROVED_UNCHECKED = "improved", "improved, not checked"


@dataclass
class Progress:
    """A snapshot for a live view; every field is a plain number or text.

    phase: ``prepare``, ``search``, ``prove`` or ``done``. best_ratio: baseline / candidate, above 1 is better.
    failures: kind -> how many. known: trials whose object code had been seen before.
    nodes: of the tree, 0 where there is none. models: the ledger as it was at ``models_at`` seconds.
    """

    phase: str = "prepare"
    message: str = ""
    trials: int = 0
    trials_wanted: int | None = None
    elapsed_seconds: float = 0.0
    seconds_wanted: float | None = None
    nodes: int = 1
    depth: int = 0
    known: int = 0
    best_ratio: float = 1.0
    best_sequence: tuple[str, ...] = ()
    best_trial: int | None = None
    failures: Counter[str] = field(default_factory=Counter)
    models: Mapping[str, Any] = field(default_factory=dict)
    models_at: float = 0.0

    def count(self, trial: TrialRecord) -> None:
        """One trial more."""
        self.trials += 1
        self.known += trial.known
        self.elapsed_seconds = trial.seconds
        self.depth = max(self.depth, len(trial.sequence))
        if trial.outcome.failure:
            self.failures[trial.outcome.failure] += 1
        ratio = math.exp(trial.outcome.reward or 0.0)
        shorter = ratio == self.best_ratio and len(trial.sequence) < len(self.best_sequence)
        if ratio > self.best_ratio or shorter:
            self.best_ratio, self.best_sequence, self.best_trial = ratio, trial.sequence, trial.request.id


@dataclass(frozen=True)
class TuneResult:
    """verdict: ``improved``, of what nobody could check ``improved, not checked``, or ``no improvement found``: then
    the baseline is kept, and ``notes`` may say why.

    ratio: baseline / tuned of the objective's figure, with ``interval`` for a measured time; 1 where nothing was found.
    compared: what of the program's runs was compared, and what was left out. miscompile: the first candidate that was
    refused for what it does: trial, sequence, pipeline, workload, difference, and how often it and the baseline ran.
    figures: name -> (baseline, tuned). models: the ledger; empty where no model was asked. front: the trials that no
    other beats in both run time and size. diagnosis: of one miscompile, whose fault it is likely to be
    (``tune.diagnosis.Diagnosis``); empty where there was none. dropped: what the trial's sequence had beside
    ``sequence``, and what does not pay. functions: symbol -> bytes in the baseline's object and in the tuned one, of
    those that differ or were decided about; empty where no object was built. profile: what the program's profile gives
    by itself, over the same clang without it: ratio, its interval and verdict where run times count; empty without one.
    corpus: of a corpus, what ``run.results.corpus_of_run`` says of each program.
    """

    verdict: str
    program: str
    objective: str
    baseline: str
    ratio: float
    interval: Interval | None
    sequence: tuple[str, ...]
    pipeline: str
    figures: Mapping[str, tuple[float, float]]
    found_at_trial: int | None
    found_at_seconds: float | None
    trials: int
    distinct: int
    elapsed_seconds: float
    failures: Mapping[str, int]
    run_directory: Path
    recipe: Path | None
    output: Path | None
    interrupted: bool = False
    busy_fraction: float | None = None
    front: tuple[Mapping[str, Any], ...] = ()
    models: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    compared: Compared = field(default_factory=Compared)
    miscompile: Mapping[str, Any] | None = None
    diagnosis: Mapping[str, Any] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    functions: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    profile: Mapping[str, Any] = field(default_factory=dict)
    corpus: Mapping[str, Any] = field(default_factory=dict)

    @property
    def improved(self) -> bool:
        return self.verdict in (IMPROVED, IMPROVED_UNCHECKED)

    @property
    def profile_line(self) -> str:
        """Both gains in one sentence; empty without a profile."""
        if not self.profile:
            return ""
        ratio, interval = self.profile["ratio"], self.profile.get("interval")
        told = f" ({interval['low']:.4f} to {interval['high']:.4f})" if interval else ""
        sure = {"no improvement": ", no improvement", "too noisy": ", too noisy to tell"}.get(
            str(self.profile.get("verdict")), ""
        )
        line = f"the profile by itself: {ratio:.4f}x{told}{sure} over {self.baseline.partition(',')[0]} without it"
        return f"{line}; with what was tuned on top of it {ratio * self.ratio:.4f}x" if self.improved else line


def result_to_dict(result: TuneResult) -> dict[str, Any]:
    """JSON-able."""
    data = {**asdict(result), "compared": result.compared.to_dict()}
    for key in ("run_directory", "recipe", "output"):
        data[key] = str(data[key]) if data[key] is not None else None
    if result.interval is not None and not all(map(math.isfinite, (result.interval.low, result.interval.high))):
        data["interval"] = None
    return data
