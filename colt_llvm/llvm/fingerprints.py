"""Which functions two modules have in common, and which differ in their code."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from colt_llvm.llvm.flow import Function, functions_of
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.plain_text import plain

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


def changed_functions(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Names in ``after`` whose code differs or is new, then those that are gone; each in the module's order."""
    differing = [name for name, fingerprint in after.items() if _differ(before.get(name, ""), fingerprint)]
    return differing + [name for name in before if name not in after]


def _differ(one: str, other: str) -> bool:
    first, second = one.split("/"), other.split("/")
    return first != second if len(first) == len(second) else first[:2] != second[:2]
