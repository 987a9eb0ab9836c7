"""clang's own profile-guided build, as a peer of a tuned one: what does a compiler gain that was shown the run?

It is held against plain ``clang -O3`` as a recipe is: checked on every workload, timed in random rounds with the
baseline and a second copy of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from colt_llvm.compare.plain_build import PlainBuilder
from colt_llvm.compare.rungs import Rung
from colt_llvm.core.files import write_json
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import linker_of
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.verifier import Miscompiled
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.ab_test import ABTestPolicy, ab_test
from colt_llvm.measure.host import measuring_core
from colt_llvm.measure.intervals import Interval, Verdict
from colt_llvm.objectives.base import RUN_TIME, SIZE
from colt_llvm.objectives.runtime import RUNTIME
from colt_llvm.program.program import Program

_PLAIN, _GUIDED = Rung("-O3", "O3"), Rung("-O3, profile", "O3", profile=True)


@dataclass(frozen=True)
class PgoResult:
    """What the profile-guided build gained."""

    ratio: float  #: baseline time / its time; 1.0 where it could not be timed
    interval: Interval | None  #: of ratio
    verdict: Verdict
    figures: dict[str, tuple[float, float]]  #: name -> (baseline, profile-guided): CPU seconds, bytes
    checked: bool  #: whether it passed all workloads
    detail: str = ""  #: why not, or why no gain is reported
    evidence: dict[str, Any] = field(default_factory=dict)  #: raw times in seconds

    @property
    def gain(self) -> float:
        """ln(ratio) where it is proved, else 0.0."""
        return math.log(self.ratio) if self.verdict is Verdict.IMPROVED else 0.0


def run_clang_pgo(program: Program, toolchain: Toolchain, seed: int, seconds: float | None, folder: Path) -> PgoResult:
    """Train, build, check, time.

    seconds: the budget that a search would have; the proof takes the share of it that a search's proof takes.
    folder: for the profile and the result (``clang-pgo.json``); made when missing.

    Raises UsageError for sources that are LLVM IR, ToolchainError without llvm-profdata or clang's profile runtime,
    CompileError and ProgramError for the program.
    """
    builder = PlainBuilder(toolchain, program, folder)
    builder.refuse_ir()
    folder.mkdir(parents=True, exist_ok=True)
    options = TuneOptions(objective=RUNTIME.name, seconds=seconds, seed=seed)
    plain = builder.objects(_PLAIN)
    timer = Timer.of(program, options, plain, linker_of(toolchain, program), measuring_core())
    try:
        profile = builder.train(_GUIDED, timer)
        result = _proved(timer, plain, builder.objects(_GUIDED, profile), options)
    finally:
        timer.close()
    write_json(folder / "clang-pgo.json", {"seed": seed, **asdict(result), "verdict": result.verdict.value})
    return result


def _proved(timer: Timer, plain: Sequence[bytes], guided: Sequence[bytes], options: TuneOptions) -> PgoResult:
    sizes = tuple(float(sum(section_sizes(data).loaded_bytes for data in objects)) for objects in (plain, guided))
    figures = {SIZE: (sizes[0], sizes[1])}
    try:
        executable = timer.link(guided, "guided")
        timer.check(executable, thorough=True, core=timer.core)
        control = timer.link(plain, "control")
        policy = ABTestPolicy(seconds=options.proof_seconds).with_room(1, timer.run_seconds)
        held = ab_test({"0": executable}, (timer.baseline, control), timer.time_together, policy, seed=options.seed)
    except Miscompiled as error:
        return PgoResult(1.0, None, Verdict.NO_IMPROVEMENT, figures, False, str(error))
    arm = held.arms[0]
    noisy = held.control.verdict is Verdict.IMPROVED
    middle = sorted(held.baseline_seconds)[len(held.baseline_seconds) // 2]
    return PgoResult(
        arm.interval.ratio,
        arm.interval,
        Verdict.TOO_NOISY if noisy else arm.verdict,
        {**figures, RUN_TIME: (middle, middle / arm.interval.ratio)},
        True,
        "A/A check failed: this host is too noisy now to report a gain" if noisy else "",
        {
            "host_noise": held.noise.ratio,
            "baseline_seconds": list(held.baseline_seconds),
            "control_seconds": list(held.control.seconds),
            "guided_seconds": list(arm.seconds),
        },
    )
