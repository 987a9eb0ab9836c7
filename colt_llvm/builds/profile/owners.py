"""Whose code it is: from an address in the linked program to the unit that it came from.

A global function belongs to the unit that defines it. Local functions of equal names are told apart by the source's
name, then by the other local symbols of the same source, then by where the unit's sections lie, then by the order of
the link. What all of that leaves open is split evenly.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from colt_llvm.llvm.elf import damage_typed, read_object, unpack_symbols

#: Linkers gather these apart from the rest of a file's code, so they tell nothing of the order of files.
_GATHERED = (".text.unlikely", ".text.startup", ".text.hot", ".text.exit")
_EXECUTABLE = 0x4
_FILE, _FUNCTIONS, _DATA = 4, (2, 10), 1  # STT_FILE; STT_FUNC and STT_GNU_IFUNC; STT_OBJECT
_LOCAL, _WEAK = 0, 2
_FIRST_RESERVED_INDEX = 0xFF00


@dataclass(frozen=True)
class Span:
    """A range of addresses, and whose code it is."""

    start: int
    end: int  # the first address after it
    function: str
    units: Mapping[str, float]  # unit -> share, together 1; empty where it is nobody's


class Owners:
    """Finds units by address or by name, in one executable that was linked from these objects."""

    def __init__(self, executable: bytes, objects: Mapping[str, bytes]) -> None:
        """executable: its content. objects: unit -> its object. Raises ObjectFormatError."""
        self._program = read_code(executable)
        self._units = {name: read_code(content) for name, content in objects.items()}
        self._definers = _definers(self._units)
        self._addresses = {s.name: s.value for s in self._program.functions if not s.local}
        self._bases = {name: self._find_bases(name, code) for name, code in self._units.items()}
        self._places = {name: self._find_place(name, code) for name, code in self._units.items()}
        self._groups = self._match_groups()
        self._spans = sorted(self._symbol_spans(), key=lambda span: span.start)
        self._starts = [span.start for span in self._spans]
        self._sections = self._section_spans()

    @property
    def known(self) -> bool:
        """Whether any unit was found; none is in a stripped program."""
        return any(span.units for span in self._spans)

    def at(self, address: int) -> Span:
        """The function at this address, by the executable's headers."""
        index = bisect_right(self._starts, address) - 1
        if index >= 0 and address < self._spans[index].end:
            return self._spans[index]
        # The linker may have left local symbols out; where the unit's code lies is known all the same.
        for span in self._sections:
            if span.start <= address < span.end:
                return span
        return Span(address, address + 1, "", {})

    def named(self, function: str, path: str = "") -> Mapping[str, float]:
        """Shares of the units that this function may come from. path: of a static function, its source."""
        if not path:
            return self._shares(self._first_linked(self._definers.get(function, ())))
        parts = path.split("/")
        candidates = [name for name, code in self._units.items() if code.file == parts[-1]]
        candidates = _longest_common_tail(candidates, parts)
        having = [c for c in candidates if any(name == function for name, _, _ in self._units[c].locals)]
        return self._shares(having or candidates)

    def _shares(self, units: Sequence[str]) -> dict[str, float]:
        return {unit: 1 / len(units) for unit in units}

    def _first_linked(self, units: Sequence[str]) -> Sequence[str]:
        """Of several definitions the linker keeps the first one that it meets."""
        places = {unit: self._places[unit] for unit in units}
        known = [(place, unit) for unit, place in places.items() if place is not None]
        return [min(known)[1]] if known and len(known) == len(units) else units

    def _find_bases(self, name: str, code: Code) -> dict[int, int]:
        """Section index -> its address, where the unit's own global functions agree on it."""
        votes: dict[int, set[int]] = defaultdict(set)
        for symbol in code.functions:
            if not symbol.local and self._definers[symbol.name] == [name] and symbol.name in self._addresses:
                votes[symbol.section].add(self._addresses[symbol.name] - symbol.value)
        return {section: bases.pop() for section, bases in votes.items() if len(bases) == 1}

    def _find_place(self, name: str, code: Code) -> int | None:
        """An address that orders units as the linker met them."""
        bases = self._bases[name].items()
        return min((base for index, base in bases if not code.sections[index][0].startswith(_GATHERED)), default=None)

    def _match_groups(self) -> dict[int, list[str]]:
        """Group of local symbols in the program -> the units that it may be."""
        members: dict[int, list[Symbol]] = defaultdict(list)
        for symbol in self._program.symbols:
            if symbol.local and symbol.group and symbol.file:
                members[symbol.group].append(symbol)
        found = {group: self._candidates(symbols) for group, symbols in members.items()}
        alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for group, units in sorted(found.items()):
            if len(units) > 1:
                alike[tuple(units)].append(group)
        for names, groups in alike.items():
            places = [(place, name) for name in names if (place := self._places[name]) is not None]
            if len(places) == len(groups) == len(names):
                found.update((group, [name]) for group, (_, name) in zip(groups, sorted(places), strict=True))
        return found

    def _candidates(self, symbols: Sequence[Symbol]) -> list[str]:
        wanted = {symbol.signature for symbol in symbols}
        functions = [symbol for symbol in symbols if symbol.function]
        same_file = {n: c for n, c in self._units.items() if c.file == symbols[0].file and wanted <= c.locals}
        # Leaving out unused sections takes symbols away; where nothing was taken, equal sets are the better match.
        return self._fitting(functions, [n for n, c in same_file.items() if c.locals == wanted] or list(same_file))

    def _fitting(self, functions: Sequence[Symbol], units: Sequence[str]) -> list[str]:
        """The unit whose code is known to lie where these functions are, else all that may lie there."""
        known = {unit: [self._lies_at(unit, symbol) for symbol in functions] for unit in units}
        certain = [unit for unit, answers in known.items() if True in answers and False not in answers]
        return certain or [unit for unit, answers in known.items() if False not in answers]

    def _lies_at(self, unit: str, symbol: Symbol) -> bool | None:
        """Whether the unit's local function of this name and size came to lie there; None where nothing tells."""
        bases = self._bases[unit]
        own = self._units[unit].local_functions.get(symbol.signature, [])
        if any(s.section in bases and bases[s.section] + s.value == symbol.value for s in own):
            return True
        return None if any(s.section not in bases for s in own) else False

    def _owners(self, symbol: Symbol) -> Sequence[str]:
        if not symbol.local:
            definers = self._definers.get(symbol.name, [])
            sized = [unit for unit in definers if self._units[unit].global_sizes[symbol.name] == symbol.size]
            return self._first_linked(sized or definers)
        if units := self._groups.get(symbol.group):
            return units
        # Locals of an object without a source's name (assembly) follow those of the object before it.
        having = [name for name, code in self._units.items() if symbol.signature in code.locals]
        return self._fitting([symbol], having)

    def _symbol_spans(self) -> list[Span]:
        best: dict[int, Span] = {}
        for symbol in self._program.functions:
            span = Span(symbol.value, symbol.value + symbol.size, symbol.name, self._shares(self._owners(symbol)))
            other = best.get(symbol.value)
            if other is None or (bool(span.units), span.end) > (bool(other.units), other.end):
                best[symbol.value] = span
        return list(best.values())

    def _section_spans(self) -> list[Span]:
        return [
            Span(base, base + self._units[name].sections[index][1], "", {name: 1.0})
            for name, bases in self._bases.items()
            for index, base in bases.items()
        ]


def _definers(units: Mapping[str, Code]) -> dict[str, list[str]]:
    """Global function -> the units that define it; weak definitions count only where there is no other."""
    strong: dict[str, list[str]] = defaultdict(list)
    weak: dict[str, list[str]] = defaultdict(list)
    for name, code in units.items():
        for symbol in code.functions:
            if not symbol.local:
                (weak if symbol.weak else strong)[symbol.name].append(name)
    return {**weak, **strong}


def _longest_common_tail(units: Sequence[str], path: Sequence[str]) -> list[str]:
    """The units whose names (of source or object) end as the path does, for as many folders as any of them."""

    def common(unit: str) -> int:
        count = 0
        for a, b in zip(reversed(_plain(unit.split("/"))), reversed(_plain(path)), strict=False):
            if a != b:
                break
            count += 1
        return count

    longest = max(map(common, units), default=0)
    return [unit for unit in units if common(unit) == longest]


def _plain(parts: Sequence[str]) -> list[str]:
    """Without suffixes, so that util.c, util.o and util.c.o are the same."""
    return [*parts[:-1], parts[-1].split(".")[0]]


@dataclass(frozen=True)
class Symbol:
    """A function or variable that an object or executable defines."""

    name: str
    value: int  # address in an executable, offset in its section in an object
    size: int  # bytes
    section: int  # index
    function: bool
    local: bool
    weak: bool
    file: str  # of a local one, the source's name from the STT_FILE symbol before it
    group: int  # of a local one, how many STT_FILE symbols come before it: equal source names stay apart

    @property
    def signature(self) -> tuple[str, int, bool]:
        """What stays the same when the linker moves it."""
        return self.name, self.size, self.function


@dataclass(frozen=True)
class Code:
    """Symbols and executable sections of an object or executable."""

    symbols: tuple[Symbol, ...]
    sections: dict[int, tuple[str, int]]  # index -> (name, bytes)

    @cached_property
    def functions(self) -> tuple[Symbol, ...]:
        """Those symbols that are functions."""
        return tuple(symbol for symbol in self.symbols if symbol.function)

    @cached_property
    def locals(self) -> frozenset[tuple[str, int, bool]]:
        """Signatures of local symbols."""
        return frozenset(symbol.signature for symbol in self.symbols if symbol.local)

    @cached_property
    def local_functions(self) -> dict[tuple[str, int, bool], list[Symbol]]:
        """Signature -> local functions."""
        found: dict[tuple[str, int, bool], list[Symbol]] = {}
        for symbol in self.functions:
            if symbol.local:
                found.setdefault(symbol.signature, []).append(symbol)
        return found

    @cached_property
    def global_sizes(self) -> dict[str, int]:
        """Global function -> its bytes."""
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
