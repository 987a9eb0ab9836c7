"""Symbols of an object or executable, as far as they tell whose code an address is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from colt_llvm.llvm.elf import damage_typed, read_object, unpack_symbols

_EXECUTABLE = 0x4
_FILE, _FUNCTIONS, _DATA = 4, (2, 10), 1  # STT_FILE; STT_FUNC and STT_GNU_IFUNC; STT_OBJECT
_LOCAL, _WEAK = 0, 2
_FIRST_RESERVED_INDEX = 0xFF00


@dataclass(frozen=True)
class Symbol:
    """A function or variable that is defined here.

    value: its address in an executable, its offset within ``section`` (an index) in an object. size: bytes.
    group: counts the STT_FILE symbols before a local one, so that equal source names stay apart; file: that name.
    """

    name: str
    value: int
    size: int
    section: int
    function: bool
    local: bool
    weak: bool
    file: str
    group: int

    @property
    def signature(self) -> tuple[str, int, bool]:
        """What stays the same when the linker moves it."""
        return self.name, self.size, self.function


@dataclass(frozen=True)
class Code:
    """The symbols, and of each executable section its index, name and size in bytes."""

    symbols: tuple[Symbol, ...]
    sections: dict[int, tuple[str, int]]

    @cached_property
    def functions(self) -> tuple[Symbol, ...]:
        return tuple(symbol for symbol in self.symbols if symbol.function)

    @cached_property
    def locals(self) -> frozenset[tuple[str, int, bool]]:
        return frozenset(symbol.signature for symbol in self.symbols if symbol.local)

    @cached_property
    def local_functions(self) -> dict[tuple[str, int, bool], list[Symbol]]:
        found: dict[tuple[str, int, bool], list[Symbol]] = {}
        for symbol in self.functions:
            if symbol.local:
                found.setdefault(symbol.signature, []).append(symbol)
        return found

    @cached_property
    def global_sizes(self) -> dict[str, int]:
        """Function that other units can see -> its bytes."""
        return {symbol.name: symbol.size for symbol in self.functions if not symbol.local}

    @cached_property
    def file(self) -> str:
        """The source's name without its folder, where the symbol table gives it."""
        return next((symbol.file for symbol in self.symbols if symbol.file), "")


def read_code(elf: bytes) -> Code:
    """Read an ELF object or executable. Raises ObjectFormatError."""
    header, sections = read_object(elf)
    executable = {s.index: (s.name, s.size) for s in sections if s.flags & _EXECUTABLE}
    table = next((section for section in sections if section.type == "SHT_SYMTAB"), None)
    if table is None:
        return Code((), executable)
    with damage_typed():
        names = sections[table.link].data()
        return Code(tuple(_defined(list(unpack_symbols(header, table.data())), names)), executable)


def _defined(entries: list[tuple[int, int, int, int, int, int]], names: bytes) -> Iterator[Symbol]:
    file, group = "", 0
    for name_at, info, _, index, value, size in entries:
        name = names[name_at : names.index(b"\0", name_at)].decode("utf-8", "replace")
        kind, binding = info & 0xF, info >> 4
        if kind == _FILE:
            file, group = name, group + 1
        elif 0 < index < _FIRST_RESERVED_INDEX and kind in (*_FUNCTIONS, _DATA):
            local = binding == _LOCAL
            yield Symbol(
                name.split("@")[0], value, size, index, kind in _FUNCTIONS, local, binding == _WEAK,
                file if local else "", group if local else 0,
            )  # fmt: skip
