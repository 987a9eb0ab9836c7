"""Keeps the service within its limits, from inside: a thread that runs while libLLVM does.

ctypes releases the interpreter lock during a call, so this thread runs even when a pass never ends. It ends
the whole process, with an exit status of its own that the client tells apart.
Its limits, ``ServiceOptions``, are written to the service's command line and read back there.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import shutil
import signal
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from colt_llvm.core.errors import UsageError


@dataclass(frozen=True)
class ServiceOptions:
    """Limits and places of one service process."""

    llvm_prefix: Path | None = None  #: where clang and libLLVM are; None searches as find_toolchain does
    action_seconds: float = 60.0  #: how long one action or observation may take before the service is ended
    memory_bytes: int = 4 << 30  #: address space that LLVM may use above what the started service has
    cache_bytes: int = 512 << 20  #: memory for stored states and observations
    #: Parse the module anew after each pass that changed it, as a chain of ``opt`` commands does. False runs passes in
    #: place, which is faster; stored bitcode keeps the order of uses, so that both agree.
    exact_steps: bool = False

    def __post_init__(self) -> None:
        if self.action_seconds <= 0:
            raise UsageError(f"action_seconds {self.action_seconds:g}: must be above 0")
        if self.memory_bytes < 64 << 20:
            raise UsageError(f"memory_bytes {self.memory_bytes}: must be at least 64 MiB")
        if self.cache_bytes < 1 << 20:
            raise UsageError(f"cache_bytes {self.cache_bytes}: must be at least 1 MiB")

    def to_arguments(self) -> list[str]:
        """``--name=value`` for each that is set; ``from_arguments`` reads them back."""
        return [f"--{field.name}={value}" for field in fields(self) if (value := getattr(self, field.name)) is not None]

    @staticmethod
    def from_arguments(arguments: Sequence[str]) -> tuple[ServiceOptions, dict[str, str]]:
        """The options, and every other ``--name=value`` argument by name."""
        given = dict(argument.lstrip("-").partition("=")[::2] for argument in arguments)
        prefix = given.pop("llvm_prefix", "")
        options = ServiceOptions(
            llvm_prefix=Path(prefix) if prefix else None,
            action_seconds=float(given.pop("action_seconds", ServiceOptions.action_seconds)),
            memory_bytes=int(given.pop("memory_bytes", ServiceOptions.memory_bytes)),
            cache_bytes=int(given.pop("cache_bytes", ServiceOptions.cache_bytes)),
            exact_steps=given.pop("exact_steps", "False") == "True",
        )
        return options, given


EXIT_TIMED_OUT = 94
EXIT_OUT_OF_MEMORY = 95
EXIT_ORPHANED = 96

PROGRESS_FILE = "progress"
IDLE, ACTION, OBSERVATION = 0, 1, 2

_PROGRESS = struct.Struct("<qqq")
_PERIOD_SECONDS = 0.1


def read_progress(folder: Path) -> tuple[int, int, int]:
    """(IDLE, ACTION or OBSERVATION; which one; the session it was for) of a service that has ended."""
    try:
        kind, index, session = _PROGRESS.unpack((folder / PROGRESS_FILE).read_bytes()[: _PROGRESS.size])
    except (OSError, struct.error):
        return IDLE, 0, 0
    return int(kind), int(index), int(session)


class Guard:
    """Time limit, memory limit and the watch over the parent process.

    ``begin`` and ``end`` stand around each piece of work; what is being worked on is written to a shared page
    first, so that the client can read it after a crash.
    """

    def __init__(self, folder: Path, limit_seconds: float, parent: int | None) -> None:
        self._folder = folder
        self._limit_seconds = limit_seconds
        self._parent = parent
        self._deadline = float("inf")
        path = folder / PROGRESS_FILE
        path.write_bytes(bytes(mmap.PAGESIZE))
        with open(path, "r+b") as file:
            self._page = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    def start(self) -> None:
        """Begin to watch."""
        threading.Thread(target=self._watch, name="guard", daemon=True).start()

    def begin(self, kind: int, index: int, session: int, limited: bool = True) -> None:
        """``limited`` is False for work that keeps limits of its own, such as running the program."""
        _PROGRESS.pack_into(self._page, 0, kind, index, session)
        self._deadline = time.monotonic() + self._limit_seconds if limited else float("inf")

    def end(self) -> None:
        """The call that ``begin`` announced is over."""
        self._deadline = float("inf")
        _PROGRESS.pack_into(self._page, 0, IDLE, 0, 0)

    def _watch(self) -> None:
        while True:
            time.sleep(_PERIOD_SECONDS)
            if self._parent is not None and os.getppid() != self._parent:
                shutil.rmtree(self._folder, ignore_errors=True)
                _exit(EXIT_ORPHANED)
            if time.monotonic() > self._deadline:
                _exit(EXIT_TIMED_OUT)


def out_of_memory() -> None:
    """End the process as one that went over its memory limit."""
    _exit(EXIT_OUT_OF_MEMORY)


def limit_process(memory_bytes: int) -> None:
    """No core files, no endless logs, and ``memory_bytes`` of address space above what is in use now."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_FSIZE, 1 << 30)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _lower(resource.RLIMIT_AS, pages * mmap.PAGESIZE + memory_bytes)


def _lower(limit: int, value: int) -> None:
    """The soft limit only: programs that are run get limits of their own."""
    soft, hard = resource.getrlimit(limit)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    if soft != resource.RLIM_INFINITY:
        value = min(value, soft)
    resource.setrlimit(limit, (value, hard))


def _exit(status: int) -> None:
    """End at once, and the children with us. Each of them leads a process group."""
    for task in Path("/proc/self/task").iterdir():
        try:
            children = (task / "children").read_text().split()
        except OSError:
            continue
        for child in children:
            with contextlib.suppress(OSError, ValueError):
                os.killpg(int(child), signal.SIGKILL)
    os._exit(status)
