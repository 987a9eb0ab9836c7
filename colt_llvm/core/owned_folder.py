"""Temporary folders that name their owner, so that what a killed process left behind goes when the next one starts.

A process id means nothing on another machine or in another container, and folders of temporary files can be shared
with both. So a name also says where its owner ran, and only what was left by a process from here is cleared away.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid
from functools import cache
from pathlib import Path

_MEMORY = Path("/dev/shm")


def owned_folder(kind: str, parent: Path | None = None) -> Path:
    """A new folder in ``parent``, or among the temporary files. kind: what it is for; one word without hyphens.

    Folders of that kind go, there, whose owner has ended. Raises OSError.
    """
    parent = parent or Path(tempfile.gettempdir())
    prefix = f"colt-{kind}-{_here()}-"
    for folder in parent.glob(f"{prefix}*"):
        owner = folder.name.removeprefix(prefix).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=parent))


def owned_memory_folder(kind: str) -> Path:
    """The same in memory, where that can be written to."""
    return owned_folder(kind, _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else None)


@cache
def _here() -> str:
    """This run of this machine's kernel, and the namespace in which process ids count. Another one each time where
    that cannot be told: then nothing is ever cleared away.
    """
    try:
        where = Path("/proc/sys/kernel/random/boot_id").read_text() + os.readlink("/proc/self/ns/pid")
    except OSError:
        where = uuid.uuid4().hex
    return hashlib.sha256(where.encode()).hexdigest()[:8]
