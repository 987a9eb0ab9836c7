"""What a run creates, changes and removes in some folders: found by looking before and after it.

A file counts as changed where its inode, mode, size or one of its times is another one, so a file that is written anew
with what it held shows too. Folders of our own runs and of version control are no work of the program and are passed
over.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Entries that are looked at: some 50 ms before each run, and after it. Folders further down are passed over.
MOST_ENTRIES = 20_000
#: Files of one run whose content is read, and bytes of all of them; of the others kind, mode and size are compared.
MOST_FILES, MOST_BYTES = 1_000, 256 << 20
#: Content up to here is kept, so that a difference can be shown; of more there is a digest.
_KEPT_BYTES = 16 << 20
#: File systems stamp with the time of the kernel's last tick, of 10 ms at most: two writes within one look like none.
_TICK_NS = 20_000_000
#: What a command names outside of the folder: /tmp/out, ../out, --log=/tmp/out, -o/tmp/out.
_OUTSIDE = re.compile(r"(?:^|[=:,]|^-\w)((?:/|\.\./).*)$", re.DOTALL)

#: Inode, mode, size, times of the last change of content and of anything (ns).
_State = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class FileSeen:
    """What a run left of a file."""

    kind: str  #: file, folder, link, removed, or other
    mode: int = 0  #: permissions, 0 of a link
    size: int = 0  #: bytes
    digest: str = ""  #: of the content, or where a link leads; "" where it was not read
    content: bytes | None = field(default=None, repr=False, compare=False)  #: None where not read, or large


@dataclass(frozen=True)
class Changes:
    """What a run did to the folders that are watched."""

    files: Mapping[str, FileSeen]  #: by name, relative to the working folder
    touched: bool  #: anything was written, a file that is gone again too; or not all could be looked at
    not_compared: tuple[str, ...] = ()  #: what the bounds leave out, a line each


class Watch:
    """Looks at ``roots`` when it is made, and again when asked for ``changes``.

    directory: what names are relative to. apart: paths that do not count. steady: wait until what was written just now
    can be told from what is written next; for folders that were there before.
    """

    def __init__(
        self, directory: Path, roots: Sequence[Path], apart: Sequence[Path] = (), *, steady: bool = True,
        most: int = MOST_ENTRIES,
    ) -> None:  # fmt: skip
        self._directory = os.path.abspath(directory)
        self._roots = list(dict.fromkeys(os.path.abspath(root) for root in roots))
        self._apart = {os.path.abspath(path) for path in apart}
        self._most = most
        self._passed_over: set[str] = set()
        self._ours = _own_streams()
        self._before = self._look(known=None)
        if steady:
            _let_time_pass(self._before)

    def changes(self) -> Changes:
        """What differs from when this was made."""
        after = self._look(known=self._before)
        files: dict[str, FileSeen] = {}
        changed = {path for path, old in self._before.items() if after.get(path) != old}
        changed |= after.keys() - self._before.keys()
        read = unread = 0
        for path in sorted(changed):
            old, new = self._before.get(path), after.get(path)
            if old and new and stat.S_ISDIR(old[1]) and stat.S_ISDIR(new[1]) and old[1] == new[1]:
                continue  # only what is in it changed
            may_read = len(files) < MOST_FILES and new is not None and read + new[2] <= MOST_BYTES
            seen = FileSeen("removed") if new is None else _seen(path, new, may_read)
            read += seen.size if may_read else 0
            unread += seen.kind == "file" and not may_read
            files[os.path.relpath(path, self._directory) if self._inside(path) else path] = seen
        return Changes(files, bool(changed or self._passed_over), tuple(self._left_out(unread)))

    def _inside(self, path: str) -> bool:
        """Of the folder that the program runs in or, where that is ours, the one around it."""
        return any(path.startswith(f"{root}{os.sep}") and self._directory.startswith(root) for root in self._roots)

    def _left_out(self, unread: int) -> Iterator[str]:
        if self._passed_over:
            yield (
                f"what is in {_some(self._passed_over, self._directory)}, beyond the first {self._most:,} files; "
                "name what the program writes there with --output-file"
            )
        if unread:
            yield f"the content of {unread:,} files, beyond {MOST_FILES:,} files and {MOST_BYTES >> 20} MiB of a run"

    def _look(self, known: Mapping[str, _State] | None) -> dict[str, _State]:
        """Breadth first, so that the bound leaves out what is deep. known: what was there before; the same is left
        out then, and what is new is looked at in any case.
        """
        found: dict[str, _State] = {}
        waiting = []
        for root in self._roots:
            with contextlib.suppress(OSError):
                found[root] = _state(os.lstat(root))
                if stat.S_ISDIR(found[root][1]):
                    waiting.append(root)
        while waiting:
            deeper = []
            for path in waiting:
                full = len(found) > self._most
                if path in self._passed_over or (full and (known is None or len(found) > 4 * self._most)):
                    self._passed_over.add(path)
                    continue
                deeper += self._entries(path, found)
            waiting = deeper
        return found

    def _entries(self, path: str, found: dict[str, _State]) -> list[str]:
        """Take in what a folder holds; its own folders."""
        try:
            entries = list(os.scandir(path))
        except OSError:
            return []  # what may not be looked at
        if path not in self._roots and _is_ours(path, {entry.name for entry in entries}):
            found.pop(path, None)
            return []
        folders = []
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            place, mode = entry.path, status.st_mode
            if mode & 0o170000 != stat.S_IFREG:
                if place in self._apart or stat.S_ISCHR(mode):
                    continue
                if stat.S_ISDIR(mode):
                    folders.append(place)
            elif status.st_ino in self._ours and (status.st_ino, status.st_dev) in self._ours.items():
                continue
            found[place] = _state(status)
        return folders


#: What no program that is tuned writes, though root may.
_SYSTEMS_OWN = ("/dev/", "/proc/", "/sys/", "/usr/")


def named_outside(command: Sequence[str], directory: Path) -> list[Path]:
    """What a command names outside of ``directory`` and may write: files that need not be there, and folders."""
    here = os.path.realpath(directory)
    found = []
    for word in command:
        match = _OUTSIDE.search(word) if "{exe}" not in word else None
        if not match or "\0" in word:
            continue
        path = os.path.normpath(os.path.join(here, match[1]))
        inside = path == here or path.startswith(here + os.sep)
        around = here.startswith(path.rstrip(os.sep) + os.sep)
        only_read = os.path.isdir(path) and not os.access(path, os.W_OK)
        if not (inside or around or only_read or path.startswith(_SYSTEMS_OWN)):
            found += [Path(path), Path(os.path.realpath(path))]
    return list(dict.fromkeys(found))


def _state(status: os.stat_result) -> _State:
    return status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _seen(path: str, state: _State, may_read: bool) -> FileSeen:
    mode, size = stat.S_IMODE(state[1]), state[2]
    if stat.S_ISLNK(state[1]):
        try:
            return FileSeen("link", digest=os.readlink(path))
        except OSError:
            return FileSeen("link")
    if stat.S_ISDIR(state[1]):
        return FileSeen("folder", mode)
    if not stat.S_ISREG(state[1]):
        return FileSeen("other", mode)
    if not may_read:
        return FileSeen("file", mode, size)
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            content = file.read(MOST_BYTES)
    except OSError:
        return FileSeen("file", mode, size)
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    return FileSeen("file", mode, len(content), digest, content if len(content) <= _KEPT_BYTES else None)


def _is_ours(path: str, names: set[str]) -> bool:
    """Run directories and recipes, of this process or of another one: journals grow while programs run. And what
    version control keeps, which may be most of a folder.
    """
    if os.path.basename(path) in ("colt-runs", ".colt", ".git", ".hg", ".svn"):
        return True
    return {"run.json", "trials.jsonl"} <= names or {"project.json", "units"} <= names


def _own_streams() -> dict[int, int]:
    """Inode -> device: our own output may go to a file in the folder."""
    found = {}
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            status = os.fstat(descriptor)
            found[status.st_ino] = status.st_dev
    return found


def _let_time_pass(state: Mapping[str, _State]) -> None:
    newest = max((entry[4] for entry in state.values()), default=0)
    left = newest + _TICK_NS - time.time_ns()
    if 0 < left <= _TICK_NS:
        time.sleep(left / 1e9)


def _some(paths: set[str], directory: str) -> str:
    names = sorted(os.path.relpath(path, directory) for path in paths)
    return ", ".join(names[:2]) + (f" and {len(names) - 2:,} more folders" if len(names) > 2 else "")
