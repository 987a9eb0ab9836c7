"""Applies decisions to a module: attributes, and metadata of loops. The meaning of the program stays as it is.

A decision about what is not there does nothing, so that one list serves all modules of a program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from ctypes import byref, c_uint, c_void_p, string_at

from colt_llvm.core.errors import PipelineSyntaxError
from colt_llvm.llvm import ir
from colt_llvm.llvm.decision import AFTER, BEFORE, CODEGEN, EVERY, SKIP, Decision
from colt_llvm.llvm.ir import latches
from colt_llvm.llvm.library import Library
from colt_llvm.llvm.pass_gate import ATTRIBUTE

#: Kept with each function of a module with a decision that LLVM would take as leave to reorder floating-point numbers.
SOURCE_ORDER = "colt-source-order"
#: A function with one of these is left alone: the source demands it, or nothing may be done to it.
UNTOUCHABLE = ("naked", "optnone")
#: A function may only be forced into one that has the same of these: rounding and exceptions, what processor there is.
_SURROUNDINGS, _TEXT_SURROUNDINGS = ("strictfp",), ("target-cpu", "target-features", "no-builtins")
#: What the frame pointer is called in assembly: x86-64, AArch64.
_FRAME_REGISTERS = ("bp", "x29", "fp")
_LEVELS = ("minsize", "optsize")
_OPPOSITE = {"alwaysinline": "noinline", "noinline": "alwaysinline"}
Entries = Sequence[tuple[str, bool | int | None]]
_LOOP_METADATA: dict[str, Entries] = {
    "nounroll": (("llvm.loop.unroll.disable", None),),
    "novectorize": (("llvm.loop.vectorize.width", 1), ("llvm.loop.interleave.count", 1)),
    "distribute": (("llvm.loop.distribute.enable", True),),
}


def decide(library: Library, module: int, decisions: Sequence[Decision], machine: int | None = None) -> None:
    """Apply all of them to an LLVMModuleRef. Those about all functions come first, then one by one.

    machine: the LLVMTargetMachineRef that passes over a function are told. Raises PipelineSyntaxError.
    """
    for decision in sorted(decisions, key=lambda d: (d.function != EVERY, d)):
        if refusal := refused_switch(library, decision.kind):
            raise PipelineSyntaxError(f"{decision}: {refusal}; leave it out")
        for function in _functions(library, module, decision.function):
            if decision.kind in (BEFORE, AFTER):
                _run_passes(library, function, decision, machine)
            elif decision.kind == SKIP:
                _skip(library, module, function, decision)
            elif decision.kind in CODEGEN:
                if decision.kind == "frame-pointer" and ir.assembly_names(library, function, _FRAME_REGISTERS):
                    continue  # before LLVM 20 the stack is lost there
                ir.add_attribute(library, module, function, decision.kind, decision.value or "true")
            elif decision.scope == "function":
                _decide_function(library, module, function, decision.kind)
            elif decision.scope == "call":
                _decide_call(library, module, function, decision)
            else:
                _decide_loop(library, module, function, decision)


#: The first LLVM that knows a switch.
_FIRST = {"apply-ext-tsp-for-size": 20}


def refused_switch(library: Library, kind: str) -> str:
    """Why a switch of code generation is not for this LLVM; empty where it is, and for other decisions."""
    return f"needs LLVM {_FIRST[kind]} or later" if library.major < _FIRST.get(kind, 0) else ""


def _functions(library: Library, module: int, name: str) -> Iterable[int]:
    if name == EVERY:
        found = list(ir.functions(library, module))
    else:
        function = library.call.LLVMGetNamedFunction(module, name.encode("utf-8", "surrogateescape"))
        found = [function] if function and not library.call.LLVMIsDeclaration(function) else []
    return [f for f in found if not any(ir.has_attribute(library, f, name) for name in UNTOUCHABLE)]


def _decide_function(library: Library, module: int, function: int, kind: str) -> None:
    if kind in _OPPOSITE:
        around = ir.users(library, function) if kind == "alwaysinline" else ()
        if not all(_fits_into(library, function, caller) for caller in around if caller):
            return
        ir.remove_attribute(library, function, _OPPOSITE[kind])
        ir.add_attribute(library, module, function, kind)
        return
    for level in _LEVELS:
        ir.remove_attribute(library, function, level)
    if kind != "optspeed":
        ir.add_attribute(library, module, function, "optsize")
    if kind == "minsize":
        ir.add_attribute(library, module, function, "minsize")


def _fits_into(library: Library, callee: int, caller: int) -> bool:
    """Whether a body means the same in the caller: LLVM does not ask where inlining is forced."""
    return all(
        ir.has_attribute(library, callee, name) == ir.has_attribute(library, caller, name) for name in _SURROUNDINGS
    ) and all(
        ir.text_attribute(library, callee, name) == ir.text_attribute(library, caller, name)
        for name in _TEXT_SURROUNDINGS
    )


def _run_passes(library: Library, function: int, decision: Decision, machine: int | None) -> None:
    run = library.run_passes_on_function
    if run is None:
        raise PipelineSyntaxError(f"{decision}: LLVM {library.major} runs no passes over one function; use 20 or later")
    options = library.call.LLVMCreatePassBuilderOptions()
    try:
        error = run(function, decision.value.encode(), machine, options)
    finally:
        library.call.LLVMDisposePassBuilderOptions(options)
    if error:
        raise PipelineSyntaxError(f"{decision}: {library.take_error(error)}")


def _skip(library: Library, module: int, function: int, decision: Decision) -> None:
    if library.set_pass_gate is None:
        raise PipelineSyntaxError(
            f"{decision}: LLVM {library.major} leaves no pass out for one function; use 20 or later"
        )
    ir.add_attribute(library, module, function, ATTRIBUTE, decision.value)


def _decide_call(library: Library, module: int, function: int, decision: Decision) -> None:
    seen: Counter[str] = Counter()
    for call, callee in ir.direct_calls(library, function):
        name = ir.name_of(library, callee)
        seen[name] += 1
        if name == decision.callee and seen[name] == decision.number:
            if decision.kind == "alwaysinline" and not _fits_into(library, callee, function):
                return
            ir.remove_call_attribute(library, call, _OPPOSITE[decision.kind])
            ir.add_call_attribute(library, module, call, decision.kind)
            return


def _decide_loop(library: Library, module: int, function: int, decision: Decision) -> None:
    found = latches(library, function)
    if decision.number > len(found):
        return
    for latch in found[decision.number - 1]:
        _set_loop_metadata(library, module, latch, loop_metadata(decision))
    if decision.kind == "vectorize":  # in each function, since the loop may be inlined into any
        for each in ir.functions(library, module):
            ir.add_attribute(library, module, each, SOURCE_ORDER, "true")


def loop_metadata(decision: Decision) -> Entries:
    """As clang writes it for the pragmas of these names (LLVM's language reference, "llvm.loop")."""
    kind, value = decision.kind, decision.value
    if kind == "unroll":
        return (("llvm.loop.unroll.full", None),) if value == "full" else (("llvm.loop.unroll.count", int(value)),)
    if kind == "vectorize":
        return (("llvm.loop.vectorize.enable", True), ("llvm.loop.vectorize.width", int(value)))
    if kind == "interleave":
        return (("llvm.loop.interleave.count", int(value)),)
    return _LOOP_METADATA[kind]


def _set_loop_metadata(library: Library, module: int, latch: int, entries: Entries) -> None:
    """A new !llvm.loop: what the loop had, less entries of the same name, and these."""
    call = library.call
    context = call.LLVMGetModuleContext(module)
    kind = call.LLVMGetMDKindIDInContext(context, b"llvm.loop", 9)
    names = {name for name, _ in entries}
    parts = [node for name, node in _loop_entries(library, context, latch, kind) if name not in names]
    for name, value in entries:
        operands = [call.LLVMMDStringInContext2(context, name.encode(), len(name))]
        if value is not None:
            width = call.LLVMInt1TypeInContext if isinstance(value, bool) else call.LLVMInt32TypeInContext
            operands.append(call.LLVMValueAsMetadata(call.LLVMConstInt(width(context), int(value), 0)))
        parts.append(_node(library, context, operands))
    # Its first operand is the node itself: that makes it distinct.
    placeholder = call.LLVMTemporaryMDNode(context, None, 0)
    loop = _node(library, context, [placeholder, *parts])
    call.LLVMMetadataReplaceAllUsesWith(placeholder, loop)
    call.LLVMSetMetadata(latch, kind, call.LLVMMetadataAsValue(context, loop))


def _loop_entries(library: Library, context: int, latch: int, kind: int) -> list[tuple[str, int]]:
    """(name, metadata) of what !llvm.loop holds now, the node itself left out."""
    call = library.call
    loop = call.LLVMGetMetadata(latch, kind)
    if not loop:
        return []
    entries = []
    for operand in operands(library, loop)[1:]:
        inner = operands(library, operand) if operand and call.LLVMIsAMDNode(operand) else []
        length = c_uint()
        text = call.LLVMGetMDString(inner[0], byref(length)) if inner and inner[0] else None
        name = string_at(text, length.value).decode() if text else ""
        entries.append((name, call.LLVMValueAsMetadata(operand)))
    return entries


def operands(library: Library, node: int) -> list[int | None]:
    """Of a metadata node that stands as a value, as values."""
    count = library.call.LLVMGetMDNodeNumOperands(node)
    operands = (c_void_p * count)()
    library.call.LLVMGetMDNodeOperands(node, operands)
    return list(operands)


def _node(library: Library, context: int, operands: Sequence[int]) -> int:
    return int(library.call.LLVMMDNodeInContext2(context, (c_void_p * len(operands))(*operands), len(operands)))
