"""Is a candidate still the program, and how good is it? Links, runs, compares, times.

Cheap before dear: workloads are checked in the order of the time they take, and the timed one only where the
answer matters. Nothing can win before all of them were checked.

What is compared runs at once, on one core. The kernel gives each some milliseconds in turn and counts the time of
each, so all meet the same neighbours, the same clock rate, the same share of the cache. On a shared machine these
change from second to second: two copies of a program that run one after the other differ by 7% to 22% (standard
deviation, runs of 0.2 s to 0.45 s), and at once by 0.5% to 2%. Where two differ much, the slower ends alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from colt_llvm.compilation import link
from colt_llvm.errors import (
    ChildStillRuns,
    ColtError,
    CommandNotFound,
    CompileError,
    OutputLimitExceeded,
    ProcessTimeout,
    UsageError,
)
from colt_llvm.measure import Observation, OwnCheck, TrialMeasurement, TrialPolicy, fault, judge_baseline, measure_trial
from colt_llvm.measure.folder_state import folder_state
from colt_llvm.measure.host import available_memory
from colt_llvm.measure.runner import Outcome, run_side_by_side
from colt_llvm.owned_folder import owned_folder
from colt_llvm.process import Limits
from colt_llvm.program import Program, Workload
from colt_llvm.toolchain import Toolchain
from colt_llvm.tune.options import TuneOptions

#: A workload whose baseline takes less is always checked.
QUICK_SECONDS = 0.1
#: A candidate may take this many times the baseline's time before it counts as never ending.
_SLACK = 10.0
_LEAST_LIMIT_SECONDS = 2.0
#: Of the memory that is free; more than that, and runs at once would press each other out of it.
_MEMORY_SHARE = 0.5

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
    get_along: bool = True  # runs at once have not been seen to disturb each other's output
    only_reads: bool = True  # the timed workload's working directory, where that is the user's

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
        folder = owned_folder("judge")
        linker = linker or (lambda objects, place: link(toolchain, program, objects, place))
        judge = Judge(toolchain, program, options, folder, core, folder / "baseline", linker, own_check)
        try:
            linker(objects, judge.baseline)
            cwd = program.timed_workload.cwd
            before = folder_state(cwd) if cwd is not None else {}
            limits = Limits(options.timeout_seconds, options.memory_bytes)
            try:
                judge.expected = judge_baseline(
                    judge.baseline, program.workloads, check=program.check, limits=limits, core=core,
                    allow_nonzero=options.allow_nonzero, own=own_check,
                )  # fmt: skip
            except CommandNotFound as error:
                raise UsageError(f"--run: {error}") from error
            after = folder_state(cwd) if cwd is not None else {}
            judge.only_reads = before is not None and before == after
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
    def left_children(self) -> str:
        """A note where the program left processes running; "" else."""
        for workload, expected in zip(self.program.workloads, self.expected, strict=True):
            if expected.ended_children:
                names = ", ".join(sorted(set(expected.ended_children)))
                return (
                    f"workload {workload.name}: when the program has ended, children of it still run ({names}); they "
                    "are ended with it, and what they would still write is not compared"
                )
        return ""

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
        """Against fresh runs of the baseline, at once. Raises Miscompiled."""
        return measure_trial(
            executable, self.baseline, self.time_together, SEARCH_POLICY, best_ratio=best_ratio, seed=seed
        )

    def why_in_turn(self, count: int) -> str:
        """Why ``count`` runs of the timed workload are not made at once: they may share a core, and nothing else.

        "" where they are.
        """
        if self.core is None:
            return "no core was given to measure on"
        if not self.only_reads:
            return "the program writes in its working directory, or that is too large to see"
        if not self.get_along:
            return "at once they got in each other's way"
        if count * self.expected[self._timed].max_rss_bytes > _MEMORY_SHARE * available_memory():
            return f"{count} at once need more than half of the free memory"
        return ""

    def time_together(self, executables: Sequence[Path]) -> list[float]:
        """CPU seconds of one run of each, at once where that is possible. Raises Miscompiled of the first at fault."""
        outcomes = self.outcomes(executables)
        for outcome in outcomes:
            if isinstance(outcome, Miscompiled):
                raise outcome
        return [outcome for outcome in outcomes if not isinstance(outcome, Miscompiled)]

    def outcomes(self, executables: Sequence[Path]) -> list[float | Miscompiled]:
        """As ``time_together``, with the fault in place of the seconds where there is one."""
        if len(executables) < 2 or self.why_in_turn(len(executables)):
            return [self._seconds_or_fault(executable) for executable in executables]
        workload, expected = self.program.timed_workload, self.expected[self._timed]
        observed = run_side_by_side(
            executables, workload, limits=self._limits(expected, len(executables)), core=self.core, scratch=self.folder
        )
        self.program_seconds += max((o.wall_seconds for o in observed if isinstance(o, Observation)), default=0.0)
        found: list[float | Miscompiled] = []
        for executable, outcome in zip(executables, observed, strict=True):
            try:
                found.append(self._judged(workload, expected, outcome).cpu_seconds)
            except Miscompiled:
                # Its own fault, or do they share a file, a port, a lock? Alone it shows.
                found.append(self._seconds_or_fault(executable))
                self.get_along &= isinstance(found[-1], Miscompiled)
        if not self.get_along:
            return [self._seconds_or_fault(executable) for executable in executables]
        return found

    def _seconds_or_fault(self, executable: Path) -> float | Miscompiled:
        try:
            return self.time(executable)
        except Miscompiled as error:
            return error

    def _run(self, executable: Path, workload: Workload, expected: Observation, core: int | None) -> Observation:
        (outcome,) = run_side_by_side(
            [executable], workload, limits=self._limits(expected), core=core, scratch=self.folder
        )
        if isinstance(outcome, Observation):
            self.program_seconds += outcome.wall_seconds
        return self._judged(workload, expected, outcome)

    def _limits(self, expected: Observation, count: int = 1) -> Limits:
        """Of each of ``count`` runs at once."""
        allowed = min(max(_LEAST_LIMIT_SECONDS, _SLACK * expected.wall_seconds), self.options.timeout_seconds)
        return Limits(count * allowed, self.options.memory_bytes)

    def _judged(self, workload: Workload, expected: Observation, outcome: Outcome) -> Observation:
        """The run, if the program did what it should. Raises Miscompiled."""
        if isinstance(outcome, ProcessTimeout):
            raise Miscompiled(
                f"workload {workload.name}: still runs after {self._limits(expected).wall_seconds:g} s; "
                f"the baseline takes {expected.wall_seconds:.2g} s"
            )
        if isinstance(outcome, OutputLimitExceeded):
            raise Miscompiled(f"workload {workload.name}: writes without end")
        if isinstance(outcome, ChildStillRuns):
            raise Miscompiled(f"workload {workload.name}: {outcome}")
        if found := fault(workload.name, expected, outcome, self.program.check, self.own_check):
            raise Miscompiled(f"workload {workload.name}: {found}")
        return outcome

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
