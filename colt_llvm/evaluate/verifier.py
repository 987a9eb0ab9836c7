"""Does a candidate still do what the program does? Links, runs, compares.

Cheap before dear: workloads are checked in the order of the time they take, and the timed one only where the
answer matters. Nothing can win before all of them were checked.

Nobody is blamed at the first difference: the baseline runs again beside the candidate (``measure.difference``). Where
it differs from itself, no candidate can be verified, and the run ends.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colt_llvm.core.errors import (
    ChildStillRuns,
    ColtError,
    CommandNotFound,
    CompileError,
    OutputLimitExceeded,
    ProcessTimeout,
    UsageError,
)
from colt_llvm.core.files import owned_folder
from colt_llvm.core.process import Limits
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.evaluate.target import Linker, Target
from colt_llvm.llvm.processor import named_target
from colt_llvm.measure.check import BaselineRuns, OwnCheck, first_difference, not_repeatable, verify_baseline
from colt_llvm.measure.compared import Compared, compared
from colt_llvm.measure.difference import Confirmation, Difference, Reruns, confirm, with_varying
from colt_llvm.measure.host import confined_to
from colt_llvm.measure.runner import Observation, Outcome, run_side_by_side
from colt_llvm.program.program import Program

if TYPE_CHECKING:
    from typing_extensions import Self

#: A workload whose baseline takes less is always checked.
QUICK_SECONDS = 0.1
#: A candidate may take this many times the baseline's time before it counts as never ending.
_SLACK = 10.0
_LEAST_LIMIT_SECONDS = 2.0
#: Runs of the baseline before the search, at least.
_BASELINE_RUNS = 2
#: In a proof: once more unpinned, and what takes less than this so many times in all.
_PROOF_ROUNDS, _PROOF_SECONDS = 4, 0.5


class Miscompiled(ColtError, ArithmeticError):
    """A candidate does something else than the baseline, and after a second look it is not the program that varies.

    The message says where it first differs. executable: the candidate's. evidence: workload, difference, and how often
    the candidate and the baseline ran for it; empty where the candidate did not even link.
    """

    def __init__(self, message: str, executable: Path | None = None, evidence: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.executable = executable
        self.evidence = dict(evidence or {})


@dataclass
class Verifier:
    """Knows what the baseline does. One for each run; ``baseline`` and candidates are paths of executables."""

    program: Program
    options: TuneOptions
    folder: Path
    core: int | None
    baseline: Path
    linker: Linker
    own_check: OwnCheck | None = None
    expected: list[Observation] = field(default_factory=list)
    program_seconds: float = 0.0  # wall-clock time that programs ran
    cores: frozenset[int] = frozenset()  # all that programs may use where they are not pinned
    agreed: dict[int, int] = field(default_factory=dict)  # runs of the baseline that did the same, by workload
    _turn: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @classmethod
    def of(
        cls,
        program: Program,
        options: TuneOptions,
        objects: Sequence[bytes],
        linker: Linker,
        core: int | None = None,
        own_check: OwnCheck | None = None,
    ) -> Self:
        """Links the baseline and runs each workload twice or more. Raises CompileError, ProgramError or CheckError.

        core: to run it on. own_check: a function of the caller's that says whether a run is right.
        """
        folder = owned_folder("verify")
        verifier = cls(program, options, folder, core, folder / "baseline", linker, own_check)
        verifier.cores = frozenset(os.sched_getaffinity(0))
        try:
            linker(objects, verifier.baseline)
            limits = Limits(options.timeout_seconds, options.memory_bytes)
            try:
                verifier.expected = verify_baseline(
                    verifier.baseline, program.workloads, program.check, own_check,
                    BaselineRuns(limits, core, folder, options.allow_nonzero),
                )  # fmt: skip
            except CommandNotFound as error:
                if triple := named_target(program.cflags):
                    raise UsageError(
                        f"{triple}: this machine does not run its programs; check with --runner, such as --runner "
                        f'"qemu-{triple.partition("-")[0]} -L /usr/{triple}" (Debian, Ubuntu: apt-get install '
                        "qemu-user), or not at all: --unchecked"
                    ) from error
                raise UsageError(f"--run: {error}") from error
        except BaseException:
            verifier.close()
            raise
        return verifier

    @classmethod
    def of_target(cls, target: Target) -> Self:
        """Of the target's baseline. Raises as ``of``."""
        return cls.of(
            target.program, target.options, target.baseline.objects, target.link, target.core, target.own_check
        )

    @property
    def notes(self) -> Iterator[str]:
        """Of what the program does, what the user should know."""
        for workload, expected in zip(self.program.workloads, self.expected, strict=True):
            if expected.shows_folder:
                yield f"workload {workload.name}: prints the name of its folder, compared as if all had the same"
            if expected.ended_children:
                names = ", ".join(sorted(set(expected.ended_children)))
                yield (
                    f"workload {workload.name}: when the program has ended, children of it still run ({names}); they "
                    "are ended with it, and what they would still write is not compared"
                )

    @property
    def timed(self) -> int:
        return self.program.workloads.index(self.program.timed_workload)

    def link(self, objects: Sequence[bytes], name: str) -> Path:
        """Raises Miscompiled when the objects do not link: the baseline's did."""
        try:
            return self.linker(objects, self.folder / name)
        except CompileError as error:
            raise Miscompiled(f"does not link: {error.diagnostics.splitlines()[-1:] or error}") from error

    def discard(self, executable: Path) -> None:
        """Remove what ``link`` gave."""
        executable.unlink(missing_ok=True)

    @property
    def compared(self) -> Compared:
        """What of the workloads is compared, as far as is known now."""
        return compared(self.program.workloads, self.expected, self.program.check, self.own_check)

    def check(self, executable: Path, *, thorough: bool, core: int | None = None, proof: bool = False) -> bool:
        """Run the workloads and compare. Returns whether all were run. Raises Miscompiled, NotRepeatable.

        thorough: all of them; else only the quick ones. proof: each several times, and the baseline beside.
        """
        order = sorted(range(len(self.expected)), key=lambda index: self.expected[index].wall_seconds)
        chosen = [index for index in order if thorough or self.expected[index].wall_seconds < QUICK_SECONDS]
        for index in chosen:
            self.run(executable, index, core)
        for number in range(_PROOF_ROUNDS if proof else 0):
            for index in chosen:
                if number == 0 or self.expected[index].wall_seconds < _PROOF_SECONDS:
                    self.run(executable, index, core, pinned=number > 0)
                    self.run(self.baseline, index, core, pinned=number > 0)
        return len(chosen) == len(order)

    def first_look(self, executable: Path) -> str:
        """In what it differs from the baseline, "" for nothing; each workload runs once, and nobody is blamed."""
        for index in sorted(range(len(self.expected)), key=lambda index: self.expected[index].wall_seconds):
            with self._turn if self.expected[index].writes_shared else nullcontext():
                found = self.difference(index, self._observe(executable, index, self.core))
            if found is not None:
                return f"workload {self.program.workloads[index].name}: {found.text}"
        return ""

    def run(self, executable: Path, index: int, core: int | None, *, pinned: bool = True) -> Observation:
        """One run of a workload that did what the program does. Raises Miscompiled, NotRepeatable.

        Where programs write in one folder, what a candidate left must not meet the next one before it was verified.
        """
        with self._turn if self.expected[index].writes_shared else nullcontext():
            return self._verified(executable, index, core, pinned)

    def _verified(self, executable: Path, index: int, core: int | None, pinned: bool) -> Observation:
        outcome = self._observe(executable, index, core, pinned=pinned)
        found = self.difference(index, outcome)
        if found is None:
            assert isinstance(outcome, Observation)
            return outcome
        if executable == self.baseline or filecmp.cmp(executable, self.baseline, shallow=False):
            return self._of_baseline(executable, index, outcome, core)
        return self._after_second_look(executable, index, outcome, found, core)

    def _observe(self, executable: Path, index: int, core: int | None, *, pinned: bool = True) -> Outcome:
        cores = nullcontext() if pinned or not self.cores else confined_to(self.cores)
        with cores:
            (outcome,) = run_side_by_side(
                [executable], self.program.workloads[index], limits=self.limits(self.expected[index]),
                core=core if pinned else None, scratch=self.folder,
            )  # fmt: skip
        if isinstance(outcome, Observation):
            self.program_seconds += outcome.wall_seconds
        return outcome

    def difference(self, index: int, outcome: Outcome) -> Difference | None:
        expected = self.expected[index]
        if isinstance(outcome, ProcessTimeout):
            return Difference("time", (
                f"still runs after {self.limits(expected).wall_seconds:g} s; "
                f"the baseline takes {expected.wall_seconds:.2g} s"
            ))  # fmt: skip
        if isinstance(outcome, OutputLimitExceeded):
            return Difference("output", "writes without end")
        if isinstance(outcome, ChildStillRuns):
            return Difference("children", str(outcome))
        return first_difference(
            self.program.workloads[index].name, expected, outcome, self.program.check, self.own_check
        )

    def _of_baseline(self, executable: Path, index: int, outcome: Outcome, core: int | None) -> Observation:
        """What is seen of the program itself, which leaves out from then on what varies. Raises NotRepeatable."""
        if not isinstance(outcome, Observation):  # the host may have stood still
            outcome = self._observe(executable, index, core)
        if isinstance(outcome, Observation):
            self.expected[index] = with_varying(self.expected[index], outcome, self.program.check)
        if found := self.difference(index, outcome):
            raise not_repeatable(self.program.workloads[index].name, found)
        assert isinstance(outcome, Observation)
        return outcome

    def _after_second_look(
        self, executable: Path, index: int, outcome: Outcome, first: Difference, core: int | None
    ) -> Observation:
        workload = self.program.workloads[index].name
        fine: list[Observation] = []
        shared = self.expected[index].writes_shared or (isinstance(outcome, Observation) and outcome.writes_shared)

        def settle() -> None:
            """Leave the folder as the program itself does, not as the candidate did."""
            if shared:
                self._observe(self.baseline, index, core)

        def candidate() -> Difference | None:
            settle()
            seen = self._observe(executable, index, core)
            found = self.difference(index, seen)
            if found is None and isinstance(seen, Observation):
                fine.append(seen)
            return found

        def baseline(pinned: bool) -> None:
            settle()
            self._of_baseline(self.baseline, index, self._observe(self.baseline, index, core, pinned=pinned), core)

        look = confirm(
            first, Reruns(candidate, baseline, lambda: self.difference(index, outcome) is None),
            agreed=self.agreed.get(index, _BASELINE_RUNS), hangs=not isinstance(outcome, Observation),
        )  # fmt: skip
        self.agreed[index] = self.agreed.get(index, _BASELINE_RUNS) + look.baseline_runs
        if look.fault is not None:
            settle()
            raise Miscompiled(
                f"workload {workload}: {look.fault.text}", executable, _evidence(workload, look.fault, look)
            )
        if isinstance(outcome, Observation):
            self.expected[index] = with_varying(self.expected[index], outcome, self.program.check)
            if found := self.difference(index, outcome):
                raise not_repeatable(
                    workload, found, f", in {look.again + 1} of {look.candidate_runs + 1} runs of the same code"
                )
        return fine[-1] if fine else self.run(executable, index, core)

    def limits(self, expected: Observation, count: int = 1) -> Limits:
        """Of each of ``count`` runs at once."""
        allowed = min(max(_LEAST_LIMIT_SECONDS, _SLACK * expected.wall_seconds), self.options.timeout_seconds)
        return Limits(count * allowed, self.options.memory_bytes)

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _evidence(workload: str, fault: Difference, look: Confirmation) -> dict[str, Any]:
    return {
        "workload": workload, "differs_in": fault.what, "difference": fault.text,
        "candidate_runs": look.candidate_runs + 1, "candidate_differed": look.again + 1,
        "baseline_runs": look.baseline_runs,
    }  # fmt: skip
