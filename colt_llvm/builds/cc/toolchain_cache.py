"""Which libLLVM belongs to a clang, cached from one file of a build to the next.

Asking clang and loading its library takes longer than compiling a small file. The cache is
``$XDG_CACHE_HOME/colt-llvm/toolchains.json``; an entry holds for the path, time and size of both files. Without one
clang is asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from pathlib import Path

from colt_llvm.core.files import write_file

_FILE = "toolchains.json"
_VERSION = 1


def library_of(clang: str, cache: str) -> tuple[str, int]:
    """(path of the libLLVM of this clang, major version).

    cache: the user's folder for caches, absolute; others are not used. Raises ToolchainError.
    """
    real = os.path.realpath(clang)
    file = os.path.join(cache, "colt-llvm", _FILE) if os.path.isabs(cache) else ""
    cached = _read(file)
    entry = cached.get(real)
    if (
        isinstance(entry, dict)
        and isinstance(library := entry.get("library"), str)
        and isinstance(major := entry.get("major"), int)
        and entry.get("stamp") == _stamp(real)
        and entry.get("library_stamp") == _stamp(library)
    ):
        return library, major
    from colt_llvm.llvm.toolchain import toolchain_of

    toolchain = toolchain_of(Path(clang))
    library = str(toolchain.library)
    cached[real] = {
        "stamp": _stamp(real), "library": library, "library_stamp": _stamp(library), "major": toolchain.major,
    }  # fmt: skip
    _write(file, cached)
    return library, toolchain.major


def _stamp(path: str) -> list[int] | None:
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return None
    return [facts.st_mtime_ns, facts.st_size, facts.st_ino]


def _read(file: str) -> dict[str, object]:
    """The entries by clang's path, where nobody but the user can have written them: they name a library to load."""
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


def _write(file: str, cached: dict[str, object]) -> None:
    if not file:
        return
    with contextlib.suppress(OSError, ValueError):
        os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
        write_file(Path(file), json.dumps({"version": _VERSION, "toolchains": cached}, sort_keys=True), mode=0o600)
