"""Objects of a whole program: those that carry their bitcode, the one made of all of them, and the empty ones.

Bitcode is in a section ``.colt.bc`` at an object's end, which linkers leave out of what they link. It is written here
and not by objcopy, which a user may not have, and which rewrites the rest of the object.
"""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from colt_llvm.builds.cc.compile import NO_UNUSED_WARNING, PASSES_OFF, Steps, switch_words
from colt_llvm.builds.cc.options import CODEGEN_LEVEL
from colt_llvm.core.errors import CompileError

if TYPE_CHECKING:
    from colt_llvm.builds.project.relink import Place

NAME = b".colt.bc"
_HEADER_BYTES, _SECTION_BYTES = 64, 64
_PROGBITS, _EXCLUDE = 1, 0x80000000
_MOST_SECTIONS = 0xFF00 - 1  # from there on the count stands elsewhere


@dataclass(frozen=True)
class Carried:
    """What an object carries for the link of a whole program."""

    key: str  # ``ProgramRecipe.key`` of the member that it was made for
    passed: tuple[str, ...]  # options of the compile command
    bitcode: bytes  # unoptimised


@dataclass(frozen=True)
class _Table:
    """The section headers of an object."""

    order: str  # of bytes, for struct: < or >
    headers: list[tuple[int, ...]]
    names: int  # index of the section of names

    @property
    def layout(self) -> str:
        return f"{self.order}IIQQQQIIQQ"


def with_bitcode(data: bytes, carried: Carried) -> bytes | None:
    """The object ``data`` with one section more; None where it is no 64-bit ELF object."""
    table = _read_table(data)
    if table is None or len(table.headers) >= _MOST_SECTIONS:
        return None
    names = _content(data, table.headers[table.names])
    if names is None:
        return None
    head = json.dumps({"key": carried.key, "passed": list(carried.passed)}).encode() + b"\n"
    payload = head + carried.bitcode
    new_names = names + NAME + b"\0"
    made = bytearray(data)
    start = _append(made, payload)
    names_start = _append(made, new_names)
    old = table.headers[table.names]
    headers = list(table.headers)
    headers[table.names] = (*old[:4], names_start, len(new_names), *old[6:])
    headers.append((len(names), _PROGBITS, _EXCLUDE, 0, start, len(payload), 0, 0, 1, 0))
    place = _append(made, b"".join(struct.pack(table.layout, *header) for header in headers))
    struct.pack_into(f"{table.order}Q", made, 0x28, place)
    struct.pack_into(f"{table.order}H", made, 0x3C, len(headers))
    return bytes(made)


def carried_by(data: bytes) -> Carried | None:
    """What ``with_bitcode`` put into the object ``data``; None where there is none, or where it is damaged."""
    table = _read_table(data)
    names = table and _content(data, table.headers[table.names])
    if table is None or not names:
        return None
    for header in table.headers:
        if names[header[0] : header[0] + len(NAME) + 1] == NAME + b"\0" and (payload := _content(data, header)):
            head, _, bitcode = payload.partition(b"\n")
            try:
                found = json.loads(head)
                return Carried(str(found["key"]), tuple(map(str, found["passed"])), bitcode)
            except (ValueError, KeyError, TypeError):
                return None
    return None


def _read_table(data: bytes) -> _Table | None:
    """The headers of a 64-bit relocatable object; None for any other file."""
    if data[:4] != b"\x7fELF" or len(data) < _HEADER_BYTES or data[4] != 2 or data[5] not in (1, 2):
        return None
    order = "<" if data[5] == 1 else ">"
    (kind,) = struct.unpack_from(f"{order}H", data, 0x10)
    (place,) = struct.unpack_from(f"{order}Q", data, 0x28)
    size, count, names = struct.unpack_from(f"{order}HHH", data, 0x3A)
    if kind != 1 or size != _SECTION_BYTES or not 0 < names < count or place + count * size > len(data):
        return None
    headers = list(struct.iter_unpack(f"{order}IIQQQQIIQQ", data[place : place + count * size]))
    return _Table(order, headers, names)


def _content(data: bytes, header: Sequence[int]) -> bytes | None:
    start, size = header[4], header[5]
    return data[start : start + size] if start + size <= len(data) else None


def _append(made: bytearray, part: bytes) -> int:
    made += bytes(-len(made) % 8)
    start = len(made)
    made += part
    return start


def make_object(steps: Steps, merged: bytes, flags: Sequence[str], folder: Path) -> bytes:
    """The one object of the merged module ``merged``: its bitcode, through the pipeline and code generation.

    flags: those that code generation needs. folder: for intermediate files. Raises PassError, CompileError.
    """
    from colt_llvm.llvm.replay import replay

    optimised, output = folder / "whole.bc", folder / "whole.o"
    optimised.write_bytes(replay(steps.library, [merged], steps.pipeline, CODEGEN_LEVEL[steps.level])[0])
    flags = [*flags, *switch_words(steps.pipeline, flags)]
    words = [*flags, NO_UNUSED_WARNING, *PASSES_OFF, "-x", "ir", "-c", str(optimised), "-o", str(output)]
    _call([steps.clang, f"-{steps.level}", *words])
    return output.read_bytes()


def empty_object(clang: str, level: str, flags: Sequence[str], folder: Path) -> bytes:
    """The object that stands for one whose code is in the merged one; built alike, so that linkers treat it alike."""
    source, output = folder / "merged.c", folder / "empty.o"
    source.write_text("", encoding="utf-8")
    # Debug information would hold the folder's name.
    _call([clang, f"-{level}", *flags, "-g0", "-w", "-x", "c", "-c", str(source), "-o", str(output)])
    return output.read_bytes()


def replacement(places: Mapping[Path, Place], made: bytes, empty: bytes) -> dict[Path, bytes]:
    """Each member's object -> its replacement: the merged object for one of them, ``empty`` for the others.

    places: of the members, in their order. Where the command itself names one of them, the merged object takes its
    place: a member of an archive is linked only where something refers to it.
    """
    carrier = next((path for path, place in places.items() if place.archive is None), next(iter(places)))
    return {path: made if path == carrier else empty for path in places}


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise CompileError(
            "the merged program: code generation fails; tune per file, without --whole-program",
            done.stderr.decode("utf-8", "replace"),
        )
