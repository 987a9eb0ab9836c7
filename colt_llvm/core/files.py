"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import RunDirectoryError


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the system's errors into one line with a remedy."""
    try:
        yield
    except RunDirectoryError:
        raise
    except OSError as error:
        raise RunDirectoryError(
            f"{path}: {error.strerror or error}; free some space, or choose a folder that can be written"
        ) from error


def _finite(value: Any) -> Any:
    """With None where a number is not finite: too few rounds give an interval without an end."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a file that is either whole or not there; a number that is not finite is written as null.

    Raises RunDirectoryError.
    """
    temporary = path.with_name(path.name + ".tmp")
    with explained(path):
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                json.dump(_finite(value), file, indent=1, allow_nan=False)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
