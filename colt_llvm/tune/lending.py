"""Builders that threads borrow: one thread at a time uses one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Lending(Generic[T]):
    """A fixed number of things, lent to whoever comes first."""

    def __init__(self, things: Sequence[T]) -> None:
        self._idle: SimpleQueue[T] = SimpleQueue()
        self.count = len(things)
        for thing in things:
            self._idle.put(thing)

    @contextmanager
    def lend(self) -> Iterator[T]:
        """Wait until one is idle, and take it back at the end."""
        thing = self._idle.get()
        try:
            yield thing
        finally:
            self._idle.put(thing)
