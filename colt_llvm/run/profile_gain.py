"""What a program's profile gives by itself: the same clang without it, held against the baseline, which has it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from colt_llvm.evaluate.builder import baseline_figures
from colt_llvm.evaluate.target import Target, prepare_target
from colt_llvm.evaluate.verifier import Miscompiled, Verifier
from colt_llvm.measure.ab_test import ABTest
from colt_llvm.measure.intervals import Interval, Verdict, verdict_of
from colt_llvm.program.compilation import baseline_objects
from colt_llvm.program.profile import profile_file, without_profile
from colt_llvm.program.program import IR_SUFFIXES, Program

#: Name of its arm in an A/B test.
ARM = "without the profile"


@dataclass(frozen=True)
class ProfileGain:
    """Of run times where these count, else of the objective."""

    ratio: float  #: without the profile / with it, above 1 is better
    interval: Interval | None = None  #: of ratio, where it is of run times
    verdict: Verdict | None = None  #: None where it is exact


def exact_gain(target: Target, figures: Mapping[str, float]) -> ProfileGain | None:
    """Of an objective without times; None without a profile. figures: of the baseline.

    Raises CompileError, PassError.
    """
    if not _has_profile(target.program) or target.objective.timed:
        return None
    plain = prepare_target(target.toolchain, _without(target.program), target.options, objective=target.objective)
    empty = plain.rebuild(plain.sequences.pipeline(()))
    return ProfileGain(math.exp(target.objective.reward(figures, baseline_figures(plain, empty))))


def _has_profile(program: Program) -> bool:
    """Bitcode may hold counts already, and then has them without the flag too."""
    return profile_file(program.cflags) is not None and not any(s.suffix in IR_SUFFIXES for s in program.sources)


def _without(program: Program) -> Program:
    return replace(program, cflags=without_profile(program.cflags))


def build_without(target: Target, verifier: Verifier) -> Path | None:
    """The executable to time beside the baseline; None without a profile, and where it does something else."""
    if not _has_profile(target.program) or not target.objective.timed:
        return None
    program, level = _without(target.program), target.baseline.level
    try:
        executable = verifier.link(baseline_objects(target.toolchain, program, level), "without-profile")
        verifier.check(executable, thorough=True, core=verifier.core)
    except Miscompiled:
        return None
    return executable


def timed_gain(held: ABTest) -> ProfileGain | None:
    """Of a test in which ARM took part; None of another."""
    arm = next((arm for arm in held.arms if arm.name == ARM), None)
    if arm is None:
        return None
    slower = arm.interval
    interval = Interval(1 / slower.ratio, 1 / slower.high, 1 / slower.low, slower.confidence, slower.rounds)
    sure = arm.verdict is not Verdict.TOO_NOISY and held.control.verdict is not Verdict.IMPROVED
    return ProfileGain(interval.ratio, interval, verdict_of(interval, held.noise) if sure else Verdict.TOO_NOISY)
