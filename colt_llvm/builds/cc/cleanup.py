"""Files of a compiler on its way: a folder that goes with it, an object that arrives whole, and how it is ended."""

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
    """A signal asked us to end. number: which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Scratch:
    """A folder of our own under ``parent``, removed at the end. Without what ``tempfile`` imports."""

    def __init__(self, parent: str) -> None:
        self._folder = Path(parent, f"colt-{_own_name()}")

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
        except OSError:  # a pass made a folder; what is seldom is imported then
            import shutil

            shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def endings_raised() -> Iterator[None]:
    """Signals that end a compiler raise Ended within, so that nothing stays behind; ignored ones stay ignored."""

    def end(number: int, _: FrameType | None) -> None:
        # Nothing may come between an end and its cleaning up.
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
    """Die of this signal, as a compiler without handlers would, so that make sees the same."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


def put_in_place(made: Path, place: str) -> None:
    """Copy it beside its place, with the permissions of a new file, and rename it."""
    beside = os.path.join(os.path.dirname(place), f".colt-{_own_name()}.tmp")
    data = made.read_bytes()
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with open(descriptor, "wb") as file:
            file.write(data)
        os.replace(beside, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def _own_name() -> str:
    return f"{os.getpid()}-{time.monotonic_ns():x}"
