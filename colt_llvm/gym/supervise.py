"""Run a service and end it when its client is gone; remove its folder then. Run as a file, knows only the library.

    python supervise.py CLIENT_PID FOLDER socket|port COMMAND...

A process of its own, since the service may hang with the interpreter's lock held, or be no Python at all.
``port``: the service listens on a TCP port of all addresses, which it writes to FOLDER/port.txt. It then gets a network
of its own where the kernel allows that, with FOLDER/service.sock as the one way in.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

_PERIOD_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1
_PIECE_BYTES = 1 << 18


def main(arguments: list[str]) -> int:
    """Run the command until it or its client ends; its exit status."""
    client, folder, reached, command = int(arguments[0]), arguments[1], arguments[2], arguments[3:]
    door = None
    if reached == "port" and _may(_leave_network):
        _leave_network()
        door = _socket_in(folder)
    child = os.fork()
    if child == 0:
        _run(command)
    if door is not None:
        threading.Thread(target=_relay, args=(door, folder), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the client, which ends us
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return _same_end(status)
        if os.getppid() != client:
            shutil.rmtree(folder, ignore_errors=True)
            os.killpg(0, signal.SIGKILL)  # the service, what it started, and ourselves
        time.sleep(_PERIOD_SECONDS)


def _run(command: list[str]) -> None:
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.execv(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def _may(action: Callable[[], None]) -> bool:
    """Whether it works, tried in a process of its own: half of it cannot be taken back."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            action()
            os._exit(0)
        os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _leave_network() -> None:
    """Go to a new network, with loopback and nothing else in it. Raises OSError."""
    user, group = os.getuid(), os.getgid()
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    if unshare(_CLONE_NEWNET):  # for root; others are root of a user namespace
        if unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        for name, text in ("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1"):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))


def _socket_in(folder: str) -> socket.socket:
    """By way of a descriptor: the path of a socket has 107 bytes at most."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    door = socket.socket(socket.AF_UNIX)
    door.bind(f"/proc/self/fd/{descriptor}/service.sock")
    os.close(descriptor)
    door.listen()
    return door


def _relay(door: socket.socket, folder: str) -> None:
    """Each connection to the socket goes on to the service's port."""
    while True:
        outside, _ = door.accept()
        try:
            with open(f"{folder}/port.txt") as file:
                inside = socket.create_connection(("127.0.0.1", int(file.read())))
        except (OSError, ValueError):
            outside.close()
            continue
        inside.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, target in (outside, inside), (inside, outside):
            threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE_BYTES):
            target.sendall(piece)
    for end in source, target:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _same_end(status: int) -> int:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
        os.kill(os.getpid(), number)
        time.sleep(1)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
