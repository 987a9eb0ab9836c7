"""What can go of a recipe whose objective is a run time: measured, and proved at the end.

Each decision is an A/B test of its own between the full recipe and one without something, of a length set beforehand.
The proof at the end is apart from them: the baseline, its copy, the full recipe and the result in one A/B test.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from colt_llvm.core.errors import RecipeError
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.explain.variants import Variant, Variants
from colt_llvm.measure.ab_test import ABTest, ABTestPolicy, ab_test
from colt_llvm.measure.intervals import Interval, Verdict, bootstrap_ratio, verdict_of
from colt_llvm.run.minimizing import reduce_sequence

#: Of the time, for the proof at the end.
_PROOF_SHARE = 0.4
#: A decision with fewer rounds would nearly always be "cannot be told"; with more, others are cut short.
_LEAST_ROUNDS, _MOST_ROUNDS = 12, 60
_DECISION_CONFIDENCE = 0.95
#: After so many rounds what looks this much too slow is let go: giving up early drops nothing by luck.
_SCREEN_ROUNDS, _HOPELESS = 3, 0.02
TIME_RAN_OUT = "time ran out: perhaps more can go; give --seconds more"
_CANDIDATE, _FULL = "candidate", "full"


@dataclass(frozen=True)
class Reduced:
    """best: what is proved; the full variant where the proof failed, which ``kept_full`` says.

    interval, full_interval: of baseline / best and baseline / full, in terms of the objective. against_full: of full /
    best; None where the object code is the same. ab_test: raw times.
    """

    best: Variant
    interval: Interval
    full_interval: Interval
    against_full: Interval | None
    complete: bool
    kept_full: bool
    ab_test: ABTest
    notes: tuple[str, ...] = ()


@dataclass
class Reducer:
    """tolerance: share of the full recipe's speed that may be lost. say: told of each step."""

    variants: Variants
    full: Variant
    tolerance: float
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    tried: int = 0
    decisions: int = 0
    undecided: int = 0
    notes: list[str] = field(default_factory=list)

    def run(self, seconds: float, deadline: float) -> Reduced:
        """Drop what can go, and prove the rest. seconds: in all, until ``deadline`` by the clock."""
        proof_seconds = seconds * _PROOF_SHARE
        for_decisions = deadline - proof_seconds
        count = len(self.full.sequence)
        # About as many decisions as delta debugging makes where few chunks go.
        share = (for_decisions - self.clock()) / max(2 * count, 1)
        decided: dict[str, bool] = {self.full.key: True}
        best = self.full

        def accepts(sequence: tuple[str, ...]) -> bool:
            nonlocal best
            self.tried += 1
            variant = self.variants.check(self.variants.build(sequence))
            if variant.failure:
                return False
            if variant.key not in decided:
                try:
                    decided[variant.key] = self._not_slower(variant, share)
                except Miscompiled as error:
                    self._raise_of_full(error)
                    decided[variant.key] = False
            if decided[variant.key]:
                best = variant
                self.say(f"{len(sequence)} of {count} actions left")
            return decided[variant.key]

        _, complete = reduce_sequence(self.full.sequence, accepts, lambda: self.clock() > for_decisions)
        if not complete:
            self.notes.append(TIME_RAN_OUT)
        if self.undecided:
            self.notes.append(
                f"{self.undecided} of {self.decisions} measurements could not tell at a tolerance of "
                f"{self.tolerance:.2%}, and those actions stay; give --seconds more, or a larger --tolerance"
            )
        self.say("proving the result")
        try:
            if proved := self.variants.prove(best).detail:
                raise Miscompiled(proved, best.executable)
            return self._prove(best, max(deadline - self.clock(), proof_seconds), complete)
        except Miscompiled as error:
            self._raise_of_full(error)
            self.notes.append(f"the full recipe is kept: of {len(best.sequence)} actions alone, {error}")
            kept = self._prove(self.full, max(deadline - self.clock(), proof_seconds), complete)
            return replace(kept, kept_full=True, notes=tuple(self.notes))

    def _raise_of_full(self, error: Miscompiled) -> None:
        if error.executable == self.full.executable:
            raise RecipeError(f"the recipe's own build does something else: {error}; tune again") from error

    def _not_slower(self, variant: Variant, seconds: float) -> bool:
        """Against the full recipe, never against the last accepted one: tolerances must not add up."""
        assert self.full.executable is not None
        assert variant.executable is not None
        self.decisions += 1
        time_together = self.variants.timer.time_together
        arms = (self.full.executable, variant.executable)
        times: tuple[list[float], list[float]] = ([], [])
        rng = np.random.default_rng(self.variants.target.options.seed + self.decisions)
        deadline = self.clock() + seconds
        for arm in arms:
            time_together([arm])  # a warm-up
        while len(times[0]) < _MOST_ROUNDS and (len(times[0]) < _LEAST_ROUNDS or self.clock() < deadline):
            order = rng.permutation(2)
            for index, spent in zip(order, time_together([arms[index] for index in order]), strict=True):
                times[index].append(spent)
            if len(times[0]) == _SCREEN_ROUNDS:
                found = self._compared(variant, times)
                if found.ratio < 1 - self.tolerance - _HOPELESS:
                    return False
        found = self._compared(variant, times)
        if found.low >= 1 - self.tolerance:
            return True
        self.undecided += found.high >= 1 - self.tolerance
        return False

    def _compared(self, variant: Variant, times: tuple[list[float], list[float]]) -> Interval:
        seed = self.variants.target.options.seed
        return self._against_full(
            variant, bootstrap_ratio(times[0], times[1], confidence=_DECISION_CONFIDENCE, seed=seed)
        )

    def _prove(self, best: Variant, seconds: float, complete: bool) -> Reduced:
        variants, timer, seed = self.variants, self.variants.timer, self.variants.target.options.seed
        assert self.full.executable is not None
        assert best.executable is not None
        arms = {_FULL: self.full.executable}
        if best.key != self.full.key:
            arms[_CANDIDATE] = best.executable
        policy = ABTestPolicy(seconds=seconds).with_room(len(arms), timer.run_seconds)
        control = timer.verifier.link(variants.target.baseline.objects, "control")
        held = ab_test(arms, (timer.verifier.baseline, control), timer.time_together, policy, seed=seed)
        arms_by_name = {arm.name: arm for arm in held.arms}
        full_interval = _scored(variants, self.full, arms_by_name[_FULL].interval)
        if _CANDIDATE not in arms:
            if self._refusal(held, full_interval):
                self.notes.append(f"here and now {self._refusal(held, full_interval)}")
            return Reduced(best, full_interval, full_interval, None, complete, False, held, tuple(self.notes))
        interval = _scored(variants, best, arms_by_name[_CANDIDATE].interval)
        against = self._against_full(best, bootstrap_ratio(
            arms_by_name[_FULL].seconds, arms_by_name[_CANDIDATE].seconds, confidence=held.noise.confidence,
            seed=seed,
        ))  # fmt: skip
        why = self._refusal(held, interval)
        if not why and against.low < 1 - self.tolerance:
            why = "it could not be shown to be as fast as the full recipe"
        if why:
            self.notes.append(f"the full recipe is kept: of {len(best.sequence)} actions alone, {why}")
            return Reduced(self.full, full_interval, full_interval, against, complete, True, held, tuple(self.notes))
        return Reduced(best, interval, full_interval, against, complete, False, held, tuple(self.notes))

    def _refusal(self, held: ABTest, interval: Interval) -> str:
        """Why no gain over the baseline is reported; "" where one is."""
        if held.control.verdict is Verdict.IMPROVED:
            return "the A/A check failed: this host is too noisy to report a gain"
        too_few = len(held.orders) < ABTestPolicy.min_rounds
        if too_few or verdict_of(interval, held.noise) is not Verdict.IMPROVED:
            return "it could not be shown to be better than the baseline"
        return ""

    def _against_full(self, variant: Variant, interval: Interval) -> Interval:
        """full / variant in terms of the objective: with ``balanced`` sizes count too."""
        still = self.variants.ratio(self.full)
        scored = _scored(self.variants, variant, interval)
        return replace(scored, ratio=scored.ratio / still, low=scored.low / still, high=scored.high / still)


def _scored(variants: Variants, variant: Variant, interval: Interval) -> Interval:
    """An interval of times as one of the objective."""

    def score(ratio: float) -> float:
        return ratio if ratio <= 0 or math.isinf(ratio) else variants.ratio(variant, ratio)

    return replace(interval, ratio=score(interval.ratio), low=score(interval.low), high=score(interval.high))
