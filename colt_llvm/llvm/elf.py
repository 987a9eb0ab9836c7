"""What this package needs of an ELF object: header, sections, symbols, relocations.

pyelftools reads the section headers: 0.5 ms for a 10 kB object, measured. It takes 20 µs a symbol or relocation,
so those are unpacked here with ``struct``.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from colt_llvm.core.errors import UsageError

_SHF_ALLOC = 0x2
_DAMAGE = (ELFError, struct.error, ValueError, LookupError, AttributeError, AssertionError, TypeError, ArithmeticError)


class ObjectFormatError(UsageError):
    """The bytes are not a usable ELF object."""


@dataclass(frozen=True)
class Header:
    """bits: 32 or 64. order: of bytes, as struct writes it. machine, flags: e_machine and e_flags."""

    bits: int
    order: str
    machine: str | int
    flags: int

    def __iter__(self) -> Iterator[object]:
        return iter((self.bits, self.order, self.machine, self.flags))


@dataclass(frozen=True)
class Section:
    """One section header, fields as ELF names them (sh_...); ``data`` reads the content."""

    index: int
    name: str
    type: str | int
    flags: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int
    data: Callable[[], bytes]

    @property
    def loaded(self) -> bool:
        """Whether it is in memory when the program runs."""
        return bool(self.flags & _SHF_ALLOC)


def read_object(object_bytes: bytes) -> tuple[Header, list[Section]]:
    """Header and sections, in order. Raises ObjectFormatError."""
    if object_bytes[:4] in (b"BC\xc0\xde", b"\xde\xc0\x17\x0b"):
        raise ObjectFormatError("the object holds LLVM bitcode and no code; build it without -flto or -emit-llvm")
    if object_bytes[:4] != b"\x7fELF":
        raise ObjectFormatError("not an ELF object; compile with clang -c for Linux")
    with damage_typed():
        elf = ELFFile(io.BytesIO(object_bytes))
        header = Header(elf.elfclass, "<" if elf.little_endian else ">", elf.header["e_machine"], elf.header["e_flags"])
        return header, [
            Section(
                index, section.name, section["sh_type"], section["sh_flags"], section["sh_size"], section["sh_link"],
                section["sh_info"], section["sh_addralign"], section["sh_entsize"], section.data,
            )
            for index, section in enumerate(elf.iter_sections())
        ]  # fmt: skip


@contextmanager
def damage_typed() -> Iterator[None]:
    """What a parser trips over in a damaged object, as ObjectFormatError."""
    try:
        yield
    except ObjectFormatError:
        raise
    except _DAMAGE as error:
        raise ObjectFormatError(f"a damaged ELF object ({error or type(error).__name__}); compile it again") from error


def unpack_symbols(header: Header, data: bytes) -> Iterator[tuple[int, int, int, int, int, int]]:
    """(name offset, info, other, section index, value, size) of each symbol."""
    if header.bits == 64:
        yield from struct.iter_unpack(f"{header.order}IBBHQQ", data)
    else:
        for name, value, size, info, other, index in struct.iter_unpack(f"{header.order}IIIBBH", data):
            yield name, info, other, index, value, size


def unpack_relocations(header: Header, section: Section) -> Iterator[tuple[int, int, int, int]]:
    """(offset, symbol index, kind, addend) of each relocation, in the order of the file."""
    word, signed, shift = ("Q", "q", 32) if header.bits == 64 else ("I", "i", 8)
    with_addend = section.type == "SHT_RELA"
    layout = f"{header.order}{word}{word}{signed if with_addend else ''}"
    for entry in struct.iter_unpack(layout, section.data()):
        yield entry[0], entry[1] >> shift, entry[1] & ((1 << shift) - 1), entry[2] if with_addend else 0
