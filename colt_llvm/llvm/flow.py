"""The functions of a module: where its time goes, by control flow alone, and which functions two modules share.

A block counts 10 ** depth times its instructions, depth being the number of loops around it. The estimate knows no trip
counts and no calls: a function that is called from a hot loop is not counted as hot for that.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from ctypes import byref, c_size_t
from dataclasses import dataclass

from colt_llvm.core.text import plain
from colt_llvm.llvm import ir
from colt_llvm.llvm.module import Module

_DEPTH_CAP = 6  # deeper nests count as this deep
MAX_BLOCKS = 400_000  # of a module; a function that is past it counts as if it had no loops


@dataclass(frozen=True)
class Block:
    """One basic block."""

    handle: int  #: the LLVMBasicBlockRef
    position: int  #: among the function's blocks, from 0
    instructions: int  #: debug intrinsics left out
    depth: int  #: loops around it

    @property
    def weight(self) -> float:
        """10 ** depth times its instructions."""
        return float(10 ** min(self.depth, _DEPTH_CAP) * self.instructions)


@dataclass(frozen=True)
class Function:
    """A function with a body."""

    handle: int  #: the LLVMValueRef, valid while the module is unchanged
    name: str  #: its symbol
    blocks: tuple[Block, ...]  #: in order

    @property
    def instructions(self) -> int:
        """Of all its blocks."""
        return sum(block.instructions for block in self.blocks)

    @property
    def depth(self) -> int:
        """Of its deepest loop nest."""
        return max((block.depth for block in self.blocks), default=0)

    @property
    def weight(self) -> float:
        """The static estimate of its time, in no unit."""
        return sum(block.weight for block in self.blocks)


def functions_of(module: Module, max_blocks: int = MAX_BLOCKS) -> list[Function]:
    """All functions with a body, in the module's order."""
    found = []
    room = max_blocks
    for handle in ir.functions(module.library, module.handle):
        blocks = list(ir.blocks(module.library, handle))
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
    return sum(1 for _ in ir.instructions(module.library, block))


def block_depths(module: Module, function: int) -> dict[int, int]:
    """LLVMBasicBlockRef -> how many loops are around it."""
    blocks = list(ir.blocks(module.library, function))
    return dict(zip(blocks, _depths(module, blocks), strict=True))


def _depths(module: Module, blocks: Sequence[int]) -> list[int]:
    if len(blocks) < 2 and not any(ir.successors(module.library, block) for block in blocks):
        return [0] * len(blocks)
    number = {block: position for position, block in enumerate(blocks)}
    edges = [[number[target] for target in ir.successors(module.library, block)] for block in blocks]
    return loop_depths(edges)


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


MAX_INSTRUCTIONS = 200_000  # of a module whose functions are read in full
MAX_BITCODE_BYTES = 8 << 20  # of the same; large tables of constants are printed too

_DEFINITION = re.compile(r"^define ", re.MULTILINE)
_NOISE = re.compile(r"(?:, | )![\w.]+(?: !\d+|\([^()]*\))?|, !\d+| #\d+(?=\s|,|$)", re.MULTILINE)
_DEBUG = re.compile(r"^\s+(?:#dbg_|(?:tail )?call void @llvm\.dbg\.).*\n", re.MULTILINE)


def function_fingerprints(module: Module) -> dict[str, str]:
    """Name -> fingerprint of each function with a body: its blocks and instructions, and a hash of its printed code.

    Metadata and attributes do not count. In a module past the limits the hash is left out, and functions of one
    shape count as equal.
    """
    functions = functions_of(module, max_blocks=0)
    bodies: list[str] = []
    if sum(one.instructions for one in functions) <= MAX_INSTRUCTIONS and len(module.bitcode()) <= MAX_BITCODE_BYTES:
        # One function at a time would be printed no faster: each time LLVM numbers what the module holds.
        bodies = [_body(text) for text in _DEFINITION.split(module.text())[1:]]
    if len(bodies) != len(functions):
        bodies = [""] * len(functions)
    pairs = zip(functions, bodies, strict=True)
    return {plain(function.name): _fingerprint(function, body) for function, body in pairs}


def _body(text: str) -> str:
    return text[text.find("{\n") : text.find("\n}\n")] + "\n"


def _fingerprint(function: Function, body: str) -> str:
    shape = f"{len(function.blocks)}/{function.instructions}"
    if not body:
        return shape
    code = _NOISE.sub("", _DEBUG.sub("", body))
    return f"{shape}/{hashlib.blake2b(code.encode('utf-8', 'replace'), digest_size=8).hexdigest()}"


@dataclass(frozen=True)
class Normalised:
    """A function whatever it and others are called, in whatever file it stands."""

    digest: str  #: of its code, its processor and its inlining attributes, in hexadecimal
    names: tuple[str, ...]  #: symbols that it names, in the order of their first mention; its own comes first


_ATTRIBUTES = re.compile(r"^attributes #(\d+) = \{ (.*) \}$", re.MULTILINE)
_GROUP = re.compile(r" #(\d+)(?=[ \n])")
#: Of a function's attributes, those that decide what is good for it, beside what the objective decides.
_TELLING = re.compile(r'(?<= )(?:"target-(?:cpu|features)"="[^"]*"|alwaysinline|noinline|optnone|naked)(?= )')
_COMMENT = re.compile(r"\s+; preds = .*$", re.MULTILINE)
_SYMBOL = re.compile(r'@(?!llvm\.)("[^"\n]*"|[-\w$.]+)')
_TYPE = r"(?:class|enum|struct|union)\."
_TYPE_NUMBER = re.compile(rf'(%"?{_TYPE}[^"\s,)*\]}}]*?)\.\d+\b')
#: Names of values and blocks, where a front end kept them; numbers stand in the order of the code anyway.
_LOCAL = re.compile(
    rf'%("(?!{_TYPE})[^"\n]*"|(?!{_TYPE})[A-Za-z$._-][-\w$.]*)|^("[^"\n]*"|[A-Za-z$._-][-\w$.]*)(?=:)', re.MULTILINE
)


_NAMED = re.compile(rf'%(?![0-9]|"?{_TYPE})')


def normalised_functions(module: Module) -> dict[str, Normalised]:
    """Symbol -> each function with a body, without names, metadata and numbers that count across the module.

    Equal code of two programs, with debug lines or without, has the same digest. Nothing past the limit of size.
    """
    if len(module.bitcode()) > MAX_BITCODE_BYTES:
        return {}
    text = module.text()
    groups = {number: " ".join(_TELLING.findall(f" {words} ")) for number, words in _ATTRIBUTES.findall(text)}
    found: dict[str, Normalised] = {}
    for definition in _DEFINITION.split(text)[1:]:
        function = _normalised(definition[: definition.find("\n}\n")], groups)
        found.setdefault(function.names[0], function)
    return found


def _normalised(code: str, groups: Mapping[str, str]) -> Normalised:
    head = code.partition("\n")[0]
    telling = " ".join(groups.get(number, "") for number in _GROUP.findall(f"{head}\n"))
    code = _COMMENT.sub("", _NOISE.sub("", _DEBUG.sub("", code)))
    symbols: dict[str, int] = {}
    locals_: dict[str, int] = {}

    def local(match: re.Match[str]) -> str:
        return f"%v{locals_.setdefault(match[1] or match[2], len(locals_))}"

    code = _SYMBOL.sub(lambda match: f"@{symbols.setdefault(match[1], len(symbols))}", code)
    code = _TYPE_NUMBER.sub(r"\1", code)
    if _NAMED.search(code):
        code = _LOCAL.sub(local, code)
    digest = hashlib.blake2b(f"{telling}\n{code}".encode("utf-8", "replace"), digest_size=16).hexdigest()
    return Normalised(digest, tuple(symbols))


def changed_functions(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Names in ``after`` whose code differs or is new, then those that are gone; each in the module's order."""
    differing = [name for name, fingerprint in after.items() if _differ(before.get(name, ""), fingerprint)]
    return differing + [name for name in before if name not in after]


def _differ(one: str, other: str) -> bool:
    first, second = one.split("/"), other.split("/")
    return first != second if len(first) == len(second) else first[:2] != second[:2]
