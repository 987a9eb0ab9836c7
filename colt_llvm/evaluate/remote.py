"""What a run needs of other machines, as plain data; :mod:`colt_llvm.cluster` provides it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from colt_llvm.env.payload import BenchmarkRecord
from colt_llvm.evaluate.builder import Builders
from colt_llvm.evaluate.evaluators import Examiner
from colt_llvm.evaluate.target import Built, Target


@dataclass(frozen=True)
class RemoteTarget:
    """All that another machine needs to build, check and time this program."""

    target: Target  # without what is a function of this process
    record: BenchmarkRecord  # the front end's output, so no source is read elsewhere
    empty: Built  # what the empty sequence gave here; whoever does not get the same is not used
    portable: bool  # programs can be run elsewhere too; where not, only builds are sent

    @staticmethod
    def of(target: Target, builders: Builders) -> RemoteTarget:
        plain = replace(target, objective=target.options.goal, linker=None, own_check=None)
        portable = target.linker is None and target.own_check is None
        return RemoteTarget(plain, builders.first.record, builders.empty, portable)


@dataclass(frozen=True)
class RemoteWorkers:
    """builders: as many as may build at once. examiner: None where this machine runs the programs itself.

    lanes: how many candidates are examined at once. in_flight: requests under way that keep all of them busy.
    """

    builders: Sequence[Any]
    examiner: Examiner | None
    lanes: int
    in_flight: int
    notes: list[str] = field(default_factory=list)


class RemotePool(Protocol):
    """Other machines, as a run sees them."""

    def workers_for(self, remote: RemoteTarget) -> AbstractContextManager[RemoteWorkers]:
        """For one run. Raises ColtError where nobody can do it."""
