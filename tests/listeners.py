"""What a family of processes listens on, by the kernel's own tables."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

_NOBODY = 65534


def family(pid: int | None = None) -> list[int]:
    """This process or another one, and all that descend from it."""
    pids = [pid or os.getpid()]
    for each in pids:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                pids += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    return pids


def sockets_of(pids: list[int]) -> set[str]:
    """Inodes of all sockets that these have open."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    target = os.readlink(link)
                    if target.startswith("socket:["):
                        found.add(target[8:-1])
    return found


def ports(pids: list[int]) -> set[str]:
    """``ADDRESS:PORT`` of all TCP sockets on which these listen in this network, as the kernel writes them."""
    inodes = sockets_of(pids)
    lines = (line.split() for name in ("tcp", "tcp6") for line in _lines(Path("/proc/net", name)))
    return {fields[1] for fields in lines if fields[3] == "0A" and fields[9] in inodes}


def paths(pids: list[int]) -> set[str]:
    """Names of all Unix sockets on which these listen; one with ``@`` is open to everybody."""
    inodes = sockets_of(pids)
    lines = (line.split(maxsplit=7) for line in _lines(Path("/proc/net/unix")))
    return {(fields[7:] or [""])[0] for fields in lines if int(fields[3], 16) & 0x10000 and fields[6] in inodes}


def nobody_connects(path: Path) -> str:
    """What another user gets who connects to this Unix socket: the error's name, empty where it works. For root."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        answer = b"?"
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
            try:
                socket.socket(socket.AF_UNIX).connect(os.fspath(path))
                answer = b""
            except OSError as error:
                answer = type(error).__name__.encode()
        os.write(writer, answer)
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with open(reader, "rb") as file:
        return file.read().decode()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    except FileNotFoundError:  # a kernel without IPv6
        return []
