"""The proof, apart from the search: finalists are built again in one go, checked on every workload, measured again.

A recipe is one pipeline text, and the search applied its passes one by one. So what is proved is the object that
the text itself gives, not the one that the search saw. Before that the candidates of a timed search are re-ranked side
by side, so that not the luckiest become finalists.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import CompileError, PassError
from colt_llvm.evaluate.target import Built, Target
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.measure.ab_test import ABTest, ABTestPolicy, Arm, ab_test
from colt_llvm.measure.intervals import Interval, Noise, Verdict, verdict_of
from colt_llvm.measure.rounds import affordable, rerank
from colt_llvm.objectives.base import RUN_TIME, SMALLEST_GAIN, Objective, is_gain
from colt_llvm.run.minimizing import Shorten, dropped
from colt_llvm.run.profile_gain import ARM, ProfileGain, timed_gain
from colt_llvm.run.trials import TrialRecord

#: What says that a candidate does not stand as its recipe would build it.
UNFIT = Miscompiled, PassError, CompileError
MOST_CANDIDATES = 12
#: Of the proof's seconds; the A/B test has the rest.
SHARE = 0.3


def passes_of(trial: TrialRecord) -> str:
    """The whole sequence with commas, as evidence names it."""
    return ",".join(trial.sequence)


def seconds_for(
    candidates: Sequence[TrialRecord], finalists: Callable[[float], int], seconds: float, run_seconds: float
) -> float:
    """How much of the proof's ``seconds`` a re-ranking takes; 0 where there is no time for more than the finalists.

    finalists: how many the A/B test can time in so many seconds.
    """
    share = seconds * SHARE
    return share if _taking_part(candidates, share, run_seconds) > finalists(seconds - share) else 0.0


def _taking_part(candidates: Sequence[TrialRecord], seconds: float, run_seconds: float) -> int:
    return min(len(candidates), affordable(MOST_CANDIDATES, seconds, run_seconds))


@dataclass
class Reranking:
    """Measures the candidates of a timed search once more."""

    timer: Timer
    build: Callable[[TrialRecord, str], Path]  # the executable as the recipe builds it, under this name
    reward: Callable[[TrialRecord, float], float]  # that a trial has at this ratio of run times
    seed: int
    clock: Callable[[], float]

    def order(
        self, candidates: Sequence[TrialRecord], seconds: float, rejected: dict[str, str]
    ) -> tuple[list[TrialRecord], dict[str, float]]:
        """The candidates in a new order, and the ratio that each of the first showed, by its passes.

        The first go by the reward that they have at that ratio, the others behind them as they were. One that does not
        stand is left out, and ``rejected`` says why.
        """
        count = _taking_part(candidates, seconds, self.timer.run_seconds)
        first = candidates[:count]
        arms: dict[str, Path] = {}
        for number, trial in enumerate(first):
            try:
                arms[passes_of(trial)] = self.build(trial, f"candidate-{number}")
            except UNFIT as error:
                rejected[passes_of(trial)] = str(error)
        names = {executable: name for name, executable in arms.items()}

        def time_round(executables: Sequence[Path]) -> list[float]:
            spent = dict.fromkeys(executables, math.inf)  # what was at fault is not run again: it may hang each time
            standing = [executable for executable in executables if names.get(executable) not in rejected]
            for executable, outcome in zip(standing, self.timer.outcomes(standing), strict=True):
                if not isinstance(outcome, Miscompiled):
                    spent[executable] = outcome
                elif executable in names:
                    rejected[names[executable]] = str(outcome)
                else:
                    raise outcome  # the baseline
            return [spent[executable] for executable in executables]

        ratios = rerank(arms, self.timer.verifier.baseline, time_round, seconds, seed=self.seed, clock=self.clock)
        for executable in arms.values():
            executable.unlink(missing_ok=True)
        fit = [trial for trial in first if passes_of(trial) not in rejected]
        fit.sort(key=lambda trial: -self.reward(trial, ratios[passes_of(trial)]))
        return [*fit, *candidates[count:]], {name: ratio for name, ratio in ratios.items() if name not in rejected}


MOST_FINALISTS = 3
#: Each finalist more widens every interval and takes time from all; so it has to leave this many rounds.
_WANTED_ROUNDS = 24
_SCORED_POINTS = 32
_TOO_LITTLE = f"what was found gains less than {SMALLEST_GAIN:.2%}, which does not count as an improvement"


@dataclass(frozen=True)
class Finalist:
    """A sequence as its recipe builds it. ratio: of the objective, as far as it needs no timing."""

    trial: TrialRecord
    sequence: tuple[str, ...]
    pipeline: str
    built: Built
    executable: Path

    @property
    def dropped(self) -> tuple[str, ...]:
        """What the trial had beside it, and what does not pay."""
        return dropped(self.trial.sequence, self.sequence)


@dataclass(frozen=True)
class Proof:
    """verdict: improved, no improvement, too noisy. winner: None where nothing is better than the baseline.

    winner_name: of its arm in the A/B test. reranking: what candidates showed before it, by their passes with commas.
    at_once: whether the runs of a round of the A/B test shared a core, side by side.
    miscompiled: finalists that a second look confirmed as wrong, with its evidence.
    profile: what the program's profile gives by itself; None without one.
    """

    verdict: Verdict
    winner: Finalist | None = None
    winner_name: str = ""
    ratio: float = 1.0
    interval: Interval | None = None
    ab_test: ABTest | None = None
    rejected: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reranking: Mapping[str, float] = field(default_factory=dict)
    at_once: bool = False
    miscompiled: tuple[tuple[TrialRecord, Mapping[str, Any]], ...] = ()
    profile: ProfileGain | None = None


@dataclass
class Prover:
    """Finds the best that stands up. figures: of the baseline. shorten: leaves out of a sequence what does not pay.

    unprofiled: the baseline without its profile, which is timed beside it; None: it is not.
    """

    target: Target
    timer: Timer
    figures: Mapping[str, float]
    shorten: Shorten
    seed: int = 0
    clock: Callable[[], float] = time.monotonic
    unprofiled: Path | None = None

    @property
    def objective(self) -> Objective:
        return self.target.objective

    def prove(self, trials: Sequence[TrialRecord], seconds: float) -> Proof:
        """The best that stands up. ``seconds``: wall-clock time for timing, where that is needed."""
        timed = self.objective.timed
        finalists: list[Finalist] = []
        rejected: dict[str, str] = {}
        wrong: list[tuple[TrialRecord, Mapping[str, Any]]] = []
        notes: tuple[str, ...] = ()
        candidates = ranked(trials)
        shown: dict[str, float] = {}
        if timed:
            share = seconds_for(candidates, self._affordable, seconds, self.timer.run_seconds)
            if share:
                candidates, shown = self._reranked(candidates, share, rejected)
                seconds -= share
        wanted = self._affordable(seconds) if timed else 1
        for number, trial in enumerate(candidates):
            if len(finalists) == wanted:
                break
            if not timed and not is_gain(math.exp(trial.outcome.reward or 0.0)):
                if not finalists:
                    notes = (_TOO_LITTLE,)
                break  # those that follow gain less
            try:
                finalist = self._rebuild(trial, f"finalist-{number}")
            except UNFIT as error:
                rejected[passes_of(trial)] = str(error)
                if isinstance(error, Miscompiled) and error.evidence:
                    wrong.append((trial, error.evidence))
                continue
            if not timed and not is_gain(math.exp(self._untimed_reward(finalist))):
                rejected[passes_of(trial)] = "as one pipeline it is no better than the baseline"
                continue
            finalists.append(finalist)
        if not finalists:
            proof = self._time([], seconds, rejected) if self.unprofiled else Proof(Verdict.NO_IMPROVEMENT)
            return replace(
                proof, rejected=rejected, notes=(*proof.notes, *notes), reranking=shown, miscompiled=tuple(wrong)
            )
        if not timed:
            best = finalists[0]
            return Proof(Verdict.IMPROVED, best, "0", math.exp(self._untimed_reward(best)), rejected=rejected,
                         miscompiled=tuple(wrong))  # fmt: skip
        return replace(self._time(finalists, seconds, rejected), reranking=shown, miscompiled=tuple(wrong))

    def _reranked(
        self, candidates: list[TrialRecord], seconds: float, rejected: dict[str, str]
    ) -> tuple[list[TrialRecord], dict[str, float]]:
        def build(trial: TrialRecord, name: str) -> Path:
            return self._built(trial.sequence, name)[2]

        def reward(trial: TrialRecord, ratio: float) -> float:
            runtime = self.figures[RUN_TIME] / ratio
            return self.objective.reward({**trial.outcome.figures, RUN_TIME: runtime}, self.figures)

        return Reranking(self.timer, build, reward, self.seed, self.clock).order(candidates, seconds, rejected)

    def _rebuild(self, trial: TrialRecord, name: str) -> Finalist:
        """What of the sequence pays, as its recipe builds it; all of it where less does not stand or is worse so."""
        shorter = self.shorten(trial)
        found: Finalist | None = None
        if shorter != trial.sequence and not self.objective.timed:
            with contextlib.suppress(*UNFIT):
                found = self._finalist(trial, shorter, f"{name}-shorter")
            if found is not None and self._untimed_reward(found) >= (trial.outcome.reward or 0.0):
                return found
            shorter = trial.sequence
        try:
            full = self._finalist(trial, shorter, name)
        except UNFIT:
            if found is None:
                raise
            return found
        return full if found is None or self._untimed_reward(full) > self._untimed_reward(found) else found

    def _finalist(self, trial: TrialRecord, sequence: tuple[str, ...], name: str) -> Finalist:
        pipeline, built, executable = self._built(sequence, name)
        self.timer.verifier.check(executable, thorough=True, core=self.timer.verifier.core, proof=True)
        return Finalist(trial, sequence, pipeline, built, executable)

    def _built(self, sequence: tuple[str, ...], name: str) -> tuple[str, Built, Path]:
        """As its recipe builds it: the pipeline, the objects, the executable. Raises one of UNFIT."""
        pipeline = self.target.sequences.pipeline(sequence)
        built = self.target.rebuild(pipeline)
        return pipeline, built, self.timer.verifier.link(built.objects, name)

    def _untimed_reward(self, finalist: Finalist) -> float:
        return self.objective.reward(self.objective.measured(finalist.built), self.figures)

    def _affordable(self, seconds: float) -> int:
        """How many finalists can be timed; at least one."""
        least = ABTestPolicy(min_rounds=_WANTED_ROUNDS).least_seconds
        runs = max(self.timer.run_seconds, 1e-4)
        return max((k for k in range(1, MOST_FINALISTS + 1) if least(k, runs) <= seconds), default=1)

    def _time(self, finalists: list[Finalist], seconds: float, rejected: dict[str, str]) -> Proof:
        arms = {str(index): finalist.executable for index, finalist in enumerate(finalists)}
        if self.unprofiled:
            arms[ARM] = self.unprofiled
        policy = ABTestPolicy(seconds=seconds).with_room(len(arms), self.timer.run_seconds)
        control = self.timer.verifier.link(self.target.baseline.objects, "control")
        began = self.clock()
        try:
            baselines = self.timer.verifier.baseline, control
            held = ab_test(arms, baselines, self.timer.time_together, policy, seed=self.seed)
        except Miscompiled as error:
            wrong = [finalist for finalist in finalists if finalist.executable == error.executable]
            if error.executable == self.unprofiled:
                self.unprofiled = None
                return self._time(finalists, seconds, rejected) if finalists else Proof(Verdict.NO_IMPROVEMENT)
            if not wrong:
                raise
            rejected[passes_of(wrong[0].trial)] = str(error)
            rest = [finalist for finalist in finalists if finalist is not wrong[0]]
            if not rest and self.unprofiled is None:
                return Proof(Verdict.NO_IMPROVEMENT, rejected=rejected)
            return self._time(rest, max(seconds - (self.clock() - began), 0.0), rejected)
        profile = timed_gain(held)
        if not finalists:
            return Proof(Verdict.NO_IMPROVEMENT, rejected=rejected, profile=profile)
        held = replace(held, arms=tuple(arm for arm in held.arms if arm.name != ARM))
        scored = [(self._scored(held, arm, finalists[int(arm.name)]), finalists[int(arm.name)])
                  for arm in held.arms]  # fmt: skip
        notes: tuple[str, ...] = ()
        if held.control.verdict is Verdict.IMPROVED:
            notes = ("A/A check failed: this host is too noisy to report a gain",)
            scored = [(replace(arm, verdict=Verdict.TOO_NOISY), finalist) for arm, finalist in scored]
        improved = [item for item in scored if item[0].verdict is Verdict.IMPROVED]
        arm, finalist = max(improved or scored, key=lambda item: item[0].interval.low)
        winner = finalist if improved else None
        if why := self.timer.why_in_turn(len(arms) + 2):
            notes += (f"timed in turn, which on a busy host needs more time to be as sure: {why}",)
        return Proof(arm.verdict, winner, arm.name, arm.interval.ratio, arm.interval, held, rejected, notes,
                     at_once=not why, profile=profile)  # fmt: skip

    def _scored(self, held: ABTest, arm: Arm, finalist: Finalist) -> Arm:
        """The arm in terms of the objective: for ``balanced``, size counts beside the measured time."""
        if self.objective.time_alone:
            return arm
        scored = self._interval(arm.interval, self.objective.measured(finalist.built))
        enough = arm.verdict is not Verdict.TOO_NOISY or arm.interval.low > 0
        return replace(
            arm, interval=scored, verdict=verdict_of(scored, self._noise(held.noise)) if enough else arm.verdict
        )

    def _interval(self, times: Interval, figures: Mapping[str, float]) -> Interval:
        """Of the objective, from one of run times: the least and the greatest that any time within it gives."""

        def score(ratio: float) -> float:
            if ratio <= 0 or math.isinf(ratio):
                return ratio
            return math.exp(self.objective.reward({**figures, RUN_TIME: self.figures[RUN_TIME] / ratio}, self.figures))

        ends = [score(times.low), score(times.high)]
        if not self.objective.monotone and times.low > 0 and math.isfinite(times.high):
            step = (times.high / times.low) ** (1 / _SCORED_POINTS)
            ends += [score(times.low * step**point) for point in range(1, _SCORED_POINTS)]
        return replace(times, ratio=score(times.ratio), low=min(ends), high=max(ends))

    def _noise(self, noise: Noise) -> Noise:
        """The noise floor, from the A/A control; at least as much as it changes an own objective's cost."""
        if self.objective.monotone or not math.isfinite(noise.ratio):
            return noise
        alike = self._interval(Interval(1.0, 1 / (1 + noise.ratio), 1 + noise.ratio, noise.confidence, noise.rounds),
                               self.figures)  # fmt: skip
        return replace(noise, ratio=max(noise.ratio, alike.high - 1, 1 / alike.low - 1))


def ranked(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The best trial of each object code that is better than the baseline, the best first.

    Among equals the shorter sequence goes first, then the earlier.
    """
    better = [trial for trial in trials if trial.outcome.reward is not None and trial.outcome.reward > 0]
    better.sort(key=lambda t: (-(t.outcome.reward or 0.0), len(t.sequence), t.request.id))
    by_key: dict[str | None, TrialRecord] = {}
    for trial in better:
        by_key.setdefault(trial.outcome.key, trial)
    return list(by_key.values())


def evidence_of(proof: Proof) -> dict[str, Any]:
    """Intervals and raw samples, for recipes and results."""
    if proof.interval is None or proof.ab_test is None:
        return {}
    held = proof.ab_test
    return {
        "interval": {"low": proof.interval.low, "high": proof.interval.high, "confidence": proof.interval.confidence,
                     "rounds": proof.interval.rounds},
        "host_noise": held.noise.ratio,
        "baseline_seconds": list(held.baseline_seconds),
        "control_seconds": list(held.control.seconds),
        "runs": "at once" if proof.at_once else "in turn",
        "reranking": dict(proof.reranking),
        "finalists": {arm.name: {"seconds": list(arm.seconds), "ratio": arm.interval.ratio,
                                   "low": arm.interval.low, "high": arm.interval.high,
                                   "verdict": arm.verdict.value} for arm in held.arms},
    }  # fmt: skip
