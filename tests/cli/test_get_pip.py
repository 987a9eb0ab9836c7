"""pip for a Python that has none: from the index that the settings name, and only the file that the lock has."""

from __future__ import annotations

import functools
import hashlib
import os
import runpy
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "get_pip.py"
NAME = "pip-26.3-py3-none-any.whl"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    page = tmp_path / "served" / "simple" / "pip"
    page.mkdir(parents=True)
    (page / "index.html").write_text(f'<a href="../../files/{NAME}#sha256=0">{NAME}</a>')
    (tmp_path / "served" / "files").mkdir()
    (tmp_path / "served" / "files" / NAME).write_bytes(b"a wheel")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path / "served")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/simple/"
    server.shutdown()
    server.server_close()


def write_lock(folder: Path, digest: str, version: str = "26.3") -> Path:
    lock = folder / "some.lock"
    lock.write_text(f"a==1 \\\n    --hash=sha256:{'0' * 64}\npip=={version} \\\n    --hash=sha256:{digest}\nz==2\n")
    return lock


def fetch(
    folder: Path, index: str, digest: str, version: str = "26.3", home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-S", SCRIPT, write_lock(folder, digest, version), folder]
    environment = {**os.environ, "PIP_INDEX_URL": index, **({"HOME": str(home)} if home else {})}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_fetches_the_file_of_the_lock(tmp_path: Path, index: str) -> None:
    done = fetch(tmp_path, index, hashlib.sha256(b"a wheel").hexdigest())
    assert done.stdout.strip() == str(tmp_path / NAME), done.stderr
    assert (tmp_path / NAME).read_bytes() == b"a wheel"


def test_takes_no_other_file(tmp_path: Path, index: str) -> None:
    done = fetch(tmp_path, index, hashlib.sha256(b"another").hexdigest())
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not the file that" in done.stderr
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize(("version", "where"), [("1.0", "{}"), ("26.3", "http://127.0.0.1:9/simple")])
def test_says_in_one_line_where_there_is_none(version: str, where: str, tmp_path: Path, index: str) -> None:
    done = fetch(tmp_path, where.format(index), "0" * 64, version)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "/simple/pip/: " in line


def write_wheel(path: Path) -> None:
    """A pip that "downloads" what the lock has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as wheel:
        code = (
            f"import sys, pathlib; pathlib.Path(sys.argv[sys.argv.index('-d') + 1], {NAME!r}).write_bytes(b'a wheel')"
        )
        wheel.writestr("pip/__main__.py", code + "\nassert sys.argv[-1] == 'pip==26.3'\n")


def test_without_an_index_a_pip_that_came_with_another_python_fetches_it(tmp_path: Path) -> None:
    bundled = tmp_path / ".pyenv" / "versions" / "3" / "lib" / "python3.9" / "ensurepip" / "_bundled"
    write_wheel(bundled / "pip-999.0-py3-none-any.whl")
    done = fetch(tmp_path, "", hashlib.sha256(b"a wheel").hexdigest(), home=tmp_path)
    assert done.stdout.strip() == str(tmp_path / NAME), done.stderr
    assert (tmp_path / NAME).read_bytes() == b"a wheel"


def test_with_no_pip_at_all_that_of_debians_package_fetches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wheel(tmp_path / "pip-1.0-py3-none-any.whl")
    tools = {
        "apt-get": 'case "$*" in *"download python3-pip-whl") : > a.deb ;; *" update") ;; *) exit 9 ;; esac\n',
        "dpkg-deb": f'mkdir -p "$3/usr/share/python-wheels" && cp {tmp_path}/pip-1.0-* "$3/usr/share/python-wheels"\n',
    }
    for name, text in tools.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PIP_INDEX_URL", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    script = runpy.run_path(str(SCRIPT))
    script["main"].__globals__.update(_BUNDLED=(), _FILES=())  # this machine's
    lock = write_lock(tmp_path, hashlib.sha256(b"a wheel").hexdigest())
    assert script["main"](lock, tmp_path) == tmp_path / NAME
    assert (tmp_path / NAME).read_bytes() == b"a wheel"
