"""What was found for functions, kept from run to run in one SQLite file that many processes share.

The file of the user's cache keeps a write-ahead log, so nobody waits for a reader. One that was named keeps a rollback
journal: it may be shared by several machines, where SQLite's log does not work. A process that is killed leaves the
file as it was before its last write, or after it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from colt_llvm.core.errors import ColtError

if TYPE_CHECKING:
    import sqlite3

#: Names the file of all runs of a shell, or turns it off.
VARIABLE, OFF = "COLT_STORE", "off"
_FILE = "functions.sqlite"
#: Of the file, in its header: ours, and how its rows are read.
_APPLICATION, _VERSION = 0x434F4C54, 1
MOST_BYTES = 64 << 20
_PAGE_BYTES = 4096
#: From so much of the bound on, so much of it is freed before a write; a write has at most so many rows.
_NEARLY_FULL, _FREED, _MOST_ROWS = 0.85, 0.15, 5_000
#: A row of more is nobody's find.
_MOST_LETTERS = 1 << 16
#: Somebody else's write takes milliseconds; whoever holds the file longer is not waited for.
_WAIT_SECONDS = 1.0
_KEYS_AT_ONCE = 500

_TABLE = """CREATE TABLE functions (
    digest TEXT NOT NULL,     -- of the function's normalised IR
    context TEXT NOT NULL,    -- LLVM, target and objective
    found TEXT NOT NULL,      -- JSON: decisions, and the sequence of the module around them
    saved INTEGER NOT NULL,   -- bytes that the function became smaller by, 0 where that is not known
    written INTEGER NOT NULL, -- seconds since 1970
    PRIMARY KEY (digest, context)
) WITHOUT ROWID"""


class StoreError(ColtError, OSError):
    """The store cannot be read or written; the run goes on without it."""


@dataclass(frozen=True)
class Row:
    """Of one function."""

    digest: str  #: of its normalised IR
    found: str  #: JSON, for whoever wrote it
    saved: int = 0  #: bytes that it became smaller by


def default_store() -> str:
    """The file of this user, or what $COLT_STORE names; empty where there is none, or it says "off"."""
    named = os.environ.get(VARIABLE, "")
    if named:
        return "" if named == OFF else os.path.abspath(named)
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(cache):
        cache = os.path.expanduser("~/.cache")
    return os.path.join(cache, "colt-llvm", _FILE) if os.path.isabs(cache) else ""


class Store:
    """Every method opens the file anew, and raises StoreError with what to do about it."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self.path = path
        self._most_pages = most_bytes // _PAGE_BYTES
        self._own = path.parent.name == "colt-llvm" and path.name == _FILE  # in somebody's cache

    def read(self, context: str, digests: Sequence[str]) -> dict[str, Row]:
        """By digest, of those that are there; nothing where there is no file yet."""
        if not self.path.exists():
            return {}
        found = {}
        with self._opened("ro") as connection:
            for start in range(0, len(digests), _KEYS_AT_ONCE):
                some = digests[start : start + _KEYS_AT_ONCE]
                marks = ",".join("?" * len(some))
                rows = connection.execute(
                    f"SELECT digest, found, saved FROM functions WHERE context = ? AND digest IN ({marks})"
                    " AND length(found) <= ?",
                    (context, *some, _MOST_LETTERS),
                )
                found.update({str(row[0]): Row(str(row[0]), str(row[1]), int(row[2])) for row in rows})
        return found

    def write(self, context: str, rows: Sequence[Row], now: float | None = None) -> None:
        """All of them or none. What saved more stays as it is, and counts as written now.

        now: seconds since 1970. The rows written longest ago go where the file is nearly full.
        """
        written = int(time.time() if now is None else now)
        self._make()
        with self._opened("rw") as connection:
            self._prune(connection)
            connection.executemany(
                "INSERT INTO functions VALUES (?, ?, ?, ?, ?) ON CONFLICT (digest, context) DO UPDATE SET"
                " found = CASE WHEN excluded.saved >= saved THEN excluded.found ELSE found END,"
                " saved = max(saved, excluded.saved), written = excluded.written",
                [
                    (row.digest, context, row.found, row.saved, written)
                    for row in rows[:_MOST_ROWS]
                    if len(row.found) <= _MOST_LETTERS
                ],
            )

    def _make(self) -> None:
        """An empty file, and in the user's cache its folder, for nobody else."""
        try:
            if self._own:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600 if self._own else 0o666)
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            os.close(descriptor)
        except OSError as error:
            raise self._error(error.strerror or str(error)) from None
        if not regular:
            raise self._error("is no file")

    @contextlib.contextmanager
    def _opened(self, mode: str) -> Iterator[sqlite3.Connection]:
        """One transaction. mode: "ro" or "rw"."""
        try:
            import sqlite3
        except ImportError:
            raise self._error("this Python has no SQLite") from None
        try:
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_WAIT_SECONDS, isolation_level=None
            )
            with contextlib.closing(connection):
                writes = mode == "rw"
                self._check(connection)
                if writes:
                    self._settle(connection)
                connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
                if not self._check(connection):  # once more: another process may have been first
                    self._create(connection, temporary=not writes)
                yield connection
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._error(str(error)) from None

    def _settle(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute(f"PRAGMA max_page_count = {self._most_pages}")
        if self._own:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")

    def _check(self, connection: sqlite3.Connection) -> bool:
        """Whether it is a store; False for an empty file. Raises StoreError for anything else."""
        application, version = (_pragma(connection, name) for name in ("application_id", "user_version"))
        if (application, version) == (_APPLICATION, _VERSION):
            return True
        if application == _APPLICATION:
            raise self._error(f"is of format {version}, of another version of colt-llvm")
        if application or version or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise self._error("is a database of something else")
        return False

    @staticmethod
    def _create(connection: sqlite3.Connection, *, temporary: bool) -> None:
        """temporary: an empty table for this connection alone."""
        connection.execute(_TABLE.replace("CREATE", "CREATE TEMPORARY", 1) if temporary else _TABLE)
        if not temporary:
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _prune(self, connection: sqlite3.Connection) -> None:
        used = _pragma(connection, "page_count") - _pragma(connection, "freelist_count")
        if used < _NEARLY_FULL * self._most_pages:
            return
        count = connection.execute("SELECT count(*) FROM functions").fetchone()[0]
        connection.execute(
            "DELETE FROM functions WHERE (digest, context) IN"
            " (SELECT digest, context FROM functions ORDER BY written, digest LIMIT ?)",
            (max(1, int(count * _FREED)),),
        )

    def _error(self, what: str) -> StoreError:
        return StoreError(
            f"{self.path}: {what}; the run goes on without it. Remove it to begin anew, name another with "
            "--store, or use --no-store"
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
