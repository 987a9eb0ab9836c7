"""Run a command, or some side by side: an argument list, limits, and nothing left behind.

No shell is ever involved. A command has ended when its own process has, whoever still holds its streams. The child
leads a process group of its own, and the whole group is ended then; where the command is contained, all that it
started is, in other sessions too. CPU times are the kernel's own, from ``wait4``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import selectors
import shlex
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from colt_llvm.core.errors import ChildStillRuns, CommandNotFound, OutputLimitExceeded, ProcessTimeout
from colt_llvm.core.launch import set_time_slice, start_contained, start_plain
from colt_llvm.core.variables import tool_environment

_CHUNK_BYTES = 1 << 16


def _has_pidfd() -> bool:
    """Linux 5.3 and later."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


_HAS_PIDFD = _has_pidfd()


@dataclass(frozen=True)
class Limits:
    """What a child may use. ``None`` means no limit of ours."""

    wall_seconds: float | None = 120.0  #: wall-clock time before the whole group is ended
    memory_bytes: int | None = None  #: address space (RLIMIT_AS)
    output_bytes: int | None = 64 << 20  #: standard output plus error, and any file it writes (RLIMIT_FSIZE)


@dataclass(frozen=True)
class Completed:
    """How a child ended."""

    argv: tuple[str, ...]  #: what was run
    status: int  #: exit status, or minus the number of the signal that ended it
    stdout: bytes  #: all of it
    stderr: bytes  #: all of it
    user_seconds: float  #: the kernel's, with those of children it waited for
    system_seconds: float  #: likewise
    wall_seconds: float  #: from start to end
    max_rss_bytes: int  #: greatest resident set
    ended_children: tuple[str, ...] = ()  #: of a contained command, names of what it left running and was ended

    def describe_status(self) -> str:
        """``exit status 3`` or ``SIGSEGV``."""
        if self.status >= 0:
            return f"exit status {self.status}"
        try:
            return signal.Signals(-self.status).name
        except ValueError:
            return f"signal {-self.status}"


#: How a command ended: by itself, or at one of its limits.
Ended = Completed | ProcessTimeout | OutputLimitExceeded | ChildStillRuns


@dataclass(frozen=True)
class Command:
    """What to run."""

    argv: Sequence[str | Path]  #: the program first
    limits: Limits = field(default_factory=Limits)  #: of this command alone
    stdin: Path | bytes | None = None  #: a file, or bytes, or nothing (then it reads end of file at once)
    cwd: Path | None = None  #: this process's own when None
    env: Mapping[str, str] | None = None  #: this process's own when None
    contained: bool = False  #: nothing that it starts outlives it, daemons included; for programs that are not ours


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
    env: without it, what ``variables`` leaves of this process's own.
    core: the CPU that the child is pinned to.

    Raises CommandNotFound, ProcessTimeout or OutputLimitExceeded. A non-zero exit is not an error here.
    """
    environment = tool_environment() if env is None else env
    (ended,) = run_together([Command(argv, limits or Limits(), stdin, cwd, environment)], core=core)
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
        self.stdout, out = os.pipe()
        self.stderr, error = os.pipe()
        self._parts: dict[int, list[bytes]] = {self.stdout: [], self.stderr: []}
        self.open = {self.stdout, self.stderr}
        try:
            with _open_stdin(command.stdin) as source:
                start = start_contained if command.contained or not _HAS_PIDFD else start_plain
                self.process = start(
                    self.argv, (source.fileno(), out, error), cwd=command.cwd, env=command.env, core=core,
                    limits=_amounts(command.limits),
                )  # fmt: skip
        except BaseException as problem:
            os.close(self.stdout)
            os.close(self.stderr)
            if isinstance(problem, OSError) and (named := _not_started(self.argv[0], command.cwd, problem)):
                raise named from problem
            raise
        finally:
            os.close(out)
            os.close(error)

    @property
    def remaining(self) -> float | None:
        """Seconds until its limit, 0 or more; None without one."""
        if self.limits.wall_seconds is None:
            return None
        return max(0.0, self.process.at + self.limits.wall_seconds - time.perf_counter())

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

    def finish(self) -> None:
        """It has ended, and so has what it left behind: take what is in its streams, and wait for nobody's end."""
        how = self.process.collect()
        for descriptor in list(self.open):
            os.set_blocking(descriptor, False)
            with contextlib.suppress(BlockingIOError):  # somebody else still has it open
                while descriptor in self.open and self.ended is None:
                    self.read(descriptor)
        self.open.clear()
        if how.left and self.ended is None:
            self.ended = ChildStillRuns(
                f"{shlex.join(self.argv)}: has ended, but a child still holds its output and cannot be ended: "
                f"{', '.join(how.left)}"
            )
        self.ended = self.ended or Completed(
            self.argv, how.status, b"".join(self._parts[self.stdout]), b"".join(self._parts[self.stderr]),
            how.user_seconds, how.system_seconds, how.at - self.process.at, how.max_rss_bytes, tuple(how.ended),
        )  # fmt: skip

    def _end(self, error: ProcessTimeout | OutputLimitExceeded) -> None:
        self.ended = error
        self.open.clear()
        self.process.end()

    def close(self) -> None:
        """End it and all that it started, if that is not done yet; leave no zombie and no open stream."""
        self.process.end()
        self.process.close()
        for descriptor in (self.stdout, self.stderr):
            os.close(descriptor)


def _not_started(name: str, cwd: Path | None, error: OSError) -> CommandNotFound | None:
    if cwd is not None and not Path(cwd).is_dir():
        return None
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return CommandNotFound(f"{name}: not found; install it or give its full path")
    if isinstance(error, PermissionError):
        return CommandNotFound(f"{name}: not executable; check its permissions")
    if error.errno == errno.ENOEXEC:
        return CommandNotFound(f"{name}: not executable on this machine; build it again")
    return None


def _attend(children: Sequence[_Child]) -> None:
    """Read the streams of all, and finish each as soon as it has ended, whoever still holds its streams."""
    with selectors.DefaultSelector() as selector:
        watched = {descriptor: child for child in children for descriptor in (child.process.signal, *child.open)}
        for descriptor in watched:
            selector.register(descriptor, selectors.EVENT_READ)
        while running := [child for child in children if child.ended is None]:
            waits = [left for child in running if (left := child.remaining) is not None]
            for key, _ in selector.select(min(waits, default=None)):
                child = watched[key.fd]
                if child.ended is None:
                    child.finish() if key.fd == child.process.signal else child.read(key.fd)
            for child in running:
                if child.ended is None and child.remaining == 0:
                    child.expire()
            for descriptor, child in list(watched.items()):
                if child.ended is not None or (descriptor != child.process.signal and descriptor not in child.open):
                    selector.unregister(descriptor)
                    del watched[descriptor]


def _open_stdin(stdin: Path | bytes | None) -> IO[bytes]:
    if isinstance(stdin, bytes):
        # A file rather than a pipe: a child that never reads cannot block us.
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        file.write(stdin)
        file.seek(0)
        return file
    return open(stdin if stdin is not None else os.devnull, "rb")


def _amounts(limits: Limits) -> dict[int, int]:
    """Of the resource module."""
    wanted = {
        resource.RLIMIT_CORE: 0, resource.RLIMIT_AS: limits.memory_bytes, resource.RLIMIT_FSIZE: limits.output_bytes,
    }  # fmt: skip
    return {what: amount for what, amount in wanted.items() if amount is not None}


def _limit(pid: int, limits: Limits) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended already
        for what, amount in _amounts(limits).items():
            _lower(pid, what, amount)


def _lower(pid: int, what: int, amount: int) -> None:
    """Set both limits; where the user's own hard limit is lower, that one stays (raising it needs privileges)."""
    hard = resource.prlimit(pid, what)[1]
    amount = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    resource.prlimit(pid, what, (amount, amount))
