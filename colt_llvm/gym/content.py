"""Observations of any kind as bytes, so that equal ones can be told."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np


def content_of(observation: Any) -> bytes | None:
    """The observation as bytes; None where there is none."""
    if observation is None:
        return None
    if isinstance(observation, bytes):
        return observation
    if isinstance(observation, np.ndarray):  # its text would leave out the middle
        return f"{observation.dtype}{observation.shape}".encode() + observation.tobytes()
    if isinstance(observation, dict):
        return repr([(key, content_of(value)) for key, value in sorted(observation.items(), key=str)]).encode()
    if isinstance(observation, (list, tuple)):
        return repr([content_of(value) for value in observation]).encode()
    if isinstance(observation, (str, int, float, bool)):
        return repr(observation).encode()
    text = repr(observation)
    return None if " at 0x" in text else text.encode()  # an address says nothing of the state


def digest_of(content: bytes) -> str:
    """A short name for some bytes."""
    return hashlib.sha256(content).hexdigest()[:32]
