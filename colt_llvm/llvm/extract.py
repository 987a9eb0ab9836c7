"""Parts of a module as modules of their own: some functions as they are, everything else declared.

In a part a function is optimised and compiled nearly as in the whole, at the cost of the part alone. Small callees come
along, for the inliner and for what is deduced of them. What others may write is declared, so that nothing is concluded
from who is not there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from ctypes import c_void_p
from dataclasses import dataclass

from colt_llvm.core.errors import InvalidIR
from colt_llvm.llvm import ir
from colt_llvm.llvm.library import Library
from colt_llvm.llvm.module import Module

#: Values of LLVMLinkage and LLVMVisibility that have not changed since LLVM 3.
_EXTERNAL, _AVAILABLE_EXTERNALLY = 0, 1
_INTERNAL, _PRIVATE = _LOCAL = (8, 9)
_LINK_ONCE = (2, 3)
_HIDDEN = 1
_ITSELF = 0xFFFFFFFF
#: Instructions of the front end's IR: a callee of no more keeps its body, wherever it belongs.
_SMALL = 40
#: A user that is no function.
_ELSEWHERE = ""


@dataclass(frozen=True)
class _Functions:
    """Of the whole module, by symbol."""

    sizes: Mapping[str, int]  #: instructions
    callees: Mapping[str, Collection[str]]  #: with a body
    users: Mapping[str, set[str]]  #: functions that name it, and _ELSEWHERE

    def needed(self, group: Collection[str]) -> set[str]:
        """The group, and small functions that it calls, and those that they call."""
        found, waiting = set(group), list(group)
        while waiting:
            for callee in self.callees.get(waiting.pop(), ()):
                if callee not in found and self.sizes[callee] <= _SMALL:
                    found.add(callee)
                    waiting.append(callee)
        return found


def extract(library: Library, bitcode: bytes, groups: Sequence[Collection[str]]) -> Iterator[tuple[int, bytes]]:
    """A module for each group of functions, by their symbols, with the group's number; none where it has none of them.

    The module is halved again and again, so that all parts cost a few times as much as the whole. Raises InvalidIR.
    """
    with Module.parse(library, bitcode) as module:
        if library.call.LLVMGetFirstGlobalIFunc(module.handle):
            raise InvalidIR("a module with ifuncs cannot be taken apart; tune it as a whole")
        functions = _read(module)
    here = [(number, {*group} & functions.sizes.keys()) for number, group in enumerate(groups)]
    yield from _extracted(library, bitcode, [(number, group) for number, group in here if group], functions)


def _read(module: Module) -> _Functions:
    library = module.library
    names = {function: ir.name_of(library, function) for function in ir.functions(library, module.handle)}
    sizes, callees, users = {}, {}, {}
    for function, name in names.items():
        sizes[name] = sum(1 for block in ir.blocks(library, function) for _ in ir.instructions(library, block))
        callees[name] = {names[callee] for _, callee in ir.direct_calls(library, function) if callee in names}
        users[name] = {names.get(user, _ELSEWHERE) for user in ir.users(library, function)}
    return _Functions(sizes, callees, users)


def _extracted(
    library: Library, bitcode: bytes, groups: Sequence[tuple[int, set[str]]], functions: _Functions
) -> Iterator[tuple[int, bytes]]:
    half = len(groups) // 2
    for some in (groups[:half], groups[half:]):
        if not some:
            continue
        with Module.parse(library, bitcode) as module:
            _declare_others(module, set().union(*(functions.needed(group) for _, group in some)))
            _set_linkage(module, set().union(*(group for _, group in some)), functions)
            module.run("globaldce,strip-dead-prototypes")
            part = module.bitcode()
        if len(some) == 1:
            yield some[0][0], part
        else:
            yield from _extracted(library, part, some, functions)


def _declare_others(module: Module, kept: Collection[str]) -> None:
    """All but these functions and constants are declared only."""
    library, call = module.library, module.library.call
    for alias in _each(library, module, "GlobalAlias"):
        call.LLVMReplaceAllUsesWith(alias, call.LLVMAliasGetAliasee(alias))
        call.LLVMSetLinkage(alias, _INTERNAL)  # nobody uses it: it goes
    for variable in _each(library, module, "Global"):
        if ir.name_of(library, variable).startswith("llvm."):
            call.LLVMDeleteGlobal(variable)
        elif not call.LLVMIsDeclaration(variable):
            if not call.LLVMIsGlobalConstant(variable):
                call.LLVMSetInitializer(variable, None)
                _set_external(library, variable, _EXTERNAL)
            elif call.LLVMGetLinkage(variable) not in _LOCAL:
                _set_external(library, variable, _AVAILABLE_EXTERNALLY)
    for function in list(ir.functions(library, module.handle)):
        if ir.name_of(library, function) not in kept:
            _declare(module, function)


def _set_linkage(module: Module, group: set[str], functions: _Functions) -> None:
    """What is used outside of the group stays there for it; what is not goes with its last call, as in the whole."""
    library, call = module.library, module.library.call
    for function in ir.functions(library, module.handle):
        name = ir.name_of(library, function)
        discardable = call.LLVMGetLinkage(function) in (*_LOCAL, *_LINK_ONCE)
        if name not in group or not discardable or not group >= functions.users[name]:
            _set_external(library, function, _EXTERNAL)


def _each(library: Library, module: Module, kind: str) -> list[int]:
    found = []
    value = getattr(library.call, f"LLVMGetFirst{kind}")(module.handle)
    while value:
        found.append(value)
        value = getattr(library.call, f"LLVMGetNext{kind}")(value)
    return found


def _set_external(library: Library, value: int, linkage: int) -> None:
    """What was local stays near: it is addressed as before."""
    call = library.call
    local = call.LLVMGetLinkage(value) in _LOCAL
    call.LLVMSetComdat(value, None)
    call.LLVMSetLinkage(value, linkage)
    if local:
        call.LLVMSetVisibility(value, _HIDDEN)


def _declare(module: Module, function: int) -> None:
    """A declaration in place of a function."""
    library, call = module.library, module.library.call
    name = ir.name_of(library, function).encode("utf-8", "surrogateescape")
    call.LLVMSetValueName2(function, b"", 0)
    declared = call.LLVMAddFunction(module.handle, name, call.LLVMGlobalGetValueType(function))
    call.LLVMSetFunctionCallConv(declared, call.LLVMGetFunctionCallConv(function))
    local = call.LLVMGetLinkage(function) in _LOCAL
    call.LLVMSetVisibility(declared, _HIDDEN if local else call.LLVMGetVisibility(function))
    for index in (_ITSELF, *range(call.LLVMCountParams(function) + 1)):
        count = call.LLVMGetAttributeCountAtIndex(function, index)
        attributes = (c_void_p * count)()
        call.LLVMGetAttributesAtIndex(function, index, attributes)
        for attribute in attributes:
            call.LLVMAddAttributeAtIndex(declared, index, attribute)
    call.LLVMReplaceAllUsesWith(function, declared)
    call.LLVMDeleteFunction(function)
