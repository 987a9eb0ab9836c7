"""ELF objects: sections and symbols, code size, and whether two objects are the same program.

pyelftools reads the section headers: 0.5 ms for a 10 kB object, measured. It takes 20 µs a symbol or relocation, so
those are unpacked here with ``struct``. Why so: docs/decisions/0020.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    """Of an object."""

    bits: int  #: 32 or 64
    order: str  #: of bytes, as struct writes it
    machine: str | int  #: e_machine
    flags: int  #: e_flags

    def __iter__(self) -> Iterator[object]:
        return iter((self.bits, self.order, self.machine, self.flags))


@dataclass(frozen=True)
class Section:
    """One section header."""

    index: int  #: among all sections
    name: str  #: ``.text``
    type: str | int  #: sh_type
    flags: int  #: sh_flags
    size: int  #: sh_size, bytes
    link: int  #: sh_link
    info: int  #: sh_info
    alignment: int  #: sh_addralign
    entry_size: int  #: sh_entsize
    data: Callable[[], bytes]  #: reads the content

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


_SHF_EXECINSTR, _SHF_LINK_ORDER = 0x4, 0x80
_SHT_CREL = 0x40000014
_FIRST_RESERVED_INDEX = 0xFF00
_STB_LOCAL = 0
_STT_FUNC = 2


@dataclass(frozen=True)
class Sections:
    """Bytes of an object that are loaded when the program runs, alignment gaps not counted."""

    sizes: Mapping[str, int]  #: of each loaded section by name, those of the same name added; .bss is among them
    loaded_bytes: int  #: .text + .rodata + .data + unwind tables: all but .bss and the like, which take no room
    text_bytes: int  #: the executable part of it
    zero_bytes: int  #: .bss and the like


def section_sizes(object_bytes: bytes) -> Sections:
    """Sizes of the loaded sections. Raises ObjectFormatError."""
    sizes: dict[str, int] = {}
    loaded = text = zero = 0
    for section in filter(lambda section: section.loaded, read_object(object_bytes)[1]):
        sizes[section.name] = sizes.get(section.name, 0) + section.size
        if section.type == "SHT_NOBITS":
            zero += section.size
            continue
        loaded += section.size
        text += section.size if section.flags & _SHF_EXECINSTR else 0
    return Sections(sizes, loaded, text, zero)


def function_sizes(object_bytes: bytes) -> dict[str, int]:
    """Bytes of each function: its code, and its row of the unwind table. Raises ObjectFormatError.

    Not in it: constants, and padding between functions.
    """
    header, sections = read_object(object_bytes)
    table = next((section for section in sections if section.type == "SHT_SYMTAB"), None)
    if table is None:
        return {}
    with damage_typed():
        names = sections[table.link].data()
        symbols = list(unpack_symbols(header, table.data()))
        rows = _unwind_rows(header, sections, symbols)
        return {
            names[at : names.index(b"\0", at)].decode("utf-8", "surrogateescape"): size + rows.get((index, value), 0)
            for at, info, _, index, value, size in symbols
            if info & 0xF == _STT_FUNC and size
        }


def _unwind_rows(
    header: Header, sections: Sequence[Section], symbols: Sequence[tuple[int, int, int, int, int, int]]
) -> dict[tuple[int, int], int]:
    """Where a function begins (section index, offset) -> bytes of its row in .eh_frame (Linux Standard Base 10.6.1)."""
    rows: dict[tuple[int, int], int] = {}
    for section in sections:
        if section.name != ".eh_frame":
            continue
        begins: dict[int, tuple[int, int]] = {}
        for other in sections:
            if other.info == section.index and other.type in ("SHT_RELA", "SHT_REL"):
                for offset, symbol, _, addend in unpack_relocations(header, other):
                    begins[offset] = symbols[symbol][3], symbols[symbol][4] + addend
        data, at = section.data(), 0
        while at + 8 <= len(data):
            length, kind = struct.unpack_from(f"{header.order}II", data, at)
            if length in (0, 0xFFFFFFFF):  # the end; and rows of over 4 GB
                break
            if kind and (begin := begins.get(at + 8)):  # kind 0: what rows have in common
                rows[begin] = rows.get(begin, 0) + length + 4
            at += length + 4
    return rows


def loaded_digest(object_bytes: bytes) -> str:
    """A hash of what an object adds to a program: equal digests, same behaviour, same size.

    In it: the loaded sections in order, their relocations, the symbols that other objects see, comdat groups.
    Not in it: .comment, debug information, .llvm_addrsig, the order of the symbol table, and names of local
    symbols (a relocation against one counts as section and offset). Raises ObjectFormatError.
    """
    header, sections = read_object(object_bytes)
    if any(section.type == "SHT_SYMTAB_SHNDX" for section in sections):
        return hashlib.sha256(object_bytes).hexdigest()  # over 65,000 sections: compared as a whole
    digest = hashlib.sha256()
    with damage_typed():
        for part in _parts(header, sections):
            digest.update(part if isinstance(part, bytes) else repr(part).encode())
    return digest.hexdigest()


def _parts(header: Header, sections: list[Section]) -> Iterator[object]:
    """All that counts, in order; whatever has a variable length says so beforehand."""
    loaded = {section.index: number for number, section in enumerate(s for s in sections if s.loaded)}
    symbols = _Symbols(header, sections, loaded)
    yield tuple(header)
    for section in sections:
        if section.loaded:
            order = loaded.get(section.link) if section.flags & _SHF_LINK_ORDER else None
            yield section.name, section.type, section.flags, section.size, section.alignment, section.entry_size, order
            yield b"" if section.type == "SHT_NOBITS" else section.data()
        elif section.info in loaded and section.type in ("SHT_RELA", "SHT_REL"):
            for offset, symbol, kind, addend in unpack_relocations(header, section):
                yield loaded[section.info], offset, kind, addend, symbols.identity(symbol)
        elif section.info in loaded and section.type == _SHT_CREL:
            yield section.size
            yield section.data()
        elif section.type == "SHT_GROUP":
            words = struct.unpack(f"{header.order}{section.size // 4}I", section.data())
            yield "group", symbols.name(section.info), words[0], [loaded[i] for i in words[1:] if i in loaded]
    yield from symbols.visible()


class _Symbols:
    """The symbol table: (name, type, binding, visibility, place, value, size) of each."""

    def __init__(self, header: Header, sections: list[Section], loaded: Mapping[int, int]) -> None:
        table = next((section for section in sections if section.type == "SHT_SYMTAB"), None)
        self._items: list[tuple[bytes, int, int, int, object, int, int]] = []
        if table is None:
            return
        names = sections[table.link].data()
        for name_at, info, other, index, value, size in unpack_symbols(header, table.data()):
            name = names[name_at : names.index(b"\0", name_at)]
            reserved = index == 0 or index >= _FIRST_RESERVED_INDEX
            place = index if reserved else ("loaded", loaded[index]) if index in loaded else sections[index].name
            self._items.append((name, info & 0xF, info >> 4, other, place, value, size))

    def name(self, index: int) -> bytes:
        """What linkers know a comdat group by, local or not."""
        return self._items[index][0]

    def identity(self, index: int) -> object:
        """What a relocation refers to: a name where the linker goes by names, else a place."""
        name, kind, binding, other, place, value, _ = self._items[index]
        return (kind, place, value) if binding == _STB_LOCAL else (name, kind, binding, other)

    def visible(self) -> list[str]:
        """All that is not local, in an order that does not depend on the table's."""
        return sorted(repr(item) for item in self._items if item[2] != _STB_LOCAL)
