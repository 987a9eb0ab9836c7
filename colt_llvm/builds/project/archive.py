"""Static libraries (ar): read, and written with other members."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PLAIN, _THIN = b"!<arch>\n", b"!<thin>\n"
_HEADER_BYTES = 60
#: Names of members that are tables: two kinds of symbols, and long names.
_SYMBOLS, _SYMBOLS_64, _LONG_NAMES = b"/", b"/SYM64/", b"//"
_SHORT_NAME_BYTES = 15


@dataclass(frozen=True)
class Member:
    """A file in an archive."""

    name: str
    number: int  # of several of that name, how many come before it
    data: bytes


def read_archive(archive: Path) -> list[Member]:
    """The members in order; none for another kind of file, or one that cannot be read."""
    try:
        data = archive.read_bytes()
        thin = data.startswith(_THIN)
        return _members(data, archive.parent if thin else None) if thin or data.startswith(_PLAIN) else []
    except (OSError, ValueError):
        return []


def _members(data: bytes, folder: Path | None) -> list[Member]:
    """folder: of a thin archive, whose members are files beside it."""
    found: list[Member] = []
    seen: dict[str, int] = {}
    long_names, position = b"", len(_PLAIN)
    while position + _HEADER_BYTES <= len(data):
        field, size = data[position : position + 16].rstrip(), int(data[position + 48 : position + 58])
        position += _HEADER_BYTES
        table = field in (_SYMBOLS, _SYMBOLS_64, _LONG_NAMES)
        inside = table or folder is None
        content = data[position : position + size] if inside else b""
        if field == _LONG_NAMES:
            long_names = content
        elif not table:
            name = _name(field, long_names)
            if folder is not None:
                content = (folder / name).read_bytes()
                name = os.path.basename(name)
            found.append(Member(name, seen.get(name, 0), content))
            seen[name] = seen.get(name, 0) + 1
        position += size + size % 2 if inside else 0
    return found


def _name(field: bytes, long_names: bytes) -> str:
    if field[:1] == b"/" and field[1:].isdigit():
        start = int(field[1:])
        return os.fsdecode(long_names[start : long_names.index(b"/\n", start)])
    return os.fsdecode(field.removesuffix(b"/"))


def archive_bytes(members: Sequence[Member]) -> bytes:
    """The content of an archive without a table of symbols, which ``ar s`` adds."""
    names, parts = b"", []
    for member in members:
        name = os.fsencode(member.name)
        if len(name) > _SHORT_NAME_BYTES or b"/" in name:
            field, names = f"/{len(names)}".encode(), names + name + b"/\n"
        else:
            field = name + b"/"
        parts += [_header(field, len(member.data)), member.data, b"\n" * (len(member.data) % 2)]
    table = [_header(_LONG_NAMES, len(names)), names, b"\n" * (len(names) % 2)] if names else []
    return b"".join([_PLAIN, *table, *parts])


def _header(name: bytes, size: int) -> bytes:
    return b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name, 0, 0, 0, b"100644", size)
