"""``tune`` on a cluster: builders and an examiner that work elsewhere, with the results of one machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import colt_llvm.core.errors
from colt_llvm.cluster import work
from colt_llvm.cluster.work import Bundle
from colt_llvm.cluster.workers import Cluster, Killed
from colt_llvm.core.errors import ClusterError, PassCrashed, PassError
from colt_llvm.evaluate.evaluation import Evaluation
from colt_llvm.evaluate.evaluators import Examination, RemoteTarget, RemoteWorkers
from colt_llvm.evaluate.target import Built

#: Requests under way for each task that the workers do at once. Told in order, a slow one holds up those behind it
#: (docs/scaling.md); more under way means that each is asked for knowing less.
_QUEUED = 2


class ClusterBuilder:
    """As ``evaluate.builder.Builder``, on whichever worker is free. For one thread at a time."""

    def __init__(self, cluster: Cluster, run: str) -> None:
        self._cluster = cluster
        self._run = run

    def build(self, sequence: Sequence[str]) -> Built:
        """Raises PassError as a local builder does, ClusterError where no worker is left."""
        built: Built = ask(self._cluster, work.build, self._run, tuple(sequence))
        return built

    def observe(self, sequence: Sequence[str], observations: Sequence[str]) -> list[Any]:
        """As ``build`` does, observations of the environment."""
        return list(ask(self._cluster, work.observe, self._run, tuple(sequence), tuple(observations)))


def ask(cluster: Cluster, task: Callable[..., work.Reply], *arguments: Any, kind: str = "") -> Any:
    """On a worker that can; one that cannot is refused, and another is asked. Raises PassError, ClusterError.

    kind: of the hosts that may time; empty where nothing is timed.
    """
    among = (lambda: cluster.measuring(kind).addresses) if kind else None
    while True:
        try:
            reply = cluster.call(task, *arguments, among=among, timed=bool(kind))
        except Killed as error:
            raise PassCrashed(f"the workers that did this died: {error}") from None
        if reply.refused:
            cluster.refuse(reply.worker, reply.refused)
            cluster.require()
            continue
        if reply.failure:
            raise _pass_error(*reply.failure)
        return reply.value


def _pass_error(name: str, text: str) -> PassError:
    kind = getattr(colt_llvm.core.errors, name, PassError)
    error = kind(text) if isinstance(kind, type) and issubclass(kind, PassError) else PassError(text)
    assert isinstance(error, PassError)
    return error


@contextmanager
def workers_for(cluster: Cluster, remote: RemoteTarget) -> Iterator[RemoteWorkers]:
    """Make the workers ready for a run. Raises ClusterError where none can be used."""
    timed = remote.target.options.times_the_program
    measuring = cluster.some_measuring() if timed else None
    bundle = Bundle.pack(remote.target.program) if remote.portable else None
    notes: list[str] = []
    if timed and bundle is None:
        raise ClusterError(
            "this program can be run on this machine only (its folder, its harness or your own check); "
            "leave out --cluster, or use --objective size"
        )
    with cluster.provided(work.RunPlugin.of(remote, bundle)) as run:
        kind, timing = "", 0
        if measuring is not None:
            cluster.prepare(work.ready_to_time, run, measuring.addresses)
            kind = measuring.kind
            measuring = cluster.measuring(kind)
            timing = len(measuring.addresses)
            notes.append(measuring.note)
        cluster.prepare(work.ready, run, cluster.usable())
        cluster.require()

        def examiner(objects: tuple[bytes, ...], wanted: Examination) -> Evaluation:
            try:
                found: Evaluation = ask(cluster, work.examination, run, objects, wanted, kind=kind)
            except PassCrashed as error:
                return Evaluation(None, failure="crash", detail=str(error))
            return found

        threads = sum(cluster.threads().values())
        in_flight = threads + 2 * timing if timed else _QUEUED * threads
        count = remote.target.options.workers or in_flight
        lanes = timing or min(count, threads)
        yield RemoteWorkers(
            [ClusterBuilder(cluster, run) for _ in range(count)],
            examiner if bundle and remote.target.with_objects else None, lanes, in_flight, [*notes, *cluster.notes()],
        )  # fmt: skip
