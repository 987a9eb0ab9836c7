"""Run a command, or some side by side: an argument list, limits, and nothing left behind.

No shell is ever involved. The child leads a process group of its own, and the whole group is ended
when the call returns, however it returns. CPU times are the kernel's own, from ``wait4``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import selectors
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from colt_llvm.errors import CommandNotFound, OutputLimitExceeded, ProcessTimeout
from colt_llvm.time_slice import set_time_slice

_CHUNK_BYTES = 1 << 16
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.0002, 0.01


@dataclass(frozen=True)
class Limits:
    """What a child may use. ``None`` means no limit of ours.

    wall_seconds: wall-clock time before the whole group is ended.
    memory_bytes: address space (RLIMIT_AS).
    output_bytes: captured standard output plus error, and the size of any file it writes (RLIMIT_FSIZE).
    """

    wall_seconds: float | None = 120.0
    memory_bytes: int | None = None
    output_bytes: int | None = 64 << 20


@dataclass(frozen=True)
class Completed:
    """How a child ended. ``status`` is its exit status, or minus the number of the signal that ended it."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes
    user_seconds: float
    system_seconds: float
    wall_seconds: float
    max_rss_bytes: int

    def describe_status(self) -> str:
        """``exit status 3`` or ``SIGSEGV``."""
        if self.status >= 0:
            return f"exit status {self.status}"
        try:
            return signal.Signals(-self.status).name
        except ValueError:
            return f"signal {-self.status}"


#: How a command ended: by itself, or at one of its limits.
Ended = Completed | ProcessTimeout | OutputLimitExceeded


@dataclass(frozen=True)
class Command:
    """What to run. stdin: a file, or bytes, or nothing (then it reads end of file at once)."""

    argv: Sequence[str | Path]
    limits: Limits = field(default_factory=Limits)
    stdin: Path | bytes | None = None
    cwd: Path | None = None
    env: Mapping[str, str] | None = None


def run(
    argv: Sequence[str | Path],
    *,
    limits: Limits | None = None,
    stdin: Path | bytes | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    core: int | None = None,
) -> Completed:
    """Run ``argv`` to its end and return its output and resource use.

    stdin: a file, or bytes, or nothing (then it reads end of file at once).
    core: the CPU that the child is pinned to.

    Raises CommandNotFound, ProcessTimeout or OutputLimitExceeded. A non-zero exit is not an error here.
    """
    (ended,) = run_together([Command(argv, limits or Limits(), stdin, cwd, env)], core=core)
    if isinstance(ended, Completed):
        return ended
    raise ended


def run_together(
    commands: Sequence[Command], *, core: int | None = None, slice_seconds: float | None = None
) -> list[Ended]:
    """Start all of ``commands`` in their order, pinned to ``core``, and return how each ended, in the same order.

    One that reaches a limit is ended and has its error in the list; the others go on. wall_seconds of each is from
    its own start to its own end, and on one core the others' share of the time is in it.
    slice_seconds: how long each keeps the core in its turn, where the kernel does as told; None leaves it alone.

    Raises CommandNotFound when one cannot be started; then none is left running.
    """
    children: list[_Child] = []
    try:
        for command in commands:
            children.append(_Child(command, core))
            _limit(children[-1].process.pid, command.limits)
            if slice_seconds is not None:
                set_time_slice(children[-1].process.pid, slice_seconds)
        _attend(children)
    finally:
        for child in children:
            child.close()
    return [child.ended for child in children if child.ended is not None]


class _Child:
    """One process with its streams. ended: None while it runs."""

    def __init__(self, command: Command, core: int | None) -> None:
        self.argv = tuple(os.fspath(part) for part in command.argv)
        self.limits = command.limits
        self.ended: Ended | None = None
        self._written = 0
        with _open_stdin(command.stdin) as source:
            # Affinity belongs to the thread and is inherited, so this needs no code between fork and exec.
            previous = os.sched_getaffinity(0) if core is not None else None
            try:
                if core is not None:
                    os.sched_setaffinity(0, {core})
                self._started = time.perf_counter()
                self.process = subprocess.Popen(
                    self.argv, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=command.cwd,
                    env=dict(command.env) if command.env is not None else None, start_new_session=True,
                )  # fmt: skip
            except (FileNotFoundError, NotADirectoryError) as error:
                if command.cwd is not None and not Path(command.cwd).is_dir():
                    raise
                raise CommandNotFound(f"{self.argv[0]}: not found; install it or give its full path") from error
            except PermissionError as error:
                raise CommandNotFound(f"{self.argv[0]}: not executable; check its permissions") from error
            except OSError as error:
                if error.errno != errno.ENOEXEC:
                    raise
                raise CommandNotFound(f"{self.argv[0]}: not executable on this machine; build it again") from error
            finally:
                if previous is not None:
                    os.sched_setaffinity(0, previous)
        assert self.process.stdout
        assert self.process.stderr
        self.stdout, self.stderr = self.process.stdout.fileno(), self.process.stderr.fileno()
        self._parts: dict[int, list[bytes]] = {self.stdout: [], self.stderr: []}
        self.open = {self.stdout, self.stderr}

    @property
    def remaining(self) -> float | None:
        """Seconds until its limit, 0 or more; None without one."""
        if self.limits.wall_seconds is None:
            return None
        return max(0.0, self._started + self.limits.wall_seconds - time.perf_counter())

    def read(self, descriptor: int) -> None:
        """What there is. Ends the child when it has written too much."""
        data = os.read(descriptor, _CHUNK_BYTES)
        if not data:
            self.open.discard(descriptor)
            return
        self._parts[descriptor].append(data)
        self._written += len(data)
        if self.limits.output_bytes is not None and self._written > self.limits.output_bytes:
            self._end(OutputLimitExceeded(
                f"{shlex.join(self.argv)}: wrote more than {self.limits.output_bytes} bytes, ended"
            ))  # fmt: skip

    def expire(self) -> None:
        self._end(ProcessTimeout(
            f"{shlex.join(self.argv)}: still running after {self.limits.wall_seconds:g} s, ended"
        ))  # fmt: skip

    def reap(self, *, block: bool) -> None:
        """If it has ended, keep the kernel's own CPU times, which come with its status."""
        pid, status, usage = os.wait4(self.process.pid, 0 if block else os.WNOHANG)
        if not pid:
            return
        wall_seconds = time.perf_counter() - self._started
        _end_group(self.process.pid)  # at once: what it left behind would take time from the others
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.ended = Completed(
            self.argv, self.process.returncode, b"".join(self._parts[self.stdout]), b"".join(self._parts[self.stderr]),
            usage.ru_utime, usage.ru_stime, wall_seconds, usage.ru_maxrss * 1024,
        )  # fmt: skip

    def _end(self, error: ProcessTimeout | OutputLimitExceeded) -> None:
        self.ended = error
        self.open.clear()
        _end_group(self.process.pid)

    def close(self) -> None:
        """End the whole group, if it is not ended yet; leave no zombie and no open stream."""
        if self.process.returncode is None:
            _end_group(self.process.pid)
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


def _attend(children: Sequence[_Child]) -> None:
    """Read the streams of all and reap each as soon as it has ended."""
    owner = {descriptor: child for child in children for descriptor in child.open}
    pause = _SHORTEST_PAUSE
    with selectors.DefaultSelector() as selector:
        for descriptor in owner:
            selector.register(descriptor, selectors.EVENT_READ)
        while running := [child for child in children if child.ended is None]:
            # Streams closed, but not ended: the end is nearly always there already; only a child that closed them
            # on purpose makes us wait.
            closed = [child for child in running if not child.open]
            waits = [left for child in running if (left := child.remaining) is not None]
            for child in closed:
                child.reap(block=len(running) == 1 and child.limits.wall_seconds is None)
            if any(child.ended is not None for child in closed):
                pause = _SHORTEST_PAUSE
                continue
            if closed:
                waits.append(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            for key, _ in selector.select(min(waits, default=None)):
                owner[key.fd].read(key.fd)
            for child in running:
                if child.ended is None and child.remaining == 0:
                    child.expire()
            for descriptor, child in list(owner.items()):
                if descriptor not in child.open:
                    selector.unregister(descriptor)
                    del owner[descriptor]


def _open_stdin(stdin: Path | bytes | None) -> IO[bytes]:
    if isinstance(stdin, bytes):
        # A file rather than a pipe: a child that never reads cannot block us.
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        file.write(stdin)
        file.seek(0)
        return file
    return open(stdin if stdin is not None else os.devnull, "rb")


def _limit(pid: int, limits: Limits) -> None:
    try:
        _lower(pid, resource.RLIMIT_CORE, 0)
        if limits.memory_bytes is not None:
            _lower(pid, resource.RLIMIT_AS, limits.memory_bytes)
        if limits.output_bytes is not None:
            _lower(pid, resource.RLIMIT_FSIZE, limits.output_bytes)
    except ProcessLookupError:
        pass  # it has ended already


def _lower(pid: int, what: int, amount: int) -> None:
    """Set both limits; where the user's own hard limit is lower, that one stays (raising it needs privileges)."""
    hard = resource.prlimit(pid, what)[1]
    amount = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    resource.prlimit(pid, what, (amount, amount))


def _end_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
