"""Weights as a file: arrays in the precision they are kept in, byte for byte the same for the same numbers."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from colt_llvm.core import files
from colt_llvm.core.errors import RunDirectoryError
from colt_llvm.models.embedded.own import CARD

_DATE = (2020, 1, 1, 0, 0, 0)
_HALVES = ("base_in", "base_out", "small_rewards", "small_neighbours")  # in half precision


def stored(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """In the precision of the file."""
    return {
        name: array if array.dtype.kind == "U" else array.astype(_stored_type(name)) for name, array in arrays.items()
    }


def packed(arrays: Mapping[str, Any], card: Mapping[str, Any] | None = None) -> bytes:
    """The content of an .npz; with a card beside the arrays where it is the user's own."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in sorted(stored(arrays).items()):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _DATE), buffer.getvalue(), zipfile.ZIP_DEFLATED)
        if card is not None:
            archive.writestr(zipfile.ZipInfo(CARD, _DATE), json.dumps(card, indent=1), zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _stored_type(name: str) -> type:
    if name in ("nano_pairs", "small_objective"):
        return np.int16
    return np.float16 if name.startswith(_HALVES) else np.float32


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """``core.files.replacing``, whose errors name the option. Raises RunDirectoryError."""
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "is a folder")
        with files.replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise RunDirectoryError(f"{path}: {error.strerror or error}; name a file with -o that can be written") from None
