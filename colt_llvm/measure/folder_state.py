"""Whether anything in a folder was written: two runs of a program that writes there may not go on at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

#: Path -> time of the last change (ns) and size. A folder's own time tells of files that came and went.
FolderState = Mapping[str, tuple[int, int]]

#: In larger folders looking would take longer than it is worth.
MOST_ENTRIES = 100_000


def folder_state(folder: Path, most: int = MOST_ENTRIES) -> FolderState | None:
    """All files and folders below ``folder``, links not followed. None where there are more than ``most``.

    What cannot be read is left out.
    """
    state: dict[str, tuple[int, int]] = {}
    waiting = [os.fspath(folder)]
    while waiting:
        path = waiting.pop()
        try:
            own = os.stat(path)
            entries = list(os.scandir(path))
        except OSError:
            continue
        state[path] = own.st_mtime_ns, 0
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    continue
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            state[entry.path] = status.st_mtime_ns, status.st_size
        if len(state) + len(waiting) > most:
            return None
    return state
