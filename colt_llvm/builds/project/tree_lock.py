"""One ``tune --build`` at a time in a tree: each builds it anew, and would take the other's objects for its own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from colt_llvm.core.errors import UsageError

#: struct flock of Linux: type, whence, start, length, pid. Locks of an open file: no close elsewhere in the process
#: takes them away, and they have nothing to do with flock, by which runs in a folder wait for each other.
_FLOCK = "hhqqi0q"
#: Which byte of a folder is locked: its tree is held, or a tree below it is.
_HELD, _BELOW = 0, 1
#: Two that begin at the same moment see each other; one of them has to come again first.
_TRIES, _PAUSE_SECONDS = 4, 0.2


@contextlib.contextmanager
def alone_in(root: Path) -> Iterator[None]:
    """Hold ``root``: nobody else holds it, a folder above it or one below. Raises UsageError where somebody does.

    The locks are the kernel's, on the folders themselves: they go with the process, however that ends, and leave no
    file. Where the file system has no such locks there are none.
    """
    descriptors: list[int] = []
    try:
        for attempt in range(_TRIES):
            taken = _take(Path(os.path.realpath(root)), descriptors)
            if taken is None:
                break
            while descriptors:
                os.close(descriptors.pop())
            if attempt + 1 == _TRIES:
                raise UsageError(f"{taken}: another tune --build is at work there; wait until it has ended")
            time.sleep(_PAUSE_SECONDS * (1 + random.random()))
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _take(place: Path, descriptors: list[int]) -> Path | None:
    """Lock it and the folders above; the folder where another lock stands in the way, or None."""
    for folder in (place, *place.parents):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except PermissionError:
            continue
        descriptors.append(descriptor)
        own = folder == place
        with contextlib.suppress(OSError):  # no locks here, as on some network file systems
            # A folder cannot be opened for writing, so all take locks for reading and look for those of others.
            _fcntl(descriptor, fcntl.F_OFD_SETLK, fcntl.F_RDLCK, _HELD if own else _BELOW, 1)
            if _fcntl(descriptor, fcntl.F_OFD_GETLK, fcntl.F_WRLCK, _HELD, 2 if own else 1) != fcntl.F_UNLCK:
                return folder
    return None


def _fcntl(descriptor: int, what: int, kind: int, start: int, length: int) -> int:
    """The type of lock that the kernel tells."""
    told = fcntl.fcntl(descriptor, what, struct.pack(_FLOCK, kind, os.SEEK_SET, start, length, 0))
    return int(struct.unpack(_FLOCK, told)[0])
