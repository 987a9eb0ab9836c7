"""Standard error of a compiler: there may be none, and it may be a broken pipe."""

from __future__ import annotations

import os


def say(text: str) -> None:
    """Print one line to standard error. Where that cannot be written, it is left out."""
    write(f"colt-cc: {' '.join(text.split())}\n".encode("utf-8", "backslashreplace"))


def write(data: bytes) -> None:
    """Print bytes to standard error.

    To the descriptor: where it was closed, ``sys.stderr`` is None, and print would write to standard output.
    """
    try:
        while data:
            data = data[os.write(2, data) :]
    except OSError:
        pass


def is_terminal() -> bool:
    """Whether standard error is a terminal, where clang prints colours."""
    return os.isatty(2)


def keep_streams_open() -> None:
    """Open /dev/null in place of closed standard streams, so that no file of ours becomes 0, 1 or 2.

    Children do not inherit these.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
