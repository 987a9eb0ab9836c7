"""pip for a Python that comes without it, as Debian's does: python3 tools/get_pip.py LOCK FOLDER

Fetches the wheel of the version that LOCK has, from the index that pip would ask, and prints its place in FOLDER. The
hash in LOCK says that it is the right one; so it may come from a machine whose certificates cannot be checked (a bare
system has none). Needs the standard library alone.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import re
import ssl
import sys
import urllib.parse
import urllib.request
from pathlib import Path

_FILES = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")


def main(lock: Path, folder: Path) -> Path:
    """Raises SystemExit with one line where there is none to be had."""
    entry = re.search(
        r"^pip==(\S+)[^\n]*\n((?: +--hash=\S+[^\n]*\n?)+)", lock.read_text(encoding="utf-8"), re.MULTILINE
    )
    if entry is None:
        raise SystemExit(f"{lock}: holds no pip")
    hashes = set(re.findall(r"sha256:([0-9a-f]{64})", entry[2]))
    name = f"pip-{entry[1]}-py3-none-any.whl"
    index = f"{_index().rstrip('/')}/pip/"
    try:
        page = _get(index).decode("utf-8", "replace")
        found = re.search(rf'href="([^"]*{re.escape(name)}[^"]*)"', page)
        if found is None:
            raise SystemExit(f"{index}: has no {name}")
        data = _get(urllib.parse.urljoin(index, found[1].replace("&amp;", "&")))
    except OSError as error:
        raise SystemExit(f"{index}: {error}") from None
    if hashlib.sha256(data).hexdigest() not in hashes:
        raise SystemExit(f"{name}: is not the file that {lock} names")
    (folder / name).write_bytes(data)
    return folder / name


def _index() -> str:
    """As pip's settings have it."""
    said = configparser.ConfigParser(interpolation=None)
    said.read([Path(file).expanduser() for file in _FILES] + [os.environ.get("PIP_CONFIG_FILE", "")])
    named = os.environ.get("PIP_INDEX_URL") or said.get("global", "index-url", fallback="")
    return named or "https://pypi.org/simple"


def _get(address: str) -> bytes:
    request = urllib.request.Request(address, headers={"Accept": "text/html"})
    with urllib.request.urlopen(request, timeout=60, context=ssl._create_unverified_context()) as answer:
        data: bytes = answer.read()
    return data


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2])))
