"""A compiler leaves nothing behind: its temporary folder, and the signals that end it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """A signal asked us to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number  # of the signal


class TemporaryFolder:
    """A folder under ``parent``, removed at the end; without what ``tempfile`` imports."""

    def __init__(self, parent: str) -> None:
        self._folder = Path(parent, f"colt-{os.getpid()}-{time.monotonic_ns():x}")

    def __enter__(self) -> Path:
        os.mkdir(self._folder, 0o700)
        return self._folder.absolute()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for entry in os.scandir(self._folder):
                os.unlink(entry)
            os.rmdir(self._folder)
        except OSError:  # a pass made a folder, which is rare
            import shutil

            shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def endings_raised() -> Iterator[None]:
    """Within, signals that end a compiler raise Ended; ignored ones stay ignored."""

    def end(number: int, _: FrameType | None) -> None:
        # A second signal must not interrupt the clean-up.
        for other in _ENDINGS:
            signal.signal(other, signal.SIG_IGN)
        raise Ended(number)

    before = {number: signal.getsignal(number) for number in _ENDINGS}
    caught = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    for number in caught:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def end_by(number: int) -> None:
    """End this process by the signal ``number``, as a compiler without handlers would, so that make sees the same."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)
