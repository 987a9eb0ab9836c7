"""Attributes of functions and calls, and what marks a loop: the levers of a decision in LLVM's IR, by the C API."""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import c_size_t

from colt_llvm.llvm.library import Library

#: LLVMAttributeFunctionIndex: of the function or call itself, not of its result or an argument.
_ITSELF = 0xFFFFFFFF
_CALL_OPCODES = (45, 5)  # LLVMCall, LLVMInvoke


def functions(library: Library, module: int) -> Iterator[int]:
    """Every function of an LLVMModuleRef that has a body, in the module's order."""
    call = library.call
    function = call.LLVMGetFirstFunction(module)
    while function:
        if not call.LLVMIsDeclaration(function):
            yield function
        function = call.LLVMGetNextFunction(function)


def name_of(library: Library, value: int) -> str:
    return str(library.call.LLVMGetValueName2(value, c_size_t()).decode("utf-8", "surrogateescape"))


def blocks(library: Library, function: int) -> Iterator[int]:
    block = library.call.LLVMGetFirstBasicBlock(function)
    while block:
        yield block
        block = library.call.LLVMGetNextBasicBlock(block)


def instructions(library: Library, block: int) -> Iterator[int]:
    instruction = library.call.LLVMGetFirstInstruction(block)
    while instruction:
        yield instruction
        instruction = library.call.LLVMGetNextInstruction(instruction)


def direct_calls(library: Library, function: int) -> Iterator[tuple[int, int]]:
    """Calls and invokes of functions that are named in the code, intrinsics included: (call, callee)."""
    call = library.call
    for block in blocks(library, function):
        for instruction in instructions(library, block):
            if call.LLVMGetInstructionOpcode(instruction) in _CALL_OPCODES:
                callee = call.LLVMIsAFunction(call.LLVMGetCalledValue(instruction))
                if callee:
                    yield instruction, callee


def has_attribute(library: Library, function: int, name: str) -> bool:
    return bool(library.call.LLVMGetEnumAttributeAtIndex(function, _ITSELF, _kind(library, name)))


def add_attribute(library: Library, module: int, function: int, name: str, value: str = "") -> None:
    """An attribute of LLVM's own; with a value, a text attribute."""
    library.call.LLVMAddAttributeAtIndex(function, _ITSELF, _attribute(library, module, name, value))


def add_call_attribute(library: Library, module: int, call: int, name: str) -> None:
    library.call.LLVMAddCallSiteAttribute(call, _ITSELF, _attribute(library, module, name, ""))


def remove_attribute(library: Library, function: int, name: str) -> None:
    library.call.LLVMRemoveEnumAttributeAtIndex(function, _ITSELF, _kind(library, name))


def remove_call_attribute(library: Library, call: int, name: str) -> None:
    library.call.LLVMRemoveCallSiteEnumAttribute(call, _ITSELF, _kind(library, name))


def _kind(library: Library, name: str) -> int:
    encoded = name.encode()
    return int(library.call.LLVMGetEnumAttributeKindForName(encoded, len(encoded)))


def _attribute(library: Library, module: int, name: str, value: str) -> int:
    call = library.call
    context = call.LLVMGetModuleContext(module)
    if value:
        key, text = name.encode(), value.encode()
        return int(call.LLVMCreateStringAttribute(context, key, len(key), text, len(text)))
    return int(call.LLVMCreateEnumAttribute(context, _kind(library, name), 0))
