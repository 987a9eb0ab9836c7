"""Which functions two modules have in common, and which differ in their code."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from colt_llvm.llvm.excerpt import tidy
from colt_llvm.llvm.flow import Function, functions_of
from colt_llvm.llvm.module import Module
from colt_llvm.llvm.plain_text import plain

MAX_INSTRUCTIONS = 200_000  # of a module whose functions are read in full
MAX_FUNCTIONS = 3_000  # printing a function takes a look at all of the module's


def function_fingerprints(module: Module, functions: Sequence[Function] = ()) -> dict[str, str]:
    """Name -> fingerprint of each function with a body: its blocks and instructions, and a hash of its printed code.

    Metadata and attributes do not count. In a module past the limits the hash is left out, and functions of one
    shape count as equal.
    """
    functions = functions or functions_of(module)
    small = len(functions) <= MAX_FUNCTIONS and sum(one.instructions for one in functions) <= MAX_INSTRUCTIONS
    return {plain(one.name): _fingerprint(module, one, small) for one in functions}


def _fingerprint(module: Module, function: Function, in_full: bool) -> str:
    shape = f"{len(function.blocks)}/{function.instructions}"
    if not in_full:
        return shape
    text = module.library.take_message(module.library.call.LLVMPrintValueToString(function.handle))
    body = text[text.find("{\n") :]
    return f"{shape}/{hashlib.blake2b(tidy(body).encode(), digest_size=8).hexdigest()}"


def changed_functions(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Names in ``after`` whose code differs or is new, then those that are gone; each in the module's order."""
    differing = [name for name, fingerprint in after.items() if _differ(before.get(name, ""), fingerprint)]
    return differing + [name for name in before if name not in after]


def _differ(one: str, other: str) -> bool:
    first, second = one.split("/"), other.split("/")
    return first != second if len(first) == len(second) else first[:2] != second[:2]
