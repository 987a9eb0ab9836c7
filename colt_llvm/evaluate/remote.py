"""What a run needs of other machines, as plain data; :mod:`colt_llvm.cluster` provides it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from colt_llvm.env import ServiceOptions
from colt_llvm.env.payload import BenchmarkRecord
from colt_llvm.evaluate.builder import Built
from colt_llvm.evaluate.evaluation import Examiner
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.llvm.catalogue import Catalogue
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.program.baseline import Baseline
from colt_llvm.program.program import Program


@dataclass(frozen=True)
class Job:
    """All that another machine needs to build, check and time this program.

    record: the front end's output, so no source is read elsewhere. empty: what the empty sequence gave here; whoever
    does not get the same is not used. portable: programs can be run elsewhere too; where not, only builds are sent.
    """

    toolchain: Toolchain
    program: Program
    baseline: Baseline
    catalogue: Catalogue
    service: ServiceOptions
    record: BenchmarkRecord
    empty: Built
    options: TuneOptions
    portable: bool

    @property
    def with_objects(self) -> bool:
        return self.options.goal.builds_objects


@dataclass(frozen=True)
class Hired:
    """builders: as many as may build at once. examiner: None where this machine runs the programs itself.

    lanes: how many candidates are examined at once. in_flight: requests under way that keep all of them busy.
    """

    builders: Sequence[Any]
    examiner: Examiner | None
    lanes: int
    in_flight: int
    notes: list[str] = field(default_factory=list)


class Workforce(Protocol):
    """Other machines, as a run sees them."""

    def hire(self, job: Job) -> AbstractContextManager[Hired]:
        """For one run. Raises ColtError where nobody can do it."""
