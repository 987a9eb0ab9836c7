"""One core of a host for timing, held by one process at a time."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Collection
from dataclasses import dataclass


@dataclass
class MeasuringCore:
    """Held until ``release``, or until this process ends however it ends."""

    number: int
    _hold: socket.socket

    @staticmethod
    def take() -> MeasuringCore | None:
        """The highest core of this process that nobody else times on; None where there is none."""
        for number in sorted(os.sched_getaffinity(0), reverse=True):
            hold = _bind(number)
            if hold is not None:
                return MeasuringCore(number, hold)
        return None

    def release(self) -> None:
        """Let somebody else time on it."""
        self._hold.close()


def taken(cores: Collection[int]) -> set[int]:
    """Those on which some process of this host times now, this one included."""
    found = set()
    for number in cores:
        hold = _bind(number)
        if hold is None:
            found.add(number)
        else:
            hold.close()
    return found


def keep_off(cores: Collection[int]) -> None:
    """All threads of this process, and what it starts from now on, stay off these cores, where others are left."""
    left = os.sched_getaffinity(0) - set(cores)
    if left:
        move_to(left)


def move_to(cores: Collection[int]) -> None:
    """All threads of this process run there from now on."""
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), cores)


def _bind(number: int) -> socket.socket | None:
    """A name in the kernel's abstract space: no file, nothing listens, and it is gone with the process."""
    hold = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        hold.bind(f"\0colt-llvm-measuring-core-{number}")
    except OSError:
        hold.close()
        return None
    return hold
