"""Runs programs, one after another, for the process that started it, and lets nothing of them outlive their end.

A program may leave children behind, also in sessions of their own. The kernel hands those to the nearest subreaper
among their ancestors (prctl(2)), and that is this process: so whatever it has for a child once the program has ended
was left behind by it, and is ended. It also ends when its owner does, however that ends: then its socket is closed.

Run as a script, in a small process of one thread: ``python supervisor.py DESCRIPTOR`` with one end of a socket pair.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import marshal
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
#: What cannot be ended within this time never will be: it belongs to another user, or waits for a device.
_ENDING_SECONDS = 2.0
#: Of what was left behind, so many are named.
_NAMED = 5


def main(descriptor: int) -> None:
    """Serve until the owner closes its end. Takes one step away from it first, so that it has no child to wait for."""
    if os.fork():
        os._exit(0)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake, woken = os.pipe()
    for end in (wake, woken):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    owner = socket.socket(fileno=descriptor)
    owner.set_inheritable(False)
    clean = True
    while clean:
        message, descriptors, _, _ = socket.recv_fds(owner, 16, 4, socket.MSG_CMSG_CLOEXEC)
        if not descriptors:
            if not message:
                return
            continue  # a word to end what had ended by itself
        clean = _serve(owner, wake, descriptors)


def _serve(owner: socket.socket, wake: int, descriptors: list[int]) -> bool:
    """One program from start to end. Returns whether nothing of it is left."""
    with open(descriptors[0], "rb") as file:
        request = marshal.load(file)
    started = time.perf_counter()
    try:
        program = _start(request, descriptors[1:])
    except OSError as error:
        return _tell(owner, "failed", error.errno)
    finally:
        for descriptor in descriptors[1:]:
            os.close(descriptor)
    _tell(owner, "started", program, started)
    how = None
    while how is None:
        ready, _, _ = select.select([owner.fileno(), wake], [], [])
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
            how, _ = _reap(program)
        if how is None and owner.fileno() in ready:
            owner.recv(16)  # a word to end it, or the owner has ended
            break
    if how is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(program, signal.SIGKILL)
    ended = time.perf_counter()
    rest, left = _end_the_rest(program)
    _tell(owner, "ended", ended, *(how or (-signal.SIGKILL, 0.0, 0.0, 0)), rest[:_NAMED], left[:_NAMED])
    return not left


def _tell(owner: socket.socket, *message: Any) -> bool:
    with contextlib.suppress(OSError):  # the owner has ended: the next read says so
        owner.send(marshal.dumps(message))
    return True


def _start(request: dict[str, Any], streams: list[int]) -> int:
    """With its limits from the first moment on. Raises OSError."""
    os.sched_setaffinity(0, request["cores"])
    memory = request["limits"].pop(resource.RLIMIT_AS, None)
    before = {what: resource.getrlimit(what) for what in request["limits"]}
    try:
        os.chdir(request["cwd"])
        for what, amount in request["limits"].items():  # those that do not hinder us; the owner makes them hard
            resource.setrlimit(what, (_within(amount, before[what][1]), before[what][1]))
        words, variables = request["argv"], request["env"]
        missing: OSError = FileNotFoundError(errno.ENOENT, "not found")
        for path in _candidates(words[0], variables):
            try:
                if memory is None:
                    return _spawn(path, words, variables, streams)
                return _fork(path, words, variables, streams, memory)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError as error:
                missing = error
        raise missing
    finally:
        for what, both in before.items():
            resource.setrlimit(what, both)
        os.chdir("/")


def _spawn(path: bytes, words: list[bytes], variables: dict[bytes, bytes], streams: list[int]) -> int:
    """By posix_spawn, which takes next to no time that would count as the program's."""
    return os.posix_spawn(
        path, words, variables, setsid=True, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        file_actions=[(os.POSIX_SPAWN_DUP2, stream, number) for number, stream in enumerate(streams)],
    )  # fmt: skip


def _fork(path: bytes, words: list[bytes], variables: dict[bytes, bytes], streams: list[int], memory: int) -> int:
    """We ourselves may have more memory already than the program is to have, so the limit is set in a fork."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setsid()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            for number in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            hard = resource.getrlimit(resource.RLIMIT_AS)[1]
            resource.setrlimit(resource.RLIMIT_AS, (_within(memory, hard), hard))
            os.execve(path, words, variables)
        except OSError as error:
            os.write(writer, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(writer)
    with open(reader, "rb") as told:
        said = told.read()
    if said:
        os.waitpid(pid, 0)
        raise OSError(int(said), os.strerror(int(said)))
    return pid


def _within(amount: int, hard: int) -> int:
    return amount if hard == resource.RLIM_INFINITY else min(amount, hard)


def _candidates(word: bytes, variables: dict[bytes, bytes]) -> list[bytes]:
    if b"/" in word:
        return [word]
    return [os.path.join(folder, word) for folder in variables.get(b"PATH", os.defpath.encode()).split(b":")]


def _reap(program: int) -> tuple[tuple[int, float, float, int] | None, bool]:
    """Status, user and system seconds and greatest memory (KiB) of the program if it has ended; is any child left?"""
    how = None
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return how, False
        if pid == program:
            how = os.waitstatus_to_exitcode(status), usage.ru_utime, usage.ru_stime, usage.ru_maxrss
        if not pid:
            return how, True


def _end_the_rest(program: int) -> tuple[list[str], list[str]]:
    """The names of all that were left, and of those that cannot be ended, with their ids.

    Whoever loses its parent meanwhile becomes a child of ours in turn.
    """
    until = time.monotonic() + _ENDING_SECONDS
    names: dict[int, str] = {}
    while _reap(program)[1]:
        rest = _children()
        for pid in rest:
            names.setdefault(pid, _name(pid))
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > until:
            return list(names.values()), [f"{names[pid]} ({pid})" for pid in rest]
        time.sleep(0.0005)
    return list(names.values()), []


def _children() -> list[int]:
    own = os.getpid()
    try:
        with open(f"/proc/{own}/task/{own}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except FileNotFoundError:  # a kernel that is built without it
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(name) == own]


def _parent(name: str) -> int:
    try:
        with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "ended"


if __name__ == "__main__":
    main(int(sys.argv[1]))
