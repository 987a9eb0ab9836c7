"""Which libLLVM belongs to a clang, remembered from one file of a build to the next.

To ask clang and to load its library takes longer than to compile a small file. What is remembered is told by the
path, time and size of both files, in ``$XDG_CACHE_HOME/colt-llvm/toolchains.json``. It is never needed: without it
they are asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat

_FILE = "toolchains.json"
_VERSION = 1


def library_of(clang: str, cache: str) -> tuple[str, int]:
    """(path of libLLVM, major version). cache: the user's folder for caches, or empty. Raises ToolchainError."""
    real = os.path.realpath(clang)
    file = os.path.join(cache, "colt-llvm", _FILE) if os.path.isabs(cache) else ""
    known = _read(file)
    entry = known.get(real)
    if (
        isinstance(entry, dict)
        and isinstance(library := entry.get("library"), str)
        and isinstance(major := entry.get("major"), int)
        and entry.get("stamp") == _stamp(real)
        and entry.get("library_stamp") == _stamp(library)
    ):
        return library, major
    from pathlib import Path

    from colt_llvm.llvm.toolchain import toolchain_of

    toolchain = toolchain_of(Path(clang))
    library = str(toolchain.library)
    known[real] = {
        "stamp": _stamp(real), "library": library, "library_stamp": _stamp(library), "major": toolchain.major,
    }  # fmt: skip
    _write(file, known)
    return library, toolchain.major


def _stamp(path: str) -> list[int] | None:
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return None
    return [facts.st_mtime_ns, facts.st_size, facts.st_ino]


def _read(file: str) -> dict[str, object]:
    """Only what nobody but the user can have written: it names a library that is loaded."""
    try:
        with open(file, "rb") as stream:
            facts = os.fstat(stream.fileno())
            if facts.st_uid != os.geteuid() or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return {}
            data = json.load(stream)
        toolchains = data["toolchains"] if data["version"] == _VERSION else {}
        return dict(toolchains)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _write(file: str, known: dict[str, object]) -> None:
    if not file:
        return
    temporary = f"{file}.{os.getpid()}.tmp"
    try:
        os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as stream:
            json.dump({"version": _VERSION, "toolchains": known}, stream, sort_keys=True)
        os.replace(temporary, file)
    except (OSError, ValueError):
        with contextlib.suppress(OSError):
            os.unlink(temporary)
