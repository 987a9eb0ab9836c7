"""Run one command: an argument list, limits, and nothing left behind.

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
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from colt_llvm.errors import CommandNotFound, OutputLimitExceeded, ProcessTimeout

_CHUNK_BYTES = 1 << 16


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
    limits = limits or Limits()
    command = tuple(os.fspath(part) for part in argv)
    with _open_stdin(stdin) as source:
        # Affinity belongs to the thread and is inherited, so this needs no code between fork and exec.
        previous = os.sched_getaffinity(0) if core is not None else None
        try:
            if core is not None:
                os.sched_setaffinity(0, {core})
            started = time.perf_counter()
            child = subprocess.Popen(
                command, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                cwd=cwd, env=dict(env) if env is not None else None, start_new_session=True,
            )  # fmt: skip
        except (FileNotFoundError, NotADirectoryError) as error:
            if cwd is not None and not Path(cwd).is_dir():
                raise
            raise CommandNotFound(f"{command[0]}: not found; install it or give its full path") from error
        except PermissionError as error:
            raise CommandNotFound(f"{command[0]}: not executable; check its permissions") from error
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            raise CommandNotFound(f"{command[0]}: not executable on this machine; build it again") from error
        finally:
            if previous is not None:
                os.sched_setaffinity(0, previous)
    status: int | None = None
    try:
        _limit(child.pid, limits)
        stdout, stderr = _drain(child, limits, started)
        status, usage = _reap(child, limits, started)
        wall_seconds = time.perf_counter() - started
    finally:
        _end_group(child.pid)
        if status is None:
            child.wait()
        for stream in (child.stdout, child.stderr):
            if stream:
                stream.close()
    return Completed(
        command, status, stdout, stderr, usage.ru_utime, usage.ru_stime, wall_seconds, usage.ru_maxrss * 1024
    )


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


def _remaining(limits: Limits, started: float, command: Sequence[str]) -> float | None:
    if limits.wall_seconds is None:
        return None
    left = started + limits.wall_seconds - time.perf_counter()
    if left <= 0:
        raise ProcessTimeout(f"{shlex.join(command)}: still running after {limits.wall_seconds:g} s, ended")
    return left


def _drain(child: subprocess.Popen[bytes], limits: Limits, started: float) -> tuple[bytes, bytes]:
    """Read both streams until the child closes them."""
    assert child.stdout
    assert child.stderr
    assert isinstance(child.args, tuple)
    parts: dict[int, list[bytes]] = {child.stdout.fileno(): [], child.stderr.fileno(): []}
    total = 0
    with selectors.DefaultSelector() as selector:
        for descriptor in parts:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(_remaining(limits, started, child.args)):
                data = os.read(key.fd, _CHUNK_BYTES)
                if not data:
                    selector.unregister(key.fd)
                    continue
                parts[key.fd].append(data)
                total += len(data)
                if limits.output_bytes is not None and total > limits.output_bytes:
                    raise OutputLimitExceeded(
                        f"{shlex.join(child.args)}: wrote more than {limits.output_bytes} bytes, ended"
                    )
    return b"".join(parts[child.stdout.fileno()]), b"".join(parts[child.stderr.fileno()])


def _reap(child: subprocess.Popen[bytes], limits: Limits, started: float) -> tuple[int, resource.struct_rusage]:
    """Wait for the child itself; the kernel's own CPU times come with its status."""
    pause = 0.0002
    options = 0 if limits.wall_seconds is None else os.WNOHANG
    while True:
        pid, status, usage = os.wait4(child.pid, options)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            child.returncode = code
            return code, usage
        # The streams are closed, so the end is nearly always there already; only a child that
        # closed them on purpose makes us wait.
        _remaining(limits, started, child.args)  # type: ignore[arg-type]
        time.sleep(pause)
        pause = min(pause * 2, 0.01)


def _end_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
