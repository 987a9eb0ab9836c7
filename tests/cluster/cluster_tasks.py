"""What the workers of these tests are given to do; they import it by name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def double(number: int) -> int:
    if number < 0:
        raise ValueError("a negative\nnumber")
    return 2 * number


def die_once(mark: str) -> int:
    """The first call ends its worker as a power cut would; the second one succeeds."""
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def interval(seconds: float) -> tuple[float, float]:
    """When it ran."""
    began = time.monotonic()
    time.sleep(seconds)
    return began, time.monotonic()
