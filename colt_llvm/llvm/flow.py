"""Where a module's time goes, estimated from its control flow alone: nothing is run.

A block counts 10 ** depth times its instructions, depth being the number of loops around it. So a function with a
small deep loop nest comes before a long one without loops. The estimate knows no trip counts and no calls: a function
that is called from a hot loop is not counted as hot for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ctypes import byref, c_size_t
from dataclasses import dataclass

from colt_llvm.llvm.module import Module

_DEPTH_CAP = 6  # deeper nests count as this deep
MAX_BLOCKS = 400_000  # of a module; a function that is past it counts as if it had no loops


@dataclass(frozen=True)
class Block:
    """One basic block. handle: the LLVMBasicBlockRef. position: among the function's blocks, from 0."""

    handle: int
    position: int
    instructions: int
    depth: int

    @property
    def weight(self) -> float:
        return float(10 ** min(self.depth, _DEPTH_CAP) * self.instructions)


@dataclass(frozen=True)
class Function:
    """A function with a body. handle: the LLVMValueRef, valid while the module is unchanged."""

    handle: int
    name: str
    blocks: tuple[Block, ...]

    @property
    def instructions(self) -> int:
        return sum(block.instructions for block in self.blocks)

    @property
    def depth(self) -> int:
        return max((block.depth for block in self.blocks), default=0)

    @property
    def weight(self) -> float:
        return sum(block.weight for block in self.blocks)


def functions_of(module: Module, max_blocks: int = MAX_BLOCKS) -> list[Function]:
    """All functions with a body, in the module's order."""
    found = []
    room = max_blocks
    for handle in _bodies(module):
        blocks = list(_blocks(module, handle))
        depths = [0] * len(blocks)
        if len(blocks) <= room:
            room -= len(blocks)
            depths = _depths(module, blocks)
        sizes = [block_size(module, block) for block in blocks]
        name = module.library.call.LLVMGetValueName2(handle, byref(c_size_t())).decode("utf-8", "replace")
        found.append(Function(handle, name, tuple(map(Block, blocks, range(len(blocks)), sizes, depths))))
    return found


def block_size(module: Module, block: int) -> int:
    """Instructions of a block, debug intrinsics left out where this library can."""
    if module.library.count_block is not None:
        return int(module.library.count_block(block))
    call = module.library.call
    count, instruction = 0, call.LLVMGetFirstInstruction(block)
    while instruction:
        count += 1
        instruction = call.LLVMGetNextInstruction(instruction)
    return count


def _bodies(module: Module) -> Iterator[int]:
    call = module.library.call
    function = call.LLVMGetFirstFunction(module.handle)
    while function:
        if not call.LLVMIsDeclaration(function):
            yield function
        function = call.LLVMGetNextFunction(function)


def _blocks(module: Module, function: int) -> Iterator[int]:
    call = module.library.call
    block = call.LLVMGetFirstBasicBlock(function)
    while block:
        yield block
        block = call.LLVMGetNextBasicBlock(block)


def _depths(module: Module, blocks: Sequence[int]) -> list[int]:
    if len(blocks) < 2 and not any(_successors(module, block) for block in blocks):
        return [0] * len(blocks)
    number = {block: position for position, block in enumerate(blocks)}
    edges = [[number[target] for target in _successors(module, block)] for block in blocks]
    return loop_depths(edges)


def _successors(module: Module, block: int) -> list[int]:
    call = module.library.call
    terminator = call.LLVMGetBasicBlockTerminator(block)
    if not terminator:
        return []
    return [call.LLVMGetSuccessor(terminator, index) for index in range(call.LLVMGetNumSuccessors(terminator))]


def loop_depths(edges: Sequence[Sequence[int]]) -> list[int]:
    """How many loops are around each node of a control flow graph whose entry is node 0; unreachable nodes have 0.

    One depth-first walk, after Wei, Mao, Zou and Chen, "A New Algorithm for Identifying Loops in Decompilation"
    (SAS 2007). Without recursion, for functions can have 100,000 blocks.
    """
    count = len(edges)
    header: list[int | None] = [None] * count  # of the innermost loop around a node; of a header, the next one out
    is_header = [False] * count
    place = [0] * count  # on the path from the entry, from 1; 0 when not on it
    seen = [False] * count

    def tag(node: int, found: int | None) -> None:
        """Let ``found`` be among the headers around ``node``, in the order in which the path meets them."""
        if found is None or node == found:
            return
        inner, outer = node, found
        while (known := header[inner]) is not None:
            if known == outer:
                return
            if place[known] < place[outer]:
                header[inner], inner, outer = outer, outer, known
            else:
                inner = known
            if inner == outer:
                return
        header[inner] = outer

    order: list[int] = []
    if count:
        seen[0], place[0] = True, 1
        order.append(0)
        walk = [(0, iter(edges[0]))]
        while walk:
            node, rest = walk[-1]
            target = next(rest, None)
            if target is None:
                walk.pop()
                place[node] = 0
                if walk:
                    tag(walk[-1][0], header[node])
            elif not seen[target]:
                seen[target], place[target] = True, len(walk) + 1
                order.append(target)
                walk.append((target, iter(edges[target])))
            elif place[target]:
                is_header[target] = True
                tag(node, target)
            else:  # walked before; the loops around it that are still open are around this node too
                around = header[target]
                while around is not None and not place[around]:
                    around = header[around]
                tag(node, around)
    depths = [0] * count
    for node in order:  # a header comes before what is inside its loop
        around = header[node]
        depths[node] = (depths[around] if around is not None else 0) + is_header[node]
    return depths
