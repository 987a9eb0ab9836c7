"""A module's functions, blocks, calls and loops, and the attributes of functions and calls, by the C API."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from ctypes import byref, c_size_t, c_uint, string_at

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
    """Of an LLVMValueRef; bytes that are not UTF-8 as surrogates."""
    return str(library.call.LLVMGetValueName2(value, c_size_t()).decode("utf-8", "surrogateescape"))


def blocks(library: Library, function: int) -> Iterator[int]:
    """Every LLVMBasicBlockRef of a function, in order."""
    block = library.call.LLVMGetFirstBasicBlock(function)
    while block:
        yield block
        block = library.call.LLVMGetNextBasicBlock(block)


def instructions(library: Library, block: int) -> Iterator[int]:
    """Every instruction of a block, in order."""
    instruction = library.call.LLVMGetFirstInstruction(block)
    while instruction:
        yield instruction
        instruction = library.call.LLVMGetNextInstruction(instruction)


def successors(library: Library, block: int) -> list[int]:
    """The blocks that may come after this one."""
    call = library.call
    terminator = call.LLVMGetBasicBlockTerminator(block)
    count = call.LLVMGetNumSuccessors(terminator) if terminator else 0
    return [call.LLVMGetSuccessor(terminator, index) for index in range(count)]


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
    """Whether a function has this attribute of LLVM's own."""
    return bool(library.call.LLVMGetEnumAttributeAtIndex(function, _ITSELF, _kind(library, name)))


def has_text_attribute(library: Library, function: int, name: str) -> bool:
    """Whether a function has a text attribute of this name, whatever it says."""
    encoded = name.encode()
    return bool(library.call.LLVMGetStringAttributeAtIndex(function, _ITSELF, encoded, len(encoded)))


def text_attribute(library: Library, function: int, name: str) -> str | None:
    """What a function's text attribute of this name says; None where it has none."""
    encoded, length = name.encode(), c_uint()
    attribute = library.call.LLVMGetStringAttributeAtIndex(function, _ITSELF, encoded, len(encoded))
    if not attribute:
        return None
    return string_at(library.call.LLVMGetStringAttributeValue(attribute, byref(length)), length.value).decode()


def users(library: Library, value: int) -> Iterator[int]:
    """The functions whose instructions use a value; 0 for a use that is no instruction's."""
    call = library.call
    use = call.LLVMGetFirstUse(value)
    while use:
        user = call.LLVMIsAInstruction(call.LLVMGetUser(use))
        yield call.LLVMGetBasicBlockParent(call.LLVMGetInstructionParent(user)) if user else 0
        use = call.LLVMGetNextUse(use)


def assembly_names(library: Library, function: int, registers: Collection[str]) -> bool:
    """Whether assembly in a function names a register that ends so, as operand, in its text or as clobbered."""
    call = library.call
    for block in blocks(library, function):
        for instruction in instructions(library, block):
            if call.LLVMGetInstructionOpcode(instruction) in _CALL_OPCODES:
                called = call.LLVMGetCalledValue(instruction)
                if call.LLVMIsAInlineAsm(called):
                    text = library.take_message(call.LLVMPrintValueToString(called))
                    if any(word.endswith(tuple(registers)) for word in re.findall(r"\w+", text)):
                        return True
    return False


def call_has_attribute(library: Library, call: int, name: str) -> bool:
    """Whether this is said at the call itself, not of what it calls."""
    return bool(library.call.LLVMGetCallSiteEnumAttribute(call, _ITSELF, _kind(library, name)))


def add_attribute(library: Library, module: int, function: int, name: str, value: str = "") -> None:
    """An attribute of LLVM's own; with a value, a text attribute."""
    library.call.LLVMAddAttributeAtIndex(function, _ITSELF, _attribute(library, module, name, value))


def add_call_attribute(library: Library, module: int, call: int, name: str) -> None:
    """An attribute of LLVM's own, of one call."""
    library.call.LLVMAddCallSiteAttribute(call, _ITSELF, _attribute(library, module, name, ""))


def remove_attribute(library: Library, function: int, name: str) -> None:
    """Take an attribute of LLVM's own from a function, if it has it."""
    library.call.LLVMRemoveEnumAttributeAtIndex(function, _ITSELF, _kind(library, name))


def remove_call_attribute(library: Library, call: int, name: str) -> None:
    """Take an attribute of LLVM's own from a call, if it has it."""
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


def latches(library: Library, function: int) -> list[list[int]]:
    """For each loop, the terminators that jump back to its header.

    A back edge is one to a block that dominates where it comes from; irreducible cycles are no loops. Dominators are
    found by iteration in reverse postorder (Cooper, Harvey, Kennedy 2001).
    """
    call = library.call
    order, following = _reverse_postorder(library, function)
    number = {block: index for index, block in enumerate(order)}
    predecessors: list[list[int]] = [[] for _ in order]
    for block in order:
        for successor in following[block]:
            predecessors[number[successor]].append(number[block])
    dominator = _dominators(predecessors)
    found: list[list[int]] = []
    for header in range(len(order)):
        sources = [p for p in predecessors[header] if _dominates(dominator, header, p)]
        if sources:
            found.append([call.LLVMGetBasicBlockTerminator(order[source]) for source in dict.fromkeys(sources)])
    return found


def _reverse_postorder(library: Library, function: int) -> tuple[list[int], dict[int, list[int]]]:
    call = library.call
    entry = call.LLVMGetFirstBasicBlock(function)
    known: dict[int, list[int]] = {}
    finished: list[int] = []
    stack = [(entry, iter(_noted(library, entry, known)))] if entry else []
    while stack:
        block, rest = stack[-1]
        for successor in rest:
            if successor not in known:
                stack.append((successor, iter(_noted(library, successor, known))))
                break
        else:
            finished.append(block)
            stack.pop()
    return finished[::-1], known


def _noted(library: Library, block: int, known: dict[int, list[int]]) -> list[int]:
    known[block] = successors(library, block)
    return known[block]


def _dominators(predecessors: list[list[int]]) -> list[int]:
    """The immediate dominator of each block, by number; the entry's is itself."""
    dominator = [0] + [-1] * (len(predecessors) - 1)
    changed = True
    while changed:
        changed = False
        for block in range(1, len(predecessors)):
            best = -1
            for other in predecessors[block]:
                if dominator[other] < 0:
                    continue
                best = other if best < 0 else _meet(dominator, other, best)
            if dominator[block] != best:
                dominator[block], changed = best, True
    return dominator


def _meet(dominator: list[int], a: int, b: int) -> int:
    while a != b:
        while a > b:
            a = dominator[a]
        while b > a:
            b = dominator[b]
    return a


def _dominates(dominator: list[int], a: int, b: int) -> bool:
    while b > a:
        b = dominator[b]
    return a == b
