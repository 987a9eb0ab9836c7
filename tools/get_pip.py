"""pip for a Python that comes without it, as Debian's does: python3 tools/get_pip.py LOCK FOLDER

Fetches the wheel of the version that LOCK has, and prints its place in FOLDER: from the index that pip's settings
name, or where they name none by a pip that knows its own: one that another Python here was bundled with, or that of
Debian's package, which apt-get fetches and nobody has to install. The hash in LOCK says that it is the right one; so
it may come from a machine whose certificates cannot be checked. Needs the standard library alone.
"""

from __future__ import annotations

import configparser
import glob
import hashlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

_FILES = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
_BUNDLED = (
    "~/.pyenv/versions/*/lib/python3*/ensurepip/_bundled", "/usr/local/lib/python3*/ensurepip/_bundled",
    "/usr/lib/python3*/ensurepip/_bundled", "/opt/*/lib/python3*/ensurepip/_bundled", "/usr/share/python-wheels",
)  # fmt: skip
#: Of Debian and Ubuntu: the wheel that python3-venv uses, for a Python that comes without it.
_PACKAGE = "python3-pip-whl"


def main(lock: Path, folder: Path) -> Path:
    """Raises SystemExit with one line where there is none to be had."""
    entry = re.search(
        r"^pip==(\S+)[^\n]*\n((?: +--hash=\S+[^\n]*\n?)+)", lock.read_text(encoding="utf-8"), re.MULTILINE
    )
    if entry is None:
        raise SystemExit(f"{lock}: holds no pip")
    hashes = set(re.findall(r"sha256:([0-9a-f]{64})", entry[2]))
    name = f"pip-{entry[1]}-py3-none-any.whl"
    index = _index()
    data = _from_index(f"{index.rstrip('/')}/pip/", name) if index else _by_another_pip(entry[1], name)
    if hashlib.sha256(data).hexdigest() not in hashes:
        raise SystemExit(f"{name}: is not the file that {lock} names")
    (folder / name).write_bytes(data)
    return folder / name


def _index() -> str:
    """As pip's settings have it."""
    said = configparser.ConfigParser(interpolation=None)
    said.read([Path(file).expanduser() for file in _FILES] + [os.environ.get("PIP_CONFIG_FILE", "")])
    return os.environ.get("PIP_INDEX_URL") or said.get("global", "index-url", fallback="")


def _from_index(index: str, name: str) -> bytes:
    try:
        page = _get(index).decode("utf-8", "replace")
        found = re.search(rf'href="([^"]*{re.escape(name)}[^"]*)"', page)
        if found is None:
            raise SystemExit(f"{index}: has no {name}")
        return _get(urllib.parse.urljoin(index, found[1].replace("&amp;", "&")))
    except OSError as error:
        raise SystemExit(f"{index}: {error}") from None


def _version(wheel: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", Path(wheel).name.split("-")[1])]


def _by_another_pip(version: str, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        for find in (_bundled, lambda: _of_apt(Path(scratch))):
            for wheel in sorted(find(), key=_version, reverse=True):
                command = [sys.executable, f"{wheel}/pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
                subprocess.run([*command, "-d", scratch, f"pip=={version}"], capture_output=True)
                if (file := Path(scratch, name)).is_file():
                    return file.read_bytes()
    raise SystemExit(
        f"{name}: pip's settings name no index, and there is no pip here, nor from apt-get, that fetches it; "
        "set PIP_INDEX_URL, or install the package that has ensurepip (Debian: python3-venv)"
    )


def _bundled() -> set[str]:
    return {path for place in _BUNDLED for path in glob.glob(f"{Path(place).expanduser()}/pip-*.whl")}


def _of_apt(scratch: Path) -> set[str]:
    """With package lists of our own: those of the system may be missing, and need root."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return set()
    for folder in ("state/lists/partial", "cache/archives/partial", "package"):
        (scratch / folder).mkdir(parents=True)
    apt = ["apt-get", "-q", "-o", f"Dir::State={scratch}/state", "-o", "Dir::State::status=/var/lib/dpkg/status",
           "-o", f"Dir::Cache={scratch}/cache"]  # fmt: skip
    for command in ([*apt, "update"], [*apt, "download", _PACKAGE]):
        subprocess.run(command, cwd=scratch / "package", capture_output=True)
    for package in (scratch / "package").glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(scratch / "files")], capture_output=True)
    return set(glob.glob(f"{scratch}/files/usr/share/python-wheels/pip-*.whl"))


def _get(address: str) -> bytes:
    request = urllib.request.Request(address, headers={"Accept": "text/html"})
    with urllib.request.urlopen(request, timeout=60, context=ssl._create_unverified_context()) as answer:
        data: bytes = answer.read()
    return data


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2])))
