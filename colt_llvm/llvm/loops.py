"""The loops of a function as the front end left it, in the order of their headers."""

from __future__ import annotations

from colt_llvm.llvm.library import Library


def latches(library: Library, function: int) -> list[list[int]]:
    """For each loop, the terminators that jump back to its header.

    A back edge is one to a block that dominates where it comes from; irreducible cycles are no loops. Dominators are
    found by iteration in reverse postorder (Cooper, Harvey, Kennedy 2001).
    """
    call = library.call
    order, successors = _reverse_postorder(library, function)
    number = {block: index for index, block in enumerate(order)}
    predecessors: list[list[int]] = [[] for _ in order]
    for block in order:
        for successor in successors[block]:
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
    successors: dict[int, list[int]] = {}
    finished: list[int] = []
    stack = [(entry, iter(_successors(library, entry, successors)))] if entry else []
    while stack:
        block, rest = stack[-1]
        for successor in rest:
            if successor not in successors:
                stack.append((successor, iter(_successors(library, successor, successors))))
                break
        else:
            finished.append(block)
            stack.pop()
    return finished[::-1], successors


def _successors(library: Library, block: int, known: dict[int, list[int]]) -> list[int]:
    call = library.call
    terminator = call.LLVMGetBasicBlockTerminator(block)
    count = call.LLVMGetNumSuccessors(terminator) if terminator else 0
    known[block] = [call.LLVMGetSuccessor(terminator, index) for index in range(count)]
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
