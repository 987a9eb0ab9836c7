"""Delta debugging of a sequence: leave out as much as can go, larger chunks first.

After Zeller and Hildebrandt 2002, "Simplifying and Isolating Failure-Inducing Input", without its second half (trying
chunks alone): a recipe seldom works by a small part of it. The result is 1-minimal: no single action can go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

#: Whether the sequence, with something left out, is still good enough. Sequences that were accepted become the current
#: one, so a figure that is to fall may be compared with the last accepted one.
Accepts = Callable[[tuple[str, ...]], bool]


def reduce_sequence(
    sequence: Sequence[str], accepts: Accepts, over: Callable[[], bool] = lambda: False
) -> tuple[tuple[str, ...], bool]:
    """The shortest found, and whether the end was reached: no single action can be left out.

    over: asked before each try; once true, the search ends. No sequence is tried twice.
    """
    current = tuple(sequence)
    refused: set[tuple[str, ...]] = set()
    size = max(len(current) // 2, 1)
    while current:
        shorter = None
        for candidate in _without_chunks(current, size):
            if candidate in refused:
                continue
            if over():
                return current, False
            if accepts(candidate):
                shorter = candidate
                break
            refused.add(candidate)
        if shorter is not None:
            current = shorter
            size = min(size, max(len(current) // 2, 1))
        elif size == 1:
            return current, True
        else:
            size //= 2
    return current, True


def _without_chunks(sequence: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    """From the end: later actions oftener find their work done already."""
    for end in range(len(sequence), 0, -size):
        yield sequence[: max(end - size, 0)] + sequence[end:]
