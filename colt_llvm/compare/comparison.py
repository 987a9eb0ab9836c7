"""The ladder measured: every build checked on every workload, and timed in one A/B test against the baseline.

Sizes are of the linked executable, so that builds with and without link-time optimisation are told alike.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from colt_llvm.compare.plain_build import LADDERS, PlainBuilder, Rung
from colt_llvm.core.errors import CompileError, ToolchainError, UsageError
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import linker_of, refuse_foreign_times
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.verifier import Miscompiled, Verifier
from colt_llvm.llvm.elf import section_sizes
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.ab_test import ABTest, ABTestPolicy, ab_test
from colt_llvm.measure.host import measuring_core
from colt_llvm.measure.intervals import Interval, Verdict
from colt_llvm.objectives.base import is_gain
from colt_llvm.objectives.runtime import RUNTIME
from colt_llvm.program.profile import profile_file
from colt_llvm.program.program import Program

State = Literal["built", "same code", "differs", "not built"]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """What one build gave."""

    rung: Rung  #: what was asked of clang
    state: State  #: "same code": of another build; "differs": what it does differs from what the baseline does
    detail: str = ""  #: which other build, in what it differs, or why it was not built
    size: int = 0  #: loaded bytes of the executable; 0 without one
    build_seconds: float = 0.0  #: wall-clock time of compiles and link; of a profile its training too
    ratio: float | None = None  #: baseline / this build, of the objective; None where it was not measured
    interval: Interval | None = None  #: of ratio, where it is of run times
    verdict: Verdict | None = None  #: None where nothing was measured
    seconds: tuple[float, ...] = field(default=(), repr=False)  #: CPU time of each round


@dataclass(frozen=True)
class Comparison:
    """The whole ladder. The first row is the baseline's."""

    objective: str  #: runtime or size
    rows: tuple[Row, ...]  #: in the order of the ladder
    notes: tuple[str, ...] = ()  #: what the reader should know
    noise: float | None = None  #: relative, from the A/A control; None where nothing was timed
    rounds: int = 0  #: of the A/B test

    @property
    def best(self) -> Row | None:
        """What improves most, by the lower end of its interval; None where nothing does."""
        improved = [row for row in self.rows if row.verdict is Verdict.IMPROVED]
        return max(improved, key=lambda row: row.interval.low if row.interval else row.ratio or 0.0, default=None)


def compare(
    program: Program, toolchain: Toolchain, options: TuneOptions, folder: Path, say: Say | None = None
) -> Comparison:
    """Build, check and measure the ladder of ``options.objective``.

    options: objective, seconds for the A/B test, seed and limits of runs; the rest plays no part. folder: for the
    profile. say: is told what is done. Raises UsageError for another objective; CompileError and ProgramError where
    the baseline itself fails.
    """
    ladder = LADDERS.get(options.objective)
    if ladder is None:
        raise UsageError(f"--objective {options.objective}: compare knows {' and '.join(LADDERS)}; use one of them")
    if (profile := profile_file(program.cflags)) is not None:
        raise UsageError(f"--cflags: compare makes a profile of its own; leave out {profile}")
    refuse_foreign_times(toolchain, program, options)
    tell = say or (lambda text: None)
    builder = PlainBuilder(toolchain, program, folder)
    timed = options.times_the_program
    tell(f"building {ladder[0].name}")
    began = time.monotonic()
    objects = builder.objects(ladder[0])
    took = time.monotonic() - began
    core = measuring_core() if timed else None
    verifier = Verifier.of(program, options, objects, linker_of(toolchain, program), core)
    try:
        rows = _Rows(builder, verifier, tell)
        rows.add_baseline(ladder[0], took)
        for rung in ladder[1:]:
            rows.add(rung)
        if timed:
            return _timed(rows, Timer(verifier), options, tell)
        return _sized(rows, options)
    finally:
        verifier.close()


@dataclass
class _Rows:
    """Builds and checks one rung after another."""

    builder: PlainBuilder
    verifier: Verifier
    say: Say
    rows: list[Row] = field(default_factory=list)
    executables: dict[str, Path] = field(default_factory=dict)  # of those that were built and are right, by name
    _digests: dict[str, str] = field(default_factory=dict)
    _profile: Path | None = None
    _training_seconds: float = 0.0
    _no_profile: str = ""

    def add_baseline(self, rung: Rung, seconds: float) -> None:
        executable = self.verifier.baseline
        self._digests[_digest(executable)] = rung.name
        self.rows.append(Row(rung, "built", size=_size(executable), build_seconds=seconds, ratio=1.0))

    def add(self, rung: Rung) -> None:
        self.say(f"building {rung.name}")
        began = time.monotonic()
        try:
            profile = self._profile_for(rung) if rung.profile else None
            executable = self.builder.link(
                rung, self.builder.objects(rung, profile), self.verifier.folder / f"rung-{len(self.rows)}"
            )
        except (CompileError, ToolchainError, UsageError) as error:
            said = error.diagnostics.splitlines()[:1] if isinstance(error, CompileError) else []
            self.rows.append(Row(rung, "not built", " ".join([str(error), *said])))
            return
        took = time.monotonic() - began
        row = Row(rung, "built", size=_size(executable), build_seconds=took)
        same = self._digests.setdefault(_digest(executable), rung.name)
        if same != rung.name:
            self.rows.append(replace(row, state="same code", detail=same))
            return
        try:
            self.verifier.check(executable, thorough=True, core=self.verifier.core, proof=True)
        except Miscompiled as error:
            self.rows.append(replace(row, state="differs", detail=str(error)))
            return
        self.executables[rung.name] = executable
        self.rows.append(row)

    def _profile_for(self, rung: Rung) -> Path:
        """Made once: counts are clang's own, of the source, whatever processor the code is for."""
        if self._no_profile:
            raise ToolchainError(self._no_profile)
        if self._profile is None:
            try:
                self._profile = self.builder.train(replace(rung, flags=()), self.verifier)
            except (CompileError, ToolchainError, UsageError) as error:
                self._no_profile = str(error)
                raise
        return self._profile


def _timed(rows: _Rows, timer: Timer, options: TuneOptions, say: Say) -> Comparison:
    arms = dict(rows.executables)
    control = timer.verifier.link(rows.builder.objects(rows.rows[0].rung), "control")
    found, notes = list(rows.rows), []
    seconds = options.seconds or ABTestPolicy().seconds
    while arms:
        policy = ABTestPolicy(seconds=seconds).with_room(len(arms), timer.run_seconds)
        longer = f"; ten rounds of this program take longer than {seconds:g} s" if policy.seconds > seconds else ""
        say(f"timing {len(arms)} builds with the baseline and its copy, {policy.seconds:.0f} s{longer}")
        try:
            held = ab_test(arms, (timer.verifier.baseline, control), timer.time_together, policy, seed=options.seed)
        except Miscompiled as error:
            wrong = next((name for name, place in arms.items() if place == error.executable), None)
            if wrong is None:
                raise
            arms.pop(wrong)
            found = [replace(row, state="differs", detail=str(error)) if row.rung.name == wrong else row
                     for row in found]  # fmt: skip
            continue
        if why := timer.why_in_turn(len(arms) + 2):
            notes.append(f"timed in turn, which on a busy host needs more time to be as sure: {why}")
        return _with_times(found, held, notes)
    return Comparison(options.objective, tuple(found), ("no other build could be timed",))


def _with_times(rows: list[Row], held: ABTest, notes: list[str]) -> Comparison:
    noisy = held.control.verdict is Verdict.IMPROVED
    if noisy:
        notes.append("A/A check failed: this host is too noisy now to report a gain")
    arms = {arm.name: arm for arm in held.arms}
    times = [replace(rows[0], seconds=held.baseline_seconds)]
    for row in rows[1:]:
        arm = arms.get(row.rung.name)
        if arm is not None:
            row = replace(row, ratio=arm.interval.ratio, interval=arm.interval, seconds=arm.seconds,
                          verdict=Verdict.TOO_NOISY if noisy else arm.verdict)  # fmt: skip
        times.append(row)
    return Comparison(RUNTIME.name, tuple(times), tuple(notes), held.noise.ratio, len(held.baseline_seconds))


def _sized(rows: _Rows, options: TuneOptions) -> Comparison:
    baseline = rows.rows[0].size
    found = [rows.rows[0]]
    for row in rows.rows[1:]:
        if row.state == "built":
            ratio = baseline / row.size
            row = replace(row, ratio=ratio, verdict=Verdict.IMPROVED if is_gain(ratio) else Verdict.NO_IMPROVEMENT)
        found.append(row)
    return Comparison(options.objective, tuple(found))


def _size(executable: Path) -> int:
    return section_sizes(executable.read_bytes()).loaded_bytes


def _digest(executable: Path) -> str:
    return hashlib.sha256(executable.read_bytes()).hexdigest()


def comparison_to_dict(found: Comparison) -> Mapping[str, Any]:
    """JSON-able: figures, intervals and raw times."""
    return {
        "objective": found.objective,
        "noise": found.noise,
        "rounds": found.rounds,
        "best": found.best.rung.name if found.best else None,
        "notes": list(found.notes),
        "builds": [_row_to_dict(row) for row in found.rows],
    }


def _row_to_dict(row: Row) -> Mapping[str, Any]:
    return {
        "build": row.rung.name,
        "state": row.state,
        "detail": row.detail,
        "verdict": row.verdict.value if row.verdict else None,
        "ratio": row.ratio,
        "interval": [row.interval.low, row.interval.high] if row.interval else None,
        "size": row.size or None,
        "build_seconds": round(row.build_seconds, 3),
        "seconds": list(row.seconds),
    }
