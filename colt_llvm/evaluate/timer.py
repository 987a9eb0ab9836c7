"""How fast is a candidate? Timed against the baseline, and what it does is still compared.

What is compared runs at once, on one core. The kernel gives each some milliseconds in turn and counts the time of
each, so all see the same interference, the same clock rate, the same share of the cache. On a shared machine these
change from second to second: two copies of a program that run one after the other differ by 7% to 22% (standard
deviation, runs of 0.2 s to 0.45 s), and at once by 0.5% to 2%. Where two differ much, the slower ends alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from colt_llvm.evaluate.verifier import Miscompiled, Verifier
from colt_llvm.measure.host import available_memory
from colt_llvm.measure.rounds import TrialMeasurement, TrialPolicy, measure_trial
from colt_llvm.measure.runner import Observation, run_side_by_side

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


@dataclass
class Timer:
    """Times what its verifier links, on the verifier's core, and lets it compare what each run did."""

    verifier: Verifier
    get_along: bool = True  # runs at once have not been seen to disturb each other's output

    @property
    def _expected(self) -> Observation:
        """What the baseline does on the timed workload."""
        return self.verifier.expected[self.verifier.timed]

    @property
    def run_seconds(self) -> float:
        """Wall-clock time of one timed run of the baseline."""
        return self._expected.wall_seconds

    @property
    def cpu_seconds(self) -> float:
        """CPU time of one timed run of the baseline."""
        return self._expected.cpu_seconds

    def time(self, executable: Path) -> float:
        """CPU seconds of one run on the measuring core; the output is checked too. Raises Miscompiled."""
        return self.verifier.run(executable, self.verifier.timed, self.verifier.core).cpu_seconds

    def measure(self, executable: Path, best_ratio: float | None, seed: int) -> TrialMeasurement:
        """Against fresh runs of the baseline, at once. Raises Miscompiled."""
        return measure_trial(
            (executable, self.verifier.baseline), self.time_together, SEARCH_POLICY, best_ratio=best_ratio, seed=seed
        )

    def why_in_turn(self, count: int) -> str:
        """Why ``count`` runs of the timed workload are not made at once: they may share a core, and nothing else.

        "" where they are.
        """
        if self.verifier.core is None:
            return "no core was given to measure on"
        if self._expected.writes_shared:
            return (
                "the program writes in its working directory or a file its command names, or that is too large to see"
            )
        if not self.get_along:
            return "at once they got in each other's way"
        if count * self._expected.max_rss_bytes > _MEMORY_SHARE * available_memory():
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
        verifier = self.verifier
        observed = run_side_by_side(
            executables, verifier.program.timed_workload, limits=verifier.limits(self._expected, len(executables)),
            core=verifier.core, scratch=verifier.folder,
        )  # fmt: skip
        verifier.program_seconds += max((o.wall_seconds for o in observed if isinstance(o, Observation)), default=0.0)
        found: list[float | Miscompiled] = []
        for executable, outcome in zip(executables, observed, strict=True):
            if isinstance(outcome, Observation) and verifier.difference(verifier.timed, outcome) is None:
                found.append(outcome.cpu_seconds)
            else:
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
