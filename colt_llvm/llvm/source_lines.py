"""Where the functions, calls and loops of a front end's IR stand in the source, and what the source says of them.

Read from IR that was made with debug line tables (-gline-tables-only). Calls and loops have the numbers that
decisions name them by.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from ctypes import byref, c_uint, string_at
from dataclasses import dataclass, field
from pathlib import Path

from colt_llvm.llvm import ir
from colt_llvm.llvm.decide import operands
from colt_llvm.llvm.library import Library
from colt_llvm.llvm.module import Module

_LOCATION = 5  # LLVMDILocationMetadataKind
_NAME_OPERAND = 2  # of a DISubprogram: file, scope, name
#: What a sum or product of floating-point numbers is made of: LLVMFAdd, LLVMFSub, LLVMFMul, and calls.
_FLOAT_OPCODES, _FLOAT_CALLS = (9, 11, 13), ("llvm.fmuladd.", "llvm.fma.")
#: Attributes that decisions set.
_STEERING = ("alwaysinline", "noinline", "minsize", "optsize")


@dataclass(frozen=True, order=True)
class Place:
    """A place in a source file."""

    file: Path  #: its real path
    line: int  #: from 1
    column: int = 0  #: in bytes, from 1; 0 where only the line is known


@dataclass
class SourceFunction:
    """One function that has a body."""

    symbol: str
    name: str  #: as the source has it, with template arguments; "" where the compiler made the function up
    place: Place | None  #: of its name
    attributes: frozenset[str] = frozenset()  #: of those that decisions set
    calls: dict[tuple[str, int], Place | None] = field(default_factory=dict)  #: callee and number -> where
    call_attributes: dict[tuple[str, int], frozenset[str]] = field(default_factory=dict)  #: said at the call itself
    loops: dict[int, Place | None] = field(default_factory=dict)  #: number -> where it begins
    hints: dict[int, Mapping[str, int | None]] = field(default_factory=dict)  #: its llvm.loop metadata, name -> value
    floats: bool = False  #: whether it adds or multiplies floating-point numbers itself


def source_functions(library: Library, bitcode: bytes) -> dict[str, SourceFunction]:
    """Every function with a body, by symbol. Raises InvalidIR."""
    with Module.parse(library, bitcode) as module:
        return {
            found.symbol: found
            for found in (_Reader(library, function).read() for function in ir.functions(library, module.handle))
        }


class _Reader:
    def __init__(self, library: Library, function: int) -> None:
        self._library, self._call, self._function = library, library.call, function
        self._context = self._call.LLVMGetModuleContext(self._call.LLVMGetGlobalParent(function))

    def read(self) -> SourceFunction:
        library, function = self._library, self._function
        found = SourceFunction(ir.name_of(library, function), "", None)
        found.attributes = frozenset(name for name in _STEERING if ir.has_attribute(library, function, name))
        subprogram = self._call.LLVMGetSubprogram(function)
        if subprogram:
            found.place = Place(self._file(subprogram), self._call.LLVMDISubprogramGetLine(subprogram))
            found.name = self._name(subprogram)
        numbers: Counter[str] = Counter()
        for call, callee in ir.direct_calls(library, function):
            symbol = ir.name_of(library, callee)
            numbers[symbol] += 1
            location = self._call.LLVMInstructionGetDebugLoc(call)
            found.calls[symbol, numbers[symbol]] = self._place(location) if location else None
            found.call_attributes[symbol, numbers[symbol]] = frozenset(
                name for name in _STEERING if ir.call_has_attribute(library, call, name)
            )
        kind = self._call.LLVMGetMDKindIDInContext(self._context, b"llvm.loop", 9)
        for number, terminators in enumerate(ir.latches(library, function), start=1):
            found.loops[number], found.hints[number] = self._loop(terminators[0], kind)
        found.floats = any(symbol.startswith(_FLOAT_CALLS) for symbol, _ in found.calls) or any(
            self._call.LLVMGetInstructionOpcode(instruction) in _FLOAT_OPCODES
            for block in ir.blocks(library, function)
            for instruction in ir.instructions(library, block)
        )
        return found

    def _loop(self, latch: int, kind: int) -> tuple[Place | None, Mapping[str, int | None]]:
        """Its first location is where it begins, its second where it ends; the rest are hints."""
        node = self._call.LLVMGetMetadata(latch, kind)
        place: Place | None = None
        hints: dict[str, int | None] = {}
        for operand in operands(self._library, node)[1:] if node else []:
            if not operand or not self._call.LLVMIsAMDNode(operand):
                continue
            metadata = self._call.LLVMValueAsMetadata(operand)
            if self._call.LLVMGetMetadataKind(metadata) == _LOCATION:
                place = place or self._place(metadata)
                continue
            first, *rest = operands(self._library, operand) or [None]
            number = rest[0] if rest and rest[0] and self._call.LLVMIsAConstantInt(rest[0]) else None
            hints[self._text(first)] = self._call.LLVMConstIntGetZExtValue(number) if number else None
        return place, hints

    def _name(self, subprogram: int) -> str:
        parts = operands(self._library, self._call.LLVMMetadataAsValue(self._context, subprogram))
        return self._text(parts[_NAME_OPERAND])

    def _place(self, location: int) -> Place:
        scope = self._call.LLVMDILocationGetScope(location)
        line, column = self._call.LLVMDILocationGetLine(location), self._call.LLVMDILocationGetColumn(location)
        return Place(self._file(scope), line, column)

    def _file(self, scope: int) -> Path:
        file = self._call.LLVMDIScopeGetFile(scope)
        if not file:
            return Path()
        parts = []
        for read in (self._call.LLVMDIFileGetDirectory, self._call.LLVMDIFileGetFilename):
            length = c_uint()
            text = read(file, byref(length))
            parts.append(string_at(text, length.value).decode("utf-8", "surrogateescape") if text else "")
        return Path(os.path.realpath(Path(*parts)))

    def _text(self, value: int | None) -> str:
        length = c_uint()
        text = self._call.LLVMGetMDString(value, byref(length)) if value else None
        return string_at(text, length.value).decode("utf-8", "surrogateescape") if text else ""
