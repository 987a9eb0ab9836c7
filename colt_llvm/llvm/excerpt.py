"""The part of a module that a reader should see first: the hottest blocks of one function, as text.

Which function: the one with the greatest static estimate (:mod:`colt_llvm.llvm.flow`); for size, the one with the most
instructions. A long one is printed block by block, the hottest alone. Metadata, attributes and debug records are left
out, so the text is for reading and does not parse. ``shorten`` cuts by the head line of each block.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from colt_llvm.core.text import plain, plain_lines
from colt_llvm.llvm.flow import Block, Function, functions_of
from colt_llvm.llvm.module import Module

DEFAULT_CHARACTERS = 12_000
_WHOLE_FUNCTION = 5_000  # instructions: printed at once up to here
_BLOCKS_APART = 8  # of a longer one, at most; each costs a walk over the whole function
_WALKED = 2_000_000  # instructions, over all these walks; at least two blocks are printed
_BLOCK_INSTRUCTIONS = 20_000  # a single block that is longer is not printed

_HEAD = re.compile(r"^; block (?P<position>\d+): loop depth (?P<depth>\d+), (?P<instructions>\d+) instructions$", re.M)

_FIRST_LINE = re.compile(r"; (.*): \d+ blocks, ")
_LEFT_OUT = re.compile(r"^; (\d+) more blocks$", re.M)


@dataclass(frozen=True)
class Excerpt:
    """The hottest code of a module."""

    text: str = ""  #: what to read
    function: str = ""  #: whose code it is, "" where the module has none


def excerpt_of(
    module: Module,
    *,
    for_size: bool = False,
    max_characters: int = DEFAULT_CHARACTERS,
    functions: Sequence[Function] = (),
) -> Excerpt:
    """The hottest code of a module, in at most ``max_characters``. functions: as of ``functions_of``, when at hand."""
    candidates = functions or functions_of(module)
    if not candidates:
        return Excerpt()
    if for_size:
        chosen = max(candidates, key=lambda function: function.instructions)
    else:
        chosen = max(candidates, key=lambda function: (function.weight, function.instructions))
    name = plain(chosen.name) or "unnamed"
    return Excerpt(shorten(_text(module, chosen, name, for_size), max_characters, for_size=for_size), name)


def function_in(text: str) -> str:
    """Whose code an excerpt shows, "" for an empty one."""
    found = _FIRST_LINE.match(text)
    return found[1] if found else ""


def shorten(text: str, max_characters: int, *, for_size: bool = False) -> str:
    """An excerpt cut to ``max_characters``: the hottest blocks that fit, in their order, and how many are left out.

    for_size: the largest blocks instead.
    """
    if len(text) <= max_characters:
        return text
    heads = list(_HEAD.finditer(text))
    intro = text[: heads[0].start()] if heads else text
    if not heads or len(intro) >= max_characters:
        return _clip(text, max_characters)
    ends = [head.start() for head in heads[1:]] + [_end_of_blocks(text)]
    pieces = [(head, text[head.start() : end]) for head, end in zip(heads, ends, strict=True)]
    before = _LEFT_OUT.search(text)
    already_out = int(before[1]) if before else 0
    room = max_characters - len(intro) - len("; 1000000 more blocks\n")
    chosen: dict[int, str] = {}
    order = sorted(range(len(pieces)), key=lambda index: _coldness(pieces[index][0], for_size))
    for index in order:
        piece = pieces[index][1]
        if len(piece) > room:
            if not chosen:  # the hottest one is shown in part rather than not at all
                chosen[index] = _clip(piece, max(room, 0))
                break
            continue
        chosen[index] = piece
        room -= len(piece)
    blocks = "".join(chosen[index].rstrip("\n") + "\n" for index in sorted(chosen))
    missing = len(pieces) - len(chosen) + already_out
    return _clip(f"{intro}{blocks}; {missing} more blocks\n", max_characters)


def _coldness(head: re.Match[str], for_size: bool) -> tuple[int, int]:
    depth, instructions = int(head["depth"]), int(head["instructions"])
    return (0 if for_size else -depth), -instructions


def _end_of_blocks(text: str) -> int:
    found = _LEFT_OUT.search(text) or re.search(r"^\}$", text, re.M)
    return found.start() if found else len(text)


def _clip(text: str, max_characters: int) -> str:
    """Whole lines only, unless the first does not fit."""
    if len(text) <= max_characters:
        return text
    whole = text.rfind("\n", 0, max_characters + 1)
    return text[: whole if whole > 0 else max_characters]


def _text(module: Module, function: Function, name: str, for_size: bool) -> str:
    if function.instructions <= _WHOLE_FUNCTION:
        signature, bodies = _printed_whole(module, function)
        blocks = list(zip(function.blocks, bodies, strict=False))
    else:
        signature = f"define @{name} {{"
        fitting = [block for block in function.blocks if block.instructions <= _BLOCK_INSTRUCTIONS]
        order = sorted(fitting, key=lambda block: (0 if for_size else -block.depth, -block.instructions))
        hottest = order[: max(2, min(_BLOCKS_APART, _WALKED // function.instructions))]
        blocks = [(block, _printed_block(module, block)) for block in sorted(hottest, key=lambda block: block.position)]
    lines = [
        f"; {name}: {len(function.blocks)} blocks, {function.instructions} instructions, "
        f"loops up to {function.depth} deep"
    ]
    lines.append(signature)
    for block, body in blocks:
        lines.append(f"; block {block.position}: loop depth {block.depth}, {block.instructions} instructions")
        lines.append(tidy(body))
    missing = len(function.blocks) - len(blocks)
    lines.append(f"; {missing} more blocks" if missing else "}")
    return "\n".join(line for line in lines if line) + "\n"


def _print(module: Module, value: int) -> str:
    return module.library.take_message(module.library.call.LLVMPrintValueToString(value))


def _printed_block(module: Module, block: Block) -> str:
    return _print(module, module.library.call.LLVMBasicBlockAsValue(block.handle))


def _printed_whole(module: Module, function: Function) -> tuple[str, list[str]]:
    """The line of the definition, and the text of each block."""
    text = _print(module, function.handle)
    lines = text.split("\n")
    start = next((number for number, line in enumerate(lines) if line.startswith("define ")), 0)
    end = max((number for number, line in enumerate(lines) if line == "}"), default=len(lines))
    # LLVM puts an empty line before each block but the first.
    bodies = "\n".join(lines[start + 1 : end]).split("\n\n")
    return tidy(lines[start]), bodies


_METADATA = re.compile(r"(?:, | )![\w.]+(?: !\d+|\([^()]*\))?|, !\d+")
_GROUP = re.compile(r" #\d+(?=\s|,|$)")
_PREDECESSORS = re.compile(r"\s+; preds = ")
_DEBUG = re.compile(r"^\s+(?:#dbg_|(?:tail )?call void @llvm\.(?:dbg|lifetime|experimental\.noalias)\.)")
_ATTRIBUTES = re.compile(
    r" (?:noundef|nonnull|signext|zeroext|nofree|nocapture|captures\([^()]*\)|readonly|writeonly|writable|returned"
    r"|immarg|dso_local|local_unnamed_addr|unnamed_addr|mustprogress|nounwind|willreturn|dead_on_unwind"
    r"|dereferenceable(?:_or_null)?\(\d+\)|range\([^()]*\)|initializes\((?:\([^()]*\)(?:, )?)*\)|tail(?= call))"
    r"(?![\w.])"
)
_ALIGNMENT = re.compile(r",? align \d+")


def tidy(text: str) -> str:
    """Printed IR without metadata, attributes and debug records; safe to show."""
    kept = [_tidy_line(line) for line in text.split("\n") if line.strip() and not _DEBUG.match(line)]
    return plain_lines("\n".join(kept))


def _tidy_line(line: str) -> str:
    if '"' in line:  # texts of inline assembly and quoted names stay as they are
        return line
    line = _METADATA.sub("", line)
    line = _GROUP.sub("", line)
    line = _ALIGNMENT.sub("", line)
    line = _ATTRIBUTES.sub("", line)
    return _PREDECESSORS.sub("  ; from ", line)
