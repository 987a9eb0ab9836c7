"""Functions in printed code, made so that a diff of two versions shows what matters.

Of assembly, as ``clang -S -fno-verbose-asm`` prints it, directives and comments go, and labels are numbered by their
place in the function. Of IR, metadata and attributes go. There are no addresses in either.
"""

from __future__ import annotations

import re

from colt_llvm.core.text import plain_lines
from colt_llvm.llvm.excerpt import tidy

_FUNCTION = re.compile(r"\s+\.type\s+(?P<name>\"[^\"]*\"|[^\s,]+),\s*[@%]function")
_LABEL = re.compile(r"(?P<name>\"[^\"]*\"|[^\s:\"]+):")
_LOCAL = re.compile(r"\.L([A-Za-z$]+?)\d+_(\d+)\b")
_END = re.compile(r"\.Lfunc_end\d+:")
_NOISE = re.compile(r"\s*(?:\.(?!L)|#|//|;|@|\.Ltmp\d+:)|\s*$")
_DEFINITION = re.compile(r"define [^@]*@(?P<name>\"[^\"]*\"|[\w.$-]+)\(")


def functions_in(assembly: str) -> dict[str, str]:
    """Name -> its text, of each function of one file of assembly."""
    functions: dict[str, list[str]] = {}
    known: set[str] = set()
    current: list[str] | None = None
    for line in assembly.splitlines():
        if found := _FUNCTION.match(line):
            known.add(found["name"])
        elif _END.match(line):
            current = None
        elif (label := _LABEL.match(line)) and label["name"] in known:
            current = functions.setdefault(label["name"].strip('"'), [])
        elif current is not None and not _NOISE.match(line):
            current.append(line.expandtabs(8).rstrip())
    return {name: _renumbered(lines) for name, lines in functions.items()}


def ir_functions(text: str) -> dict[str, str]:
    """Name -> its text, of each function with a body of one printed module."""
    functions: dict[str, str] = {}
    name, lines = "", []
    for line in text.splitlines():
        if found := _DEFINITION.match(line):
            name, lines = found["name"].strip('"'), [line]
        elif name:
            lines.append(line)
            if line == "}":
                functions[name] = tidy("\n".join(lines))
                name = ""
    return functions


def joined(parts: list[dict[str, str]]) -> dict[str, str]:
    """Of several files; static functions of one name stand one after another."""
    functions: dict[str, str] = {}
    for part in parts:
        for name, text in part.items():
            functions[name] = f"{functions[name]}\n{text}" if name in functions else text
    return functions


def shortened(text: str, most_lines: int) -> str:
    """Its first lines, and how many were left out."""
    lines = text.splitlines()
    if len(lines) <= most_lines:
        return text
    kept = lines[: most_lines - 1]
    return "\n".join([*kept, f"... {len(lines) - len(kept)} more lines"])


def _renumbered(lines: list[str]) -> str:
    """Labels by their place: those of blocks as they are defined, others as they are first used."""
    numbers: dict[tuple[str, str], int] = {}
    counts: dict[str, int] = {}

    def number(kind: str, digits: str) -> int:
        if (kind, digits) not in numbers:
            counts[kind] = counts.get(kind, 0) + 1
            numbers[kind, digits] = counts[kind]
        return numbers[kind, digits]

    for line in lines:
        if (found := _LOCAL.match(line)) and line.rstrip().endswith(":"):
            number(found[1], found[2])
    text = "\n".join(lines)
    return plain_lines(_LOCAL.sub(lambda found: f".L{found[1]}{number(found[1], found[2])}", text))
