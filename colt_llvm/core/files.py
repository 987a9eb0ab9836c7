"""Files that are either whole or not there, and temporary folders that name their owner."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import RunDirectoryError


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the system's errors into one line with a remedy."""
    try:
        yield
    except RunDirectoryError:
        raise
    except OSError as error:
        raise RunDirectoryError(
            f"{path}: {error.strerror or error}; free some space, or choose a folder that can be written"
        ) from error


def _finite(value: Any) -> Any:
    """With None where a number is not finite: too few rounds give an interval without an end."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


@contextmanager
def replacing(path: Path, *, mode: int = 0o666, temporary: Path | None = None) -> Iterator[Path]:
    """A file to fill, beside ``path``, whose place it takes at the end; it goes where the block raises.

    It is made at once, so that a folder that cannot be written is told before the work.
    mode: of the new file, less the umask. temporary: its place, where only one process at a time writes there: what
    a killed one left is then overwritten. Raises OSError.
    """
    flags = os.O_TRUNC
    if temporary is None:
        temporary = path.with_name(f".colt-{os.getpid()}-{time.monotonic_ns():x}.tmp")
        flags = os.O_EXCL
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, mode))
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_file(path: Path, content: bytes | str, *, mode: int = 0o666, sync: bool = False) -> None:
    """Write all of a file or leave the old one as it is. mode: less the umask. sync: to the disk. Raises OSError."""
    with replacing(path, mode=mode) as temporary:
        _write(temporary, content.encode() if isinstance(content, str) else content, sync)


def _write(path: Path, content: bytes, sync: bool) -> None:
    with open(path, "wb") as file:
        file.write(content)
        if sync:
            file.flush()
            os.fsync(file.fileno())


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """``write_file`` of a JSON object, to the disk; numbers that are not finite are written as null.

    Raises RunDirectoryError.
    """
    content = json.dumps(_finite(value), indent=1, allow_nan=False) + "\n"
    with explained(path), replacing(path, temporary=path.with_name(f"{path.name}.tmp")) as temporary:
        _write(temporary, content.encode(), sync=True)


def texts(values: Any) -> tuple[str, ...]:
    """A list of strings as JSON has it. Raises TypeError, ValueError."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"a list of texts is needed, not {values!r}")
    if any("\0" in value for value in values):
        raise ValueError("a text holds a zero byte")
    return tuple(values)


_MEMORY = Path("/dev/shm")


def owned_folder(kind: str, parent: Path | None = None) -> Path:
    """A new folder in ``parent``, or among the temporary files. kind: what it is for; one word without hyphens.

    Folders of that kind go, there, whose owner has ended. Raises OSError.
    """
    import shutil  # here, for colt-cc writes files, and is started for every file of a build
    import tempfile

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
        where = os.urandom(16).hex()
    return hashlib.sha256(where.encode()).hexdigest()[:8]
