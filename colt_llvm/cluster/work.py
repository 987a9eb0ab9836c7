"""What runs in a worker process. Everything that is sent to it and back is plain data."""

from __future__ import annotations

import os
import pickle
import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from distributed import WorkerPlugin, get_worker

from colt_llvm import __version__
from colt_llvm.cluster.hosts import MeasuringCore, keep_off, move_to, taken
from colt_llvm.core.errors import ColtError, NotRepeatable, PassError, ToolchainError, UsageError
from colt_llvm.evaluate.builder import Builder
from colt_llvm.evaluate.evaluation import Evaluation
from colt_llvm.evaluate.evaluators import Examination, RemoteTarget, examine
from colt_llvm.evaluate.timer import Timer
from colt_llvm.evaluate.unrun import verifier_of
from colt_llvm.llvm.toolchain import Toolchain, find_toolchain, installed_toolchains
from colt_llvm.measure.host import fingerprint
from colt_llvm.program.program import Program

_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Bundle:
    """A program, and the files that its workloads name."""

    program: Program
    files: Mapping[Path, bytes]  #: content by the path here

    @staticmethod
    def pack(program: Program) -> Bundle | None:
        """None where the program can be run on this machine only: by its folder, its files or their size."""
        if program.harness:
            return None
        paths: set[Path] = set()
        for workload in program.workloads:
            if workload.cwd is not None or any(Path(word).is_absolute() for word in workload.command):
                return None
            paths |= {path for path in (workload.stdin, workload.expected_stdout) if path is not None}
        try:
            if sum(path.stat().st_size for path in paths) > _MOST_BYTES:
                return None
            return Bundle(program, {path: path.read_bytes() for path in sorted(paths)})
        except OSError as error:
            raise UsageError(f"{error.filename}: cannot be read ({error.strerror}); fix the workload") from None

    def unpack(self, folder: Path) -> Program:
        """The same program with its files in ``folder``."""
        places = {path: folder / str(number) for number, path in enumerate(self.files)}
        for path, content in self.files.items():
            places[path].write_bytes(content)
        workloads = tuple(
            replace(
                workload,
                stdin=places[workload.stdin] if workload.stdin else None,
                expected_stdout=places[workload.expected_stdout] if workload.expected_stdout else None,
            )
            for workload in self.program.workloads
        )
        return replace(self.program, workloads=workloads)


@dataclass(frozen=True)
class Reply:
    """What a worker answers."""

    value: Any = None  #: what was asked for
    failure: tuple[str, str] | None = None  #: name of the PassError's class, and its text
    refused: str = ""  #: why this worker takes no part in the run
    worker: str = ""  #: its address


class Refused(Exception):
    """This worker would give other results than the machine that asks."""


def version() -> str:
    """Of colt-llvm on this worker."""
    return __version__


def host() -> dict[str, Any]:
    """This worker's host, as ``measure.fingerprint`` sees it."""
    return asdict(fingerprint())


class RunPlugin(WorkerPlugin):
    """Brings a run's data to every worker, also to one that comes later or is started again."""

    def __init__(self, run: str, data: bytes) -> None:
        self.run = run
        self.data = data

    @staticmethod
    def of(remote: RemoteTarget, bundle: Bundle | None) -> RunPlugin:
        """bundle: what is needed to run the program; None where it is only built."""
        return RunPlugin(uuid.uuid4().hex, pickle.dumps((remote, bundle)))

    def setup(self, worker: Any) -> None:
        _RUNS[self.run] = _Run(self.data)

    def teardown(self, worker: Any) -> None:
        run = _RUNS.pop(self.run, None)
        if run is not None:
            run.close()


_RUNS: dict[str, _Run] = {}


def ready(run: str) -> str:
    """Start a compiler service. Empty, or why this worker cannot be used."""
    return _answer(run, lambda it: None).refused


def ready_to_time(run: str) -> str:
    """Take a core, and run the baseline. Before anybody is ``ready``, so that all keep off that core."""
    return _answer(run, lambda it: it.timer(timed=True)).refused


def build(run: str, sequence: tuple[str, ...]) -> Reply:
    """What a sequence gives, as ``Built``."""
    return _answer(run, lambda it: it.with_builder(lambda builder: builder.build(sequence)))


def observe(run: str, sequence: tuple[str, ...], observations: tuple[str, ...]) -> Reply:
    """Observations of the environment at a sequence."""
    return _answer(run, lambda it: it.with_builder(lambda builder: builder.observe(sequence, observations)))


def examination(run: str, objects: tuple[bytes, ...], wanted: Examination) -> Reply:
    """Check a candidate on this worker, and time it where that is wanted."""
    return _answer(run, lambda it: it.examine(objects, wanted))


def _answer(name: str, what: Any) -> Reply:
    here = get_worker().address
    run = _RUNS.get(name)
    if run is None:
        return Reply(refused="does not know the run", worker=here)
    try:
        run.start()
        return Reply(what(run), worker=here)
    except Refused as reason:
        return Reply(refused=str(reason), worker=here)
    except PassError as error:
        return Reply(failure=(type(error).__name__, str(error)), worker=here)


class _Run:
    """One run on this worker: a compiler service for each task that it does at once, and a timer."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._lock = threading.Lock()
        self._idle: list[Builder] = []
        self._all: list[Builder] = []
        self._timer: Timer | None = None
        self._folder: Path | None = None
        self._core: MeasuringCore | None = None
        self._cores = os.sched_getaffinity(0)
        self._refusal = ""
        self._toolchain: Toolchain | None = None

    def start(self) -> None:
        """Make sure that this worker gives the same code. Raises Refused, each time anew."""
        with self._lock:
            if self._refusal:
                raise Refused(self._refusal)
            if self._toolchain is not None:
                return
            self._remote: RemoteTarget
            self._bundle: Bundle | None
            self._remote, self._bundle = pickle.loads(self._data)
            try:
                if self._remote.target.options.times_the_program:
                    self._keep_off_timed_cores()
                toolchain = _same_toolchain(self._remote.target.toolchain)
                self._idle.append(self._new_builder(toolchain))
                self._compare(self._idle[0])
                self._toolchain = toolchain
            except (Refused, ColtError) as reason:
                self._refusal = " ".join(str(reason).split())
                self._close_builders()
                raise Refused(self._refusal) from None

    def _new_builder(self, toolchain: Toolchain) -> Builder:
        builder = Builder(replace(self._remote.target, toolchain=toolchain), record=self._remote.record)
        self._all.append(builder)
        return builder

    def _compare(self, builder: Builder) -> None:
        empty = builder.build(())
        if empty != self._remote.empty:
            what = "the baseline's object" if self._remote.target.with_objects else "the baseline's IR"
            raise Refused(f"does not give {what} byte for byte; let it have the same LLVM and CPU features")

    @contextmanager
    def _builder(self) -> Iterator[Builder]:
        assert self._toolchain is not None
        with self._lock:
            builder = self._idle.pop() if self._idle else self._new_builder(self._toolchain)
        try:
            yield builder
        finally:
            self._idle.append(builder)

    def with_builder(self, use: Any) -> Any:
        with self._builder() as builder:
            return use(builder)

    def examine(self, objects: tuple[bytes, ...], wanted: Examination) -> Evaluation:
        return examine(self.timer(timed=wanted.baseline_seconds is not None), objects, wanted)

    def timer(self, timed: bool) -> Timer:
        """Raises Refused where the baseline does something else here, or no core is free."""
        with self._lock:
            if self._timer is None:
                try:
                    self._timer = self._new_timer(timed)
                except NotRepeatable:
                    raise  # of the program, not of this worker
                except ColtError as error:
                    raise Refused(f"cannot run the baseline: {' '.join(str(error).split())}") from None
            return self._timer

    def _new_timer(self, timed: bool) -> Timer:
        assert self._toolchain is not None
        assert self._bundle is not None
        if timed:
            self._core = MeasuringCore.take()
            if self._core is None:
                raise Refused("has no core left to time on: other workers on that host time already")
            self._keep_off_timed_cores()
        self._folder = Path(mkdtemp(prefix="colt-"))
        program = self._bundle.unpack(self._folder)
        core = self._core.number if self._core else None
        target = replace(self._remote.target, toolchain=self._toolchain, program=program, core=core)
        return Timer(verifier_of(target))

    def _keep_off_timed_cores(self) -> None:
        keep_off(taken(self._cores))

    def _close_builders(self) -> None:
        for builder in self._all:
            builder.close()
        self._all, self._idle = [], []

    def close(self) -> None:
        self._close_builders()
        if self._timer is not None:
            self._timer.verifier.close()
        if self._core is not None:
            self._core.release()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        move_to(self._cores)


def _same_toolchain(wanted: Toolchain) -> Toolchain:
    """Of this very version and target, wherever it is here. Raises Refused."""
    found = []
    for candidate in _toolchains(wanted):
        if (candidate.version, candidate.triple) == (wanted.version, wanted.triple):
            return candidate
        found.append(f"{candidate.version} for {candidate.triple}")
    there = ", ".join(dict.fromkeys(found)) or "none"
    raise Refused(f"has LLVM {there}, and this run needs {wanted.version} for {wanted.triple}")


def _toolchains(wanted: Toolchain) -> Iterator[Toolchain]:
    for prefix in (wanted.prefix, None):
        try:
            yield find_toolchain(prefix)
        except ToolchainError:
            continue
    yield from installed_toolchains()
