"""Standard error, as a compiler's wrapper needs it: there may be none, and it may be a broken pipe."""

from __future__ import annotations

import os


def say(text: str) -> None:
    """One line of ours. What cannot be said is no reason to fail."""
    write(f"colt-cc: {' '.join(text.split())}\n".encode("utf-8", "backslashreplace"))


def write(data: bytes) -> None:
    """Straight to the descriptor: ``sys.stderr`` may be None, and then print would write to standard output."""
    try:
        while data:
            data = data[os.write(2, data) :]
    except OSError:
        pass


def is_terminal() -> bool:
    return os.isatty(2)


def keep_streams_open() -> None:
    """So that no file of ours becomes stream 0, 1 or 2, where the caller closed one. Children do not inherit these."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
