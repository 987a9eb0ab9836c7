"""One ``tune --build`` at a time in a tree: each builds it anew, and would take the other's objects for its own."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from colt_llvm.errors import UsageError


@contextlib.contextmanager
def alone_in(root: Path) -> Iterator[None]:
    """Hold ``root``, and let nobody hold a folder above it. Raises UsageError where another process does.

    The lock is the kernel's, on the folders themselves: it goes with the process, however that ends, and leaves no
    file. Where the file system has no such locks there is none.
    """
    descriptors: list[int] = []
    try:
        place = Path(os.path.realpath(root))
        kind = fcntl.LOCK_EX
        for folder in (place, *place.parents):
            if folder != place and folder.stat().st_uid != os.geteuid():
                break  # other people's folders are not ours to lock, and no root of a tree of ours
            with contextlib.suppress(PermissionError):
                descriptors.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
                _lock(descriptors[-1], kind, folder)
            kind = fcntl.LOCK_SH
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _lock(descriptor: int, kind: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"{folder}: another tune --build is at work there; wait until it has ended") from None
    except OSError:  # no locks here, as on some network file systems
        return
