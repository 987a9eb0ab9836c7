"""Looks for services and their folders."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def folders_of(pid: int) -> list[Path]:
    return list(Path("/dev/shm").glob(f"colt-env-*-{pid}-*"))


def children_of(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the thread has just ended
            found += map(int, (task / "children").read_text().split())
    return found


def is_service(pid: int) -> bool:
    try:
        return b"service.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def services_of(pid: int | None = None) -> list[int]:
    return [child for child in children_of(pid or os.getpid()) if is_service(child)]
