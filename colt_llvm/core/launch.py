"""Start one process, plain or contained, and learn how it ended. What ``process`` is made of.

Plain: a child of ours; its process group is ended with it. For the tools that we run.
Contained: a child of a supervisor, which ends whatever it left behind, in sessions of its own too. For programs.
Supervisors are kept for the next one: starting a Python takes longer than many a program runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import marshal
import os
import platform
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from colt_llvm.core.errors import ColtError

#: The system call's number; the C library has no function for it that is old enough to count on.
_SYSTEM_CALLS = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
#: struct sched_attr, first version: size, policy, flags, nice, priority, runtime (ns), deadline, period.
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")


def set_time_slice(pid: int, seconds: float) -> bool:
    """Ask for slices of ``seconds`` for process ``pid``, an ordinary one; nothing else of it changes.

    Returns whether the kernel took the wish. Older kernels take it and keep their own slice; on other machines, for
    other scheduling policies and for a process that is gone it is False.
    """
    number = _SYSTEM_CALLS.get(platform.machine())
    try:
        if number is None or os.sched_getscheduler(pid) != os.SCHED_OTHER:
            return False
        nice = os.getpriority(os.PRIO_PROCESS, pid)
    except OSError:
        return False
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, 0, nice, 0, int(seconds * 1e9), 0, 0)
    system_call = ctypes.CDLL(None).syscall
    return bool(system_call(number, pid, attributes, 0) == 0)


_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_REPLY_BYTES = 1 << 16


@dataclass(frozen=True)
class How:
    """How a process ended."""

    at: float  #: when (perf_counter)
    status: int  #: its exit status, or minus the number of the signal
    user_seconds: float  #: the kernel's
    system_seconds: float  #: the kernel's
    max_rss_bytes: int  #: greatest resident set
    ended: Sequence[str] = ()  #: of a contained process, names of those that it left running and that were ended
    left: Sequence[str] = ()  #: of a contained process, those that could not be ended, with their ids


class Started(Protocol):
    """A process under way."""

    pid: int  #: its process id
    at: float  #: when it started (perf_counter)
    signal: int  #: a descriptor that can be read once the process has ended

    def collect(self) -> How:
        """How it ended, once ``signal`` can be read. Ends what it left behind."""

    def end(self) -> None:
        """End it now, if it has not ended, and what it started."""

    def close(self) -> None:
        """Give back what is held for it. It has ended."""


def start_plain(
    argv: Sequence[str], streams: Sequence[int], *, cwd: Path | None, env: Mapping[str, str] | None, core: int | None,
    limits: Mapping[int, int],
) -> Started:  # fmt: skip
    """Start a child that leads a session. streams: its standard input, output and error. Raises OSError.

    limits: left to the caller, who sets them once it is under way.
    """
    # Affinity belongs to the thread and is inherited, so this needs no code between fork and exec.
    previous = os.sched_getaffinity(0) if core is not None else None
    try:
        if core is not None:
            os.sched_setaffinity(0, {core})
        at = time.perf_counter()
        return _Plain(at, subprocess.Popen(
            argv, stdin=streams[0], stdout=streams[1], stderr=streams[2], cwd=cwd, env=env, start_new_session=True
        ))  # fmt: skip
    finally:
        if previous is not None:
            os.sched_setaffinity(0, previous)


class _Plain:
    def __init__(self, at: float, child: subprocess.Popen[bytes]) -> None:
        self.at, self._child, self.pid = at, child, child.pid
        self.signal = os.pidfd_open(child.pid)

    def collect(self) -> How:
        _, status, usage = os.wait4(self.pid, 0)
        at = time.perf_counter()
        _end_group(self.pid)  # at once: what it left behind would take time from others
        self._child.returncode = os.waitstatus_to_exitcode(status)
        return How(at, self._child.returncode, usage.ru_utime, usage.ru_stime, usage.ru_maxrss * 1024)

    def end(self) -> None:
        if self._child.returncode is None:
            _end_group(self.pid)
            self._child.wait()

    def close(self) -> None:
        os.close(self.signal)


def start_contained(
    argv: Sequence[str], streams: Sequence[int], *, cwd: Path | None, env: Mapping[str, str] | None, core: int | None,
    limits: Mapping[int, int],
) -> Started:  # fmt: skip
    """Start a child of a supervisor, which leads a session; nothing that it starts outlives it. Raises OSError.

    limits: of the resource module, which it may raise again until the caller has made them hard.
    """
    variables = os.environ if env is None else env
    request = marshal.dumps({
        "argv": [os.fsencode(word) for word in argv], "cwd": os.fsencode(cwd or os.getcwd()),
        "env": {os.fsencode(name): os.fsencode(value) for name, value in variables.items()},
        "limits": dict(limits), "cores": sorted(os.sched_getaffinity(0) if core is None else {core}),
    })  # fmt: skip
    while True:
        supervisor, fresh = _take()
        answer = _ask(supervisor, request, streams)
        if answer[:1] == ("started",):
            return _Contained(supervisor, *answer[1:])
        if answer:
            _idle.append(supervisor)
            raise OSError(answer[1], os.strerror(answer[1]), argv[0])
        supervisor.close()
        if fresh:
            raise ColtError(f"{sys.executable}: does not run {_SUPERVISOR.name}; install colt-llvm again")


class _Contained:
    def __init__(self, supervisor: socket.socket, pid: int, at: float) -> None:
        self._supervisor, self.pid, self.at = supervisor, pid, at
        self.signal = supervisor.fileno()
        self._how: How | None = None

    def collect(self) -> How:
        answer = _answer(self._supervisor)
        if not answer:  # ended from outside, by the kernel where memory ran out
            _end_group(self.pid)
            answer = ("ended", time.perf_counter(), -signal.SIGKILL, 0.0, 0.0, 0, (), ("its supervisor was killed",))
        _, at, status, user, system, kib, ended, left = answer
        self._how = How(at, status, user, system, kib * 1024, ended, left)
        return self._how

    def end(self) -> None:
        if self._how is None:
            with contextlib.suppress(OSError):
                self._supervisor.send(b"end")
            self.collect()

    def close(self) -> None:
        if self._how is None or self._how.left:
            self._supervisor.close()
        else:
            _idle.append(self._supervisor)


#: Our ends of the sockets of supervisors that wait. Taken and given back in one step each, by any thread.
_idle: list[socket.socket] = []


def _take() -> tuple[socket.socket, bool]:
    """A supervisor, and whether it is a new one."""
    with contextlib.suppress(IndexError):
        return _idle.pop(), False
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        command = [sys.executable, "-I", "-S", "-B", str(_SUPERVISOR), str(its.fileno())]
        subprocess.run(
            command, pass_fds=[its.fileno()], cwd="/", start_new_session=True, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return ours, True


def _ask(supervisor: socket.socket, request: bytes, streams: Sequence[int]) -> tuple[Any, ...]:
    """Its answer; nothing when it is gone."""
    file = os.memfd_create("request")  # a message of its own would be too short for some environments
    try:
        with open(file, "wb", closefd=False) as writer:
            writer.write(request)
        os.lseek(file, 0, os.SEEK_SET)
        socket.send_fds(supervisor, [b"run"], [file, *streams])
        return _answer(supervisor)
    except (BrokenPipeError, ConnectionError):
        return ()
    finally:
        os.close(file)


def _answer(supervisor: socket.socket) -> tuple[Any, ...]:
    try:
        message = supervisor.recv(_REPLY_BYTES)
    except ConnectionError:
        return ()
    return tuple(marshal.loads(message)) if message else ()


def _forget() -> None:
    """In a fork: the supervisors are its parent's. They go on until nobody has their sockets open."""
    for supervisor in _idle:
        supervisor.close()
    _idle.clear()


os.register_at_fork(after_in_child=_forget)


def _end_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
