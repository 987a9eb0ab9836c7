"""The file of what was found for functions: shared by processes, bounded, and never in a run's way."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from colt_llvm.decisions import store as module
from colt_llvm.decisions.store import Row, Store, StoreError, default_store


def in_cache(folder: Path) -> Path:
    return folder / "cache" / "colt-llvm" / "functions.sqlite"


@pytest.fixture(params=["named", "of the cache"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / "team.sqlite" if request.param == "named" else in_cache(tmp_path)


def test_what_was_written_is_read_by_digest_and_context(path: Path) -> None:
    store = Store(path)
    assert store.read("size", ["a"]) == {}
    store.write("size", [Row("a", "A", 3), Row("b", "B", -1)])
    assert store.read("size", ["a", "b", "c"]) == {"a": Row("a", "A", 3), "b": Row("b", "B", -1)}
    assert store.read("runtime", ["a"]) == {}
    assert len(store.read("size", [f"{n}" for n in range(2000)] + ["b"])) == 1


def test_the_better_find_stays_and_an_equal_one_is_replaced(path: Path) -> None:
    store = Store(path)
    for found, saved in (("first", 5), ("worse", 4), ("equal", 5)):
        store.write("size", [Row("a", found, saved)])
        assert store.read("size", ["a"])["a"].found == ("first" if found == "worse" else found)


def test_only_its_user_can_read_the_cache_and_a_named_file_goes_by_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        Store(in_cache(tmp_path)).write("size", [Row("a", "A")])
        Store(tmp_path / "team.sqlite").write("size", [Row("a", "A")])
    finally:
        os.umask(before)
    assert in_cache(tmp_path).stat().st_mode & 0o777 == 0o600
    assert in_cache(tmp_path).parent.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "team.sqlite").stat().st_mode & 0o777 == 0o664


def test_the_oldest_rows_go_first_and_the_file_keeps_its_bound(path: Path) -> None:
    store = Store(path, most_bytes=400_000)
    for second in range(20):
        store.write("size", [Row(f"{second}-{number}", "x" * 400) for number in range(100)], now=second)
        assert path.stat().st_size <= 400_000
        assert len(store.read("size", [f"{second}-{number}" for number in range(100)])) == 100
    assert store.read("size", ["0-0", "5-0"]) == {}
    assert store.read("size", ["18-0"]) != {}


def test_a_write_that_does_not_fit_leaves_the_rows_as_they_were(path: Path) -> None:
    store = Store(path, most_bytes=100_000)
    store.write("size", [Row("a", "A")])
    with pytest.raises(StoreError, match="full"):
        store.write("size", [Row(f"{number}", "x" * 1000) for number in range(200)])
    assert store.read("size", ["a", "0"]) == {"a": Row("a", "A")}


def newer(path: Path) -> None:
    Store(path).write("size", [Row("a", "A")])
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()


def somebody_elses(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (address TEXT)")
    connection.close()


def garbage(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"garbage" * 1000)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [(newer, "format 2, of another version"), (somebody_elses, "something else"), (garbage, "")],
)
def test_what_is_no_store_of_this_version_is_told_and_left_alone(spoil: object, said: str, tmp_path: Path) -> None:
    path = tmp_path / "store"
    spoil(path)  # type: ignore[operator]
    before = path.read_bytes()
    for use in (lambda: Store(path).read("size", ["a"]), lambda: Store(path).write("size", [Row("a", "B")])):
        with pytest.raises(StoreError, match=f"{said}.*goes on without it. Remove it .* --no-store"):
            use()
    assert path.read_bytes() == before


def test_places_that_hold_no_file_are_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "folder" / "store", Path("/dev/null")):
        with pytest.raises(StoreError):
            Store(path).write("size", [Row("a", "A")])


def test_a_file_that_somebody_holds_is_not_waited_for(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WAIT_SECONDS", 0.05)
    store = Store(path)
    store.write("size", [Row("a", "A")])
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="locked"):
        store.write("size", [Row("b", "B")])
    holder.execute("ROLLBACK")
    holder.close()
    store.write("size", [Row("b", "B")])
    assert len(store.read("size", ["a", "b"])) == 2


WRITER = """
import sys
from pathlib import Path
from colt_llvm.decisions.store import Row, Store, StoreError
store = Store(Path(sys.argv[1]))
number = 0
while number < int(sys.argv[3]):
    try:
        store.write("size", [Row(f"{sys.argv[2]}-{number}-{part}", "x" * 200) for part in range(10)])
    except StoreError:  # the others held it too long, on a busy machine
        continue
    print(number, flush=True)
    number += 1
"""


def test_nothing_is_lost_where_several_write_and_one_is_killed(path: Path) -> None:
    def writer(name: str, writes: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name, str(writes)], stdout=subprocess.PIPE, text=True
        )

    killed = writer("killed", 100_000)
    others = [writer(name, 20) for name in ("one", "two")]
    assert killed.stdout is not None
    told = [next(killed.stdout) for _ in range(5)]
    killed.send_signal(signal.SIGKILL)
    told += killed.stdout.readlines()
    killed.wait()
    killed.stdout.close()
    for other in others:
        other.communicate()
        assert other.returncode == 0
    store = Store(path)
    for name, count in (("killed", len(told)), ("one", 20), ("two", 20)):
        digests = [f"{name}-{number}-{part}" for number in range(count) for part in range(10)]
        assert len(store.read("size", digests)) == len(digests)
    after = [f"killed-{len(told)}-{part}" for part in range(10)]  # the write that was under way: all of it or nothing
    assert len(store.read("size", after)) in (0, 10)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_variables_say_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert default_store() == ""  # as tests/conftest.py has it
    monkeypatch.setenv("COLT_STORE", str(tmp_path / "team"))
    assert default_store() == str(tmp_path / "team")
    monkeypatch.delenv("COLT_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_store() == str(tmp_path / "colt-llvm" / "functions.sqlite")
