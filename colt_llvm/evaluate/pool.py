"""Builders that threads borrow: one thread at a time uses one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Lending(Generic[T_co]):
    """A fixed number of things, lent to whoever comes first."""

    def __init__(self, things: Sequence[T_co]) -> None:
        self._idle: SimpleQueue[T_co] = SimpleQueue()
        self.count = len(things)
        for thing in things:
            self._idle.put(thing)

    @contextmanager
    def lend(self) -> Iterator[T_co]:
        """Wait until one is idle, and take it back at the end."""
        thing = self._idle.get()
        try:
            yield thing
        finally:
            self._idle.put(thing)
