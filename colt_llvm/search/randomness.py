"""Random numbers that depend on a seed, a purpose and a request id, and on nothing that happened before.

Ours: a stateless generator makes a resumed run repeat exactly, whatever was asked in between.
"""

from __future__ import annotations

from random import Random


def derived(seed: int, purpose: str, request_id: int) -> Random:
    """A fresh generator. Seeding with text hashes it with SHA-512: the same stream on every Python and host."""
    return Random(f"{seed}/{purpose}/{request_id}")
