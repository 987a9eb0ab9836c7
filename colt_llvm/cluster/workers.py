"""The workers of one Dask cluster: which can be used, and work that survives when one of them dies."""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from colt_llvm import __version__
from colt_llvm.cluster.hosts import MEASURING, Measuring, choose_measuring
from colt_llvm.core.errors import ClusterError
from colt_llvm.evaluate.evaluators import RemoteTarget, RemoteWorkers

T = TypeVar("T")

_LOOK_SECONDS = 2.0
_PATIENCE_SECONDS = 30.0
_AGAIN_SECONDS = 0.25
_PREPARE_SECONDS = 120.0


@dataclass(frozen=True)
class CellResult:
    """One call of ``run_cells``."""

    index: int  #: of its argument
    value: Any = None
    error: str = ""  #: one line; "" where ``value`` is the result


#: The workers that may do something, asked for when it is sent; None: all that may be used.
Among = Callable[[], Sequence[str]] | None


@dataclass(frozen=True)
class _Task:
    """Something under way."""

    future: Any
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    among: Among
    timed: bool
    allowed: list[str] | None  #: addresses that it was restricted to


class Killed(Exception):
    """Several workers died one after another while they did this."""


class Cluster:
    """See :func:`colt_llvm.cluster.connect`. ``refused``: workers that are not used, by address, with the reason."""

    def __init__(self, client: Any, address: str, measure_on: str = "") -> None:
        self._client = client
        self.address = address
        self._measure_on = measure_on
        self.refused: dict[str, str] = {}
        self._hosts: dict[str, Any] = {}
        self._timed_once = False  # whether a worker ever offered to time
        self._lock = threading.Lock()

    def take_stock(self) -> None:
        """Refuse workers with another Python or colt-llvm. Raises ClusterError where none is left."""
        from colt_llvm.cluster import work

        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        for address, versions in self._client.get_versions()["workers"].items():
            there = ".".join(str(versions["host"]["python"]).split(".")[:2]) if versions else "unknown"
            if there != here:
                self.refuse(address, f"has Python {there}, and this is {here}")
        answers = self._client.run(work.version, on_error="return", workers=self.usable() or None)
        for address, answer in answers.items():
            if isinstance(answer, BaseException):
                self.refuse(address, f'has no colt-llvm ({answer}); pip install "colt-llvm[distributed]" there')
            elif answer != __version__:
                self.refuse(address, f"has colt-llvm {answer}, and this is {__version__}")
        self.require()
        self._timed_once = bool(self._declared())

    # Who there is.

    def _workers(self) -> Mapping[str, Any]:
        workers: Mapping[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        return workers

    def anybody(self) -> bool:
        """Whether the scheduler answers and has a worker that may be used."""
        return self._client.status == "running" and bool(self.threads())

    def threads(self) -> dict[str, int]:
        """Worker address -> tasks that it runs at once, of those that may be used."""
        return {name: int(each["nthreads"]) for name, each in self._workers().items() if name not in self.refused}

    def usable(self) -> list[str]:
        """Addresses of the workers that may be used."""
        return sorted(self.threads())

    def wait_for(self, count: int, seconds: float = 60.0) -> None:
        """Until so many workers are there. Raises TimeoutError."""
        self._client.wait_for_workers(count, timeout=seconds)

    def refuse(self, address: str, reason: str) -> None:
        """Use this worker no more. reason: what follows "it", such as "has Python 3.9"."""
        with self._lock:
            self.refused[address] = reason

    def notes(self) -> list[str]:
        """One line for each worker that is not used."""
        return [f"worker {address} is not used: it {reason}" for address, reason in sorted(self.refused.items())]

    def measuring(self, kind: str = "") -> Measuring:
        """The workers that may time programs now, all on hosts of one kind. Raises ClusterError where there is none.

        kind: the one that was chosen before; a worker that was started again has another address.
        """
        from colt_llvm.cluster import work

        declared = self._declared()
        unknown = [address for address in declared if address not in self._hosts]
        if unknown:
            self._hosts |= self._client.run(work.host, workers=unknown)
        hosts = {address: self._hosts[address] for address in declared}
        return choose_measuring(hosts, kind or self._measure_on, self.address)

    def _declared(self) -> list[str]:
        """Workers that offer to time programs."""
        workers = self._workers().items()
        offers = {address: each.get("resources", {}).get(MEASURING, 0) for address, each in workers}
        return [address for address, cores in offers.items() if cores >= 1 and address not in self.refused]

    def some_measuring(self) -> Measuring:
        """As ``measuring``; where there was one when the cluster was joined, it may be on its way back."""
        return self._patiently(self.measuring, _PATIENCE_SECONDS if self._timed_once else 0.0)

    # Work.

    def call(self, function: Callable[..., Any], *arguments: Any, among: Among = None, timed: bool = False) -> Any:
        """What ``function`` gives on some worker. From any thread; a worker that dies costs a retry.

        among: gives the workers that may do it, asked again when those have gone. timed: takes the worker's whole
        measuring resource. Raises Killed, ClusterError, and what ``function`` raises.
        """
        from distributed import KilledWorker

        patience = Patience(self, among)
        task = self._patiently(lambda: self._submit(function, arguments, among, timed), _PATIENCE_SECONDS)
        while True:
            self._wait([task.future])
            if task.future.done():
                try:
                    return task.future.result()
                except KilledWorker as error:
                    raise Killed(" ".join(str(error).split())) from None
                except CancelledError:
                    raise self._gone("the scheduler has gone") from None
            patience.look()
            task = self._again_if_stranded(task)

    def _submit(self, function: Callable[..., Any], arguments: Sequence[Any], among: Among, timed: bool) -> _Task:
        allowed = list(among()) if among else self.usable() if self.refused else None
        future = self._client.submit(
            function, *arguments, key=f"{function.__name__}-{uuid.uuid4().hex}", pure=False, retries=1,
            workers=allowed, allow_other_workers=False, resources={MEASURING: 1} if timed else None,
        )  # fmt: skip
        return _Task(future, function, tuple(arguments), among, timed, allowed)

    def _patiently(self, what: Callable[[], T], seconds: float) -> T:
        """Again for so long where no worker can do it now."""
        until = time.monotonic() + seconds
        while True:
            try:
                return what()
            except ClusterError:
                if time.monotonic() >= until:
                    raise
                time.sleep(_AGAIN_SECONDS)

    def _wait(self, futures: Sequence[Any], until: str = "ALL_COMPLETED", seconds: float = _LOOK_SECONDS) -> None:
        from distributed import wait

        with suppress(TimeoutError), self._client.as_current():
            wait(futures, timeout=seconds, return_when=until)

    def _again_if_stranded(self, task: _Task) -> _Task:
        """Where all who might have done it have gone, others are asked."""
        if task.allowed is None or set(task.allowed) & set(self._workers()):
            return task
        with suppress(ClusterError):  # none now: perhaps later
            again = self._submit(task.function, task.arguments, task.among, task.timed)
            task.future.cancel()
            return again
        return task

    def _gone(self, what: str) -> ClusterError:
        return ClusterError(f"{self.address}: {what}; start it again, and go on with --resume")

    def run_cells(
        self,
        function: Callable[[Any], Any],
        arguments: Sequence[Any],
        *,
        timed: bool = False,
        stop: threading.Event | None = None,
    ) -> Iterator[CellResult]:
        """``function(argument)`` for each, on any worker, in the order in which they end.

        function: of a module that workers can import. What it raises is that cell's error. timed: only on measuring
        workers, one at a time on each host; all of the hosts are of one kind. stop: ends it, without what is under way.
        Raises ClusterError where no worker is left.
        """
        kind = self.some_measuring().kind if timed else ""
        among: Among = (lambda: self.measuring(kind).one_each()) if timed else None
        tasks = [
            self._patiently(partial(self._submit, function, [argument], among, timed), _PATIENCE_SECONDS)
            for argument in arguments
        ]
        waiting = {task.future: (index, task) for index, task in enumerate(tasks)}
        patience = Patience(self, among)
        try:
            while waiting and not (stop and stop.is_set()):
                self._wait(list(waiting), "FIRST_COMPLETED")
                done = [future for future in waiting if future.done()]
                for future in done:
                    yield _cell(future, waiting.pop(future)[0])
                if not done:
                    patience.look()
                    again = [(index, self._again_if_stranded(task)) for index, task in waiting.values()]
                    waiting = {task.future: (index, task) for index, task in again}
        finally:
            with suppress(Exception):  # the scheduler may be gone
                self._client.cancel(list(waiting))

    # Tuning.

    @contextmanager
    def workers_for(self, remote: RemoteTarget) -> Iterator[RemoteWorkers]:
        """Workers for one run of ``tune``: each is made ready, and refused where it does not give the same code."""
        from colt_llvm.cluster.tuning import workers_for

        with workers_for(self, remote) as workers:
            yield workers

    @contextmanager
    def provided(self, plugin: Any) -> Iterator[str]:
        """All workers, later ones too, have what the run needs; gives its name there."""
        self._client.register_plugin(plugin, name=plugin.run)
        try:
            yield plugin.run
        finally:
            with suppress(Exception):  # the scheduler or the workers may be gone: then nothing is left to tidy
                self._client.unregister_worker_plugin(plugin.run)

    def prepare(self, task: Callable[[str], str], run: str, at: Sequence[str]) -> None:
        """``task`` on each of these workers; who cannot is refused, who is late gets ready with its first work."""
        futures = {
            address: self._submit(task, [run], partial(list, [address]), False)
            for address in at
            if address not in self.refused
        }
        self._wait([task.future for task in futures.values()], seconds=_PREPARE_SECONDS)
        for address, sent in futures.items():
            future = sent.future
            if future.status == "error":
                self.refuse(address, f"fails: {_one_line(future.exception())}")
            elif future.status == "finished" and (reason := future.result()):
                self.refuse(address, reason)

    def require(self, at: Sequence[str] = ()) -> None:
        """That a worker is left, one of ``at`` where those are given. Raises ClusterError."""
        if not set(at or self.usable()) - set(self.refused):
            reason = next(iter(self.notes()), "all have gone; start some with dask worker")
            raise ClusterError(f"{self.address}: no worker can be used; {reason}")


class Patience:
    """How long work waits for workers to come back. ``look`` raises ClusterError when that is over."""

    def __init__(self, cluster: Cluster, among: Among) -> None:
        self._cluster = cluster
        self._among = among
        self._since: float | None = None

    def look(self) -> None:
        """Called every few seconds. Raises ClusterError where nobody came back in time."""
        if self._somebody():
            self._since = None
            return
        now = time.monotonic()
        self._since = self._since or now
        if now - self._since >= _PATIENCE_SECONDS:
            raise self._cluster._gone("all workers that can do this have gone")

    def _somebody(self) -> bool:
        try:
            return self._cluster.anybody() and (self._among is None or bool(self._among()))
        except ClusterError:
            return False


def _cell(future: Any, index: int) -> CellResult:
    if future.status == "finished":
        return CellResult(index, future.result())
    error = future.exception() if future.status == "error" else None
    return CellResult(index, error=_one_line(error) if error else "was cancelled")


def _one_line(error: Any) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
