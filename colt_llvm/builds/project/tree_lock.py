"""One ``tune --build`` at a time in a tree: each builds it, and would take the other's objects for its own."""

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

#: struct flock of Linux: type, whence, start, length, pid. Open file description locks: no close elsewhere in the
#: process releases them, and they are apart from flock, by which runs in one folder wait for each other.
_FLOCK = "hhqqi0q"
#: Which byte of a folder is locked: its tree is held, or a tree below it is.
_HELD, _BELOW = 0, 1
#: Two that begin at the same moment see each other; both release and try again after random pauses.
_TRIES, _PAUSE_SECONDS = 4, 0.2


@contextlib.contextmanager
def alone_in(root: Path) -> Iterator[None]:
    """Lock the tree ``root``. Raises UsageError where it, a folder above or one below is locked.

    The kernel locks the folders themselves: the locks go with the process, however that ends, and leave no file. A file
    system without such locks has none.
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
    """Lock ``place``, and note that in the folders above; the folder that another process has locked, or None."""
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
    """Call the kernel; the type of lock in its answer."""
    told = fcntl.fcntl(descriptor, what, struct.pack(_FLOCK, kind, os.SEEK_SET, start, length, 0))
    return int(struct.unpack(_FLOCK, told)[0])
