"""Is a candidate still the program, and how good is it? Links, runs, compares, times.

Cheap before dear: workloads are checked in the order of the time they take, and the timed one only where the
answer matters. Nothing can win before all of them were checked.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from colt_llvm.compilation import link
from colt_llvm.errors import ColtError, CommandNotFound, CompileError, OutputLimitExceeded, ProcessTimeout, UsageError
from colt_llvm.measure import Observation, OwnCheck, TrialMeasurement, TrialPolicy, fault, judge_baseline, measure_trial
from colt_llvm.measure.runner import run_workload
from colt_llvm.process import Limits
from colt_llvm.program import Program, Workload
from colt_llvm.toolchain import Toolchain
from colt_llvm.tune.options import TuneOptions

#: A workload whose baseline takes less is always checked.
QUICK_SECONDS = 0.1
#: A candidate may take this many times the baseline's time before it counts as never ending.
_SLACK = 10.0
_LEAST_LIMIT_SECONDS = 2.0

#: Of the time of a trial most goes to candidates that turn out no better; they are let go after one to three pairs.
SEARCH_POLICY = TrialPolicy(
    warmup_runs=0,
    hopeless_ratio=1.25,
    screens=((2, -0.02), (3, 0.005)),
    min_pairs=4,
    max_pairs=8,
    target_half_width=0.01,
)


#: Objects, in the order of the program's sources, to an executable at the given place. Raises CompileError.
Linker = Callable[[Sequence[bytes], Path], Path]


class Miscompiled(ColtError, ArithmeticError):
    """A candidate does something else than the baseline. The message says where it first differs."""


@dataclass
class Judge:
    """Knows the baseline's behaviour. One for each run; ``baseline`` and candidates are paths of executables."""

    toolchain: Toolchain
    program: Program
    options: TuneOptions
    folder: Path
    core: int | None
    baseline: Path
    linker: Linker
    own_check: OwnCheck | None = None
    expected: list[Observation] = field(default_factory=list)
    program_seconds: float = 0.0  # wall-clock time that programs ran under this judge

    @staticmethod
    def of(
        toolchain: Toolchain,
        program: Program,
        options: TuneOptions,
        objects: Sequence[bytes],
        core: int | None,
        linker: Linker | None = None,
        own_check: OwnCheck | None = None,
    ) -> Judge:
        """Links the baseline and runs each workload twice. Raises CompileError, ProgramError or CheckError.

        linker: where the objects are a part of something larger; None links them as the whole program.
        own_check: a function of the caller's that says whether a run is right.
        """  # fmt: skip
        folder = Path(mkdtemp(prefix="colt-"))
        linker = linker or (lambda objects, place: link(toolchain, program, objects, place))
        judge = Judge(toolchain, program, options, folder, core, folder / "baseline", linker, own_check)
        try:
            linker(objects, judge.baseline)
            limits = Limits(options.timeout_seconds, options.memory_bytes)
            try:
                judge.expected = judge_baseline(
                    judge.baseline, program.workloads, check=program.check, limits=limits, core=core,
                    allow_nonzero=options.allow_nonzero, own=own_check,
                )  # fmt: skip
            except CommandNotFound as error:
                raise UsageError(f"--run: {error}") from error
        except BaseException:
            judge.close()
            raise
        return judge

    @property
    def run_seconds(self) -> float:
        """Wall-clock time of one timed run of the baseline."""
        return self.expected[self._timed].wall_seconds

    @property
    def cpu_seconds(self) -> float:
        """CPU time of one timed run of the baseline."""
        return self.expected[self._timed].cpu_seconds

    @property
    def _timed(self) -> int:
        return self.program.workloads.index(self.program.timed_workload)

    def link(self, objects: Sequence[bytes], name: str) -> Path:
        """Raises Miscompiled when the objects do not link: the baseline's did."""
        try:
            return self.linker(objects, self.folder / name)
        except CompileError as error:
            raise Miscompiled(f"does not link: {error.diagnostics.splitlines()[-1:] or error}") from error

    def check(self, executable: Path, *, thorough: bool, core: int | None = None) -> bool:
        """Run the workloads and compare. Returns whether all were run. Raises Miscompiled.

        thorough: all of them; else only the quick ones.
        """
        order = sorted(range(len(self.expected)), key=lambda index: self.expected[index].wall_seconds)
        chosen = [index for index in order if thorough or self.expected[index].wall_seconds < QUICK_SECONDS]
        for index in chosen:
            self._run(executable, self.program.workloads[index], self.expected[index], core)
        return len(chosen) == len(order)

    def time(self, executable: Path) -> float:
        """CPU seconds of one run on the measuring core; the output is checked too. Raises Miscompiled."""
        return self._run(executable, self.program.timed_workload, self.expected[self._timed], self.core).cpu_seconds

    def measure(self, executable: Path, best_ratio: float | None, seed: int) -> TrialMeasurement:
        """Against fresh runs of the baseline, in turn. Raises Miscompiled."""
        return measure_trial(
            lambda: self.time(executable), lambda: self.time(self.baseline), SEARCH_POLICY,
            best_ratio=best_ratio, seed=seed,
        )  # fmt: skip

    def _run(self, executable: Path, workload: Workload, expected: Observation, core: int | None) -> Observation:
        allowed = max(_LEAST_LIMIT_SECONDS, _SLACK * expected.wall_seconds)
        limits = Limits(min(allowed, self.options.timeout_seconds), self.options.memory_bytes)
        try:
            observation = run_workload(executable, workload, limits=limits, core=core, scratch=self.folder)
        except ProcessTimeout:
            raise Miscompiled(
                f"workload {workload.name}: still runs after {limits.wall_seconds:g} s; "
                f"the baseline takes {expected.wall_seconds:.2g} s"
            ) from None
        except OutputLimitExceeded:
            raise Miscompiled(f"workload {workload.name}: writes without end") from None
        self.program_seconds += observation.wall_seconds
        if found := fault(workload.name, expected, observation, self.program.check, self.own_check):
            raise Miscompiled(f"workload {workload.name}: {found}")
        return observation

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
