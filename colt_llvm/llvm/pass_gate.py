"""Passes that are left out for one function, wherever in a pipeline they come.

LLVM asks a gate before every optional pass whether it runs on this function, loop or call graph component: what
``opt -bisect-limit`` is made of. Here the gate is an object of ours. Which passes a function goes without stands in
its text attribute ATTRIBUTE, so that it is kept with the module. A pass that is not run changes no meaning.

The gate is a C++ object with virtual functions (``llvm::OptPassGate``), laid out by hand for the Itanium ABI.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ctypes import CFUNCTYPE, c_bool, c_size_t, c_uint, c_void_p, string_at

from colt_llvm.llvm import ir
from colt_llvm.llvm.library import Library

ATTRIBUTE = "colt-skip"
_ITSELF = 0xFFFFFFFF
_OF_LOOP = b" in function "
_ShouldRun = CFUNCTYPE(c_bool, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t)
_IsEnabled = CFUNCTYPE(c_bool, c_void_p)
_Destroy = CFUNCTYPE(None, c_void_p)


def skipped_passes(library: Library, module: int) -> dict[bytes, frozenset[bytes]]:
    """Function -> names of the passes that it goes without; only of those that have any."""
    found = {}
    for function in ir.functions(library, module):
        attribute = library.call.LLVMGetStringAttributeAtIndex(function, _ITSELF, ATTRIBUTE.encode(), len(ATTRIBUTE))
        if attribute:
            length = c_uint()
            text = library.call.LLVMGetStringAttributeValue(attribute, ctypes.byref(length))
            names = frozenset(string_at(text, length.value).split(b","))
            found[ir.name_of(library, function).encode("utf-8", "surrogateescape")] = names
    return found


class _Gate:
    """Lives as long as a context knows of it."""

    def __init__(self, skipped: Mapping[bytes, frozenset[bytes]]) -> None:
        self.enabled = True
        self._skipped = skipped
        self._passes = frozenset(name for names in skipped.values() for name in names)
        # Kept: C++ holds their addresses.
        self._functions = _ShouldRun(self._runs), _IsEnabled(lambda _: self.enabled), _Destroy(lambda _: None)
        should_run, is_enabled, destroy = (ctypes.cast(function, c_void_p) for function in self._functions)
        self._table = (c_void_p * 4)(destroy, destroy, should_run, is_enabled)
        self._object = (c_void_p * 1)(ctypes.addressof(self._table))

    @property
    def address(self) -> int:
        return ctypes.addressof(self._object)

    def _runs(self, _: int, name: int, name_length: int, place: int, place_length: int) -> bool:
        passed = string_at(name, name_length)
        if passed not in self._passes:
            return True
        where = string_at(place, place_length)
        if where.startswith(b"("):
            where = where[1:-1]
        elif _OF_LOOP in where:
            where = where.rpartition(_OF_LOOP)[2]
        return passed not in self._skipped.get(where, ())


#: Context -> its gate: libLLVM does not say when it lets go of one, so each is kept until the context's next one.
_kept: dict[int, _Gate] = {}


@contextmanager
def gate(library: Library, module: int) -> Iterator[None]:
    """While passes run over this LLVMModuleRef, those are left out that its functions' attributes say."""
    skipped = skipped_passes(library, module) if library.set_pass_gate is not None else {}
    if not skipped:
        yield
        return
    context = library.call.LLVMGetModuleContext(module)
    held = _kept[context] = _Gate(skipped)
    library.set_pass_gate(context, held.address)
    try:
        yield
    finally:
        held.enabled = False  # code generation asks too, and goes by other names


def forget(context: int) -> None:
    """The context is gone, and with it whoever could ask."""
    _kept.pop(context, None)
