"""A module as numbers: instruction counts and the features that CompilerGym's users know.

The vectors have the order and the names of CompilerGym's ``InstCount`` and ``Autophase`` spaces.
Autophase is Huang et al., MLSys 2020; the meaning of each entry is noted where it is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from colt_llvm.llvm.module import Module

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    IntVector = npt.NDArray[np.int64]

#: LLVMOpcode of llvm-c/Core.h, in the order of the InstCount vector.
_OPCODES = {
    "Ret": 1, "Br": 2, "Switch": 3, "IndirectBr": 4, "Invoke": 5, "Resume": 58, "Unreachable": 7,
    "CleanupRet": 61, "CatchRet": 62, "CatchSwitch": 65, "CallBr": 67, "FNeg": 66, "Add": 8, "FAdd": 9,
    "Sub": 10, "FSub": 11, "Mul": 12, "FMul": 13, "UDiv": 14, "SDiv": 15, "FDiv": 16, "URem": 17, "SRem": 18,
    "FRem": 19, "Shl": 20, "LShr": 21, "AShr": 22, "And": 23, "Or": 24, "Xor": 25, "Alloca": 26, "Load": 27,
    "Store": 28, "GetElementPtr": 29, "Fence": 55, "AtomicCmpXchg": 56, "AtomicRMW": 57, "Trunc": 30,
    "ZExt": 31, "SExt": 32, "FPToUI": 33, "FPToSI": 34, "UIToFP": 35, "SIToFP": 36, "FPTrunc": 37, "FPExt": 38,
    "PtrToInt": 39, "IntToPtr": 40, "BitCast": 41, "AddrSpaceCast": 60, "CleanupPad": 64, "CatchPad": 63,
    "ICmp": 42, "FCmp": 43, "PHI": 44, "Call": 45, "Select": 46, "UserOp1": 47, "UserOp2": 48, "VAArg": 49,
    "ExtractElement": 50, "InsertElement": 51, "ShuffleVector": 52, "ExtractValue": 53, "InsertValue": 54,
    "LandingPad": 59, "Freeze": 68,
}  # fmt: skip

#: LLVM 23 has two opcodes for branches, unconditional and conditional ones.
_BRANCHES = {70: _OPCODES["Br"], 71: _OPCODES["Br"]}

INST_COUNT_NAMES: tuple[str, ...] = ("TotalInsts", "TotalBlocks", "TotalFuncs", *_OPCODES)

AUTOPHASE_NAMES: tuple[str, ...] = (
    "BBNumArgsHi", "BBNumArgsLo", "onePred", "onePredOneSuc", "onePredTwoSuc", "oneSuccessor", "twoPred",
    "twoPredOneSuc", "twoEach", "twoSuccessor", "morePreds", "BB03Phi", "BBHiPhi", "BBNoPhi", "BeginPhi",
    "BranchCount", "returnInt", "CriticalCount", "NumEdges", "const32Bit", "const64Bit", "numConstZeroes",
    "numConstOnes", "UncondBranches", "binaryConstArg", "NumAShrInst", "NumAddInst", "NumAllocaInst",
    "NumAndInst", "BlockMid", "BlockLow", "NumBitCastInst", "NumBrInst", "NumCallInst", "NumGetElementPtrInst",
    "NumICmpInst", "NumLShrInst", "NumLoadInst", "NumMulInst", "NumOrInst", "NumPHIInst", "NumRetInst",
    "NumSExtInst", "NumSelectInst", "NumShlInst", "NumStoreInst", "NumSubInst", "NumTruncInst", "NumXorInst",
    "NumZExtInst", "TotalBlocks", "TotalInsts", "TotalMemInst", "TotalFuncs", "ArgsPhi", "testUnary",
)  # fmt: skip

_INTEGER_TYPE = 8  # LLVMIntegerTypeKind
_BINARY = range(_OPCODES["Add"], _OPCODES["Xor"] + 1)
_MEMORY = frozenset(_OPCODES[name] for name in ("Alloca", "Load", "Store", "GetElementPtr", "Call", "Fence",
                                                "AtomicCmpXchg", "AtomicRMW", "Invoke"))  # fmt: skip
_UNARY = frozenset(_OPCODES[name] for name in (
    "Alloca", "Load", "VAArg", "ExtractValue", "FNeg", "Trunc", "ZExt", "SExt", "FPToUI", "FPToSI", "UIToFP",
    "SIToFP", "FPTrunc", "FPExt", "PtrToInt", "IntToPtr", "BitCast", "AddrSpaceCast"))  # fmt: skip


def instruction_count(module: Module) -> int:
    """Instructions in all functions that have a body: CompilerGym's ``IrInstructionCount``."""
    if module.library.count_instructions is not None:
        return int(module.library.count_instructions(module.handle))
    next_instruction = module.library.call.LLVMGetNextInstruction
    first_instruction = module.library.call.LLVMGetFirstInstruction
    count = 0
    for block in _blocks(module):
        instruction = first_instruction(block)
        while instruction:
            count += 1
            instruction = next_instruction(instruction)
    return count


def inst_count(module: Module) -> IntVector:
    """Shape [70], entries as INST_COUNT_NAMES."""
    call = module.library.call
    next_instruction, opcode_of = call.LLVMGetNextInstruction, call.LLVMGetInstructionOpcode
    opcodes: Counter[int] = Counter()
    blocks = 0
    for block in _blocks(module):
        blocks += 1
        instruction = call.LLVMGetFirstInstruction(block)
        while instruction:
            opcodes[opcode_of(instruction)] += 1
            instruction = next_instruction(instruction)
    for opcode, known in _BRANCHES.items():
        opcodes[known] += opcodes.pop(opcode, 0)
    totals = [opcodes.total() if hasattr(opcodes, "total") else sum(opcodes.values()), blocks, _function_count(module)]
    return _vector(totals + [opcodes[number] for number in _OPCODES.values()])


def autophase(module: Module) -> IntVector:
    """Shape [56], entries as AUTOPHASE_NAMES."""
    counts: Counter[str] = Counter()
    counts["TotalFuncs"] = _function_count(module)
    blocks = list(_blocks(module))
    successors = {block: _successors(module, block) for block in blocks}
    predecessors: Counter[int] = Counter(target for targets in successors.values() for target in targets)
    for block in blocks:
        _count_edges(counts, len(successors[block]), predecessors[block])
        # An edge is critical when its source has several ways out and its target several ways in.
        if len(successors[block]) > 1:
            counts["CriticalCount"] += sum(predecessors[target] > 1 for target in successors[block])
        _count_block(counts, module, block)
    return _vector(counts[name] for name in AUTOPHASE_NAMES)


def _vector(counts: Iterable[int]) -> IntVector:
    import numpy as np  # here: the names are wanted by each service as it starts, vectors by few

    return np.array(list(counts), dtype=np.int64)


def _functions(module: Module) -> Iterator[int]:
    call = module.library.call
    function = call.LLVMGetFirstFunction(module.handle)
    while function:
        yield function
        function = call.LLVMGetNextFunction(function)


def _function_count(module: Module) -> int:
    declared = module.library.call.LLVMIsDeclaration
    return sum(not declared(function) for function in _functions(module))


def _blocks(module: Module) -> Iterator[int]:
    call = module.library.call
    next_block = call.LLVMGetNextBasicBlock
    for function in _functions(module):
        block = call.LLVMGetFirstBasicBlock(function)
        while block:
            yield block
            block = next_block(block)


def _successors(module: Module, block: int) -> list[int]:
    call = module.library.call
    terminator = call.LLVMGetBasicBlockTerminator(block)
    if not terminator:
        return []
    return [call.LLVMGetSuccessor(terminator, index) for index in range(call.LLVMGetNumSuccessors(terminator))]


def _count_edges(counts: Counter[str], outgoing: int, incoming: int) -> None:
    counts["NumEdges"] += outgoing
    counts["TotalBlocks"] += 1
    counts["oneSuccessor"] += outgoing == 1
    counts["twoSuccessor"] += outgoing == 2
    counts["onePred"] += incoming == 1
    counts["onePredOneSuc"] += incoming == 1 and outgoing == 1
    counts["onePredTwoSuc"] += incoming == 1 and outgoing == 2
    counts["twoPred"] += incoming == 2
    counts["twoPredOneSuc"] += incoming == 2 and outgoing == 1
    counts["twoEach"] += incoming == 2 and outgoing == 2
    counts["morePreds"] += incoming > 2


def _count_block(counts: Counter[str], module: Module, block: int) -> None:
    call = module.library.call
    size = phis = phi_arguments = 0
    instruction = call.LLVMGetFirstInstruction(block)
    counts["BeginPhi"] += bool(instruction) and call.LLVMGetInstructionOpcode(instruction) == _OPCODES["PHI"]
    while instruction:
        opcode = call.LLVMGetInstructionOpcode(instruction)
        opcode = _BRANCHES.get(opcode, opcode)
        size += 1
        if opcode == _OPCODES["PHI"]:
            phis += 1
            phi_arguments += call.LLVMCountIncoming(instruction)
        _count_instruction(counts, module, instruction, opcode)
        instruction = call.LLVMGetNextInstruction(instruction)
    counts["TotalInsts"] += size
    counts["ArgsPhi"] += phi_arguments
    counts["BBNumArgsHi"] += phi_arguments > 5
    counts["BBNumArgsLo"] += 1 <= phi_arguments <= 5
    counts["BBNoPhi"] += phis == 0
    counts["BB03Phi"] += 1 <= phis <= 3
    counts["BBHiPhi"] += phis > 3
    counts["BlockMid"] += 15 <= size <= 500
    counts["BlockLow"] += size < 15


_NAMED = {
    _OPCODES[name]: f"Num{name}Inst"
    for name in ("AShr", "Add", "Alloca", "And", "BitCast", "Br", "Call", "GetElementPtr", "ICmp", "LShr", "Load",
                 "Mul", "Or", "PHI", "Ret", "SExt", "Select", "Shl", "Store", "Sub", "Trunc", "Xor", "ZExt")
}  # fmt: skip


def _count_instruction(counts: Counter[str], module: Module, instruction: int, opcode: int) -> None:
    call = module.library.call
    if opcode in _NAMED:
        counts[_NAMED[opcode]] += 1
    counts["TotalMemInst"] += opcode in _MEMORY
    counts["testUnary"] += opcode in _UNARY
    if opcode == _OPCODES["Br"]:
        counts["BranchCount"] += 1
        counts["UncondBranches"] += call.LLVMGetNumSuccessors(instruction) == 1
    if opcode == _OPCODES["Call"]:
        kind = call.LLVMTypeOf(instruction)
        counts["returnInt"] += call.LLVMGetTypeKind(kind) == _INTEGER_TYPE
    constants = 0
    for index in range(call.LLVMGetNumOperands(instruction)):
        operand = call.LLVMGetOperand(instruction, index)
        if call.LLVMIsAConstantInt(operand):
            constants += 1
            _count_constant(counts, module, operand)
    counts["binaryConstArg"] += bool(constants) and opcode in _BINARY


def _count_constant(counts: Counter[str], module: Module, constant: int) -> None:
    call = module.library.call
    width = call.LLVMGetIntTypeWidth(call.LLVMTypeOf(constant))
    counts["const32Bit"] += width == 32
    counts["const64Bit"] += width == 64
    if width <= 64:  # the C API reads no wider value
        value = call.LLVMConstIntGetZExtValue(constant)
        counts["numConstZeroes"] += value == 0
        counts["numConstOnes"] += value == 1
