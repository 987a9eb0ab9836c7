"""Several modules made into one in a child process, with what nothing outside refers to made internal.

The C API throughout: the pass that does this takes its list of names in another way in each version. A module that
does not link, or a fault of libLLVM, costs the child only.

Run as ``python -m colt_llvm.llvm.link LIBRARY ORDER_FILE``; the order and the answer are JSON.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from ctypes import byref, c_size_t, c_void_p, string_at
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from colt_llvm.core import process
from colt_llvm.core.errors import ColtError, InvalidIR, PassCrashed, ProcessTimeout
from colt_llvm.llvm.library import Library
from colt_llvm.llvm.module import Module

DEFAULT_LIMITS = process.Limits(wall_seconds=300.0, memory_bytes=8 << 30, output_bytes=1 << 30)

_EXIT_FAILED = 12
#: Values of LLVMLinkage that have not changed since LLVM 3.
_AVAILABLE_EXTERNALLY, _APPENDING, _INTERNAL, _PRIVATE = 1, 7, 8, 9
_NOT_SEEN_OUTSIDE = (_AVAILABLE_EXTERNALLY, _APPENDING, _INTERNAL, _PRIVATE)
#: Code generation calls these by itself, so a program that defines them must keep them.
_CALLED_BY_CODE_GENERATION = frozenset(
    (
        "memcpy",
        "memmove",
        "memset",
        "memcmp",
        "bcmp",
        "bzero",
        "strlen",
        "abort",
        "__stack_chk_fail",
        "__stack_chk_guard",
    )
)
_IDENTIFIER = re.compile(r"[A-Za-z_.$][\w.$]*")
_INLINE_ASSEMBLY = re.compile(r'\basm (?:\w+ )*"([^"]*)"')
_ESCAPED = re.compile(r"\\[0-9A-F]{2}")  # a line's end and the like
_USED = (b"llvm.used", b"llvm.compiler.used")


@dataclass(frozen=True)
class Merged:
    """Modules linked into one."""

    bitcode: bytes  #: one module
    kept: tuple[str, ...]  #: the names that stayed visible outside of it, sorted


def merge(
    library: Path,
    bitcodes: Sequence[bytes],
    keep: Sequence[str],
    limits: process.Limits = DEFAULT_LIMITS,
) -> Merged:
    """Link modules in this order; of what they define, ``keep`` and what names itself used stays external.

    The same bitcodes and names give the same bytes. Raises InvalidIR (they do not fit together), PassCrashed.
    """
    with TemporaryDirectory(prefix="colt-") as folder:
        output = Path(folder) / "merged.bc"
        order = {"task": "merge", "inputs": _write(folder, bitcodes), "keep": sorted(set(keep)), "output": str(output)}
        answer = _ask(library, order, Path(folder), limits)
        return Merged(output.read_bytes(), tuple(answer["kept"]))


def named_in_assembly(
    library: Path, bitcodes: Sequence[bytes], limits: process.Limits = DEFAULT_LIMITS
) -> list[tuple[str, ...]]:
    """For each module: which symbols its assembly may name, its own or other modules', unseen by whoever links them.

    Such a symbol may be renamed or removed, and the assembly then means another one. Raises InvalidIR, PassCrashed.
    """
    with TemporaryDirectory(prefix="colt-") as folder:
        answer = _ask(library, {"task": "assembly", "inputs": _write(folder, bitcodes)}, Path(folder), limits)
        return [tuple(names) for names in answer["named"]]


def _write(folder: str, bitcodes: Sequence[bytes]) -> list[str]:
    files = []
    for index, bitcode in enumerate(bitcodes):
        path = Path(folder) / f"{index}.bc"
        path.write_bytes(bitcode)
        files.append(str(path))
    return files


def _ask(library: Path, order: Mapping[str, Any], folder: Path, limits: process.Limits) -> dict[str, Any]:
    file, answer = folder / "order.json", folder / "answer.json"
    file.write_text(json.dumps({**order, "answer": str(answer)}), encoding="utf-8")
    try:
        completed = process.run([sys.executable, "-m", __name__, str(library), str(file)], limits=limits)
    except ProcessTimeout:
        raise PassCrashed(f"linking the modules is not done after {limits.wall_seconds:g} s; link fewer") from None
    said = completed.stderr.decode("utf-8", "replace").strip().splitlines()
    if completed.status == _EXIT_FAILED:
        raise InvalidIR(said[-1] if said else "the modules do not link")
    if completed.status:
        crash = next((line for line in said if "LLVM ERROR" in line or "Assertion" in line), "")
        raise PassCrashed(f"linking the modules crashed ({crash or completed.describe_status()}); link fewer")
    found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return found


def _merge(library: Library, inputs: Sequence[bytes], keep: frozenset[str]) -> tuple[bytes, list[str]]:
    with Module.parse(library, inputs[0]) as whole:
        for bitcode in inputs[1:]:
            _link_into(whole, bitcode)
        kept = _internalise(whole, keep | _CALLED_BY_CODE_GENERATION)
        whole.verify()
        return whole.bitcode(), kept


def _link_into(whole: Module, bitcode: bytes) -> None:
    call = whole.library.call
    buffer = call.LLVMCreateMemoryBufferWithMemoryRangeCopy(bitcode, len(bitcode), b"")
    part = c_void_p()
    failed = call.LLVMParseBitcodeInContext2(whole.context, buffer, byref(part))
    call.LLVMDisposeMemoryBuffer(buffer)
    # The part is used up, whatever comes of it.
    if failed or call.LLVMLinkModules2(whole.handle, part):
        raise InvalidIR("; ".join(whole._messages) or "the modules do not link")


def _internalise(module: Module, keep: frozenset[str]) -> list[str]:
    """Returns the names that stay external, sorted."""
    call = module.library.call
    used, values = _used(module), list(_globals(module))
    external, stays, groups = [], set(), set()
    for value, name, _ in values:
        if call.LLVMIsDeclaration(value) or call.LLVMGetLinkage(value) in _NOT_SEEN_OUTSIDE:
            continue
        external.append((value, name))
        # A section of its own may be walked from end to end by the linker's symbols for it.
        if name in keep or name.startswith("llvm.") or value in used or call.LLVMGetSection(value):
            stays.add(value)
    # What linkers take or leave together stays together.
    group = {value: None if is_alias else call.LLVMGetComdat(value) for value, _, is_alias in values}
    groups = {group[value] for value in stays} - {None}
    kept = sorted(name for value, name in external if value in stays or group[value] in groups)
    for value, _ in external:
        if value not in stays and group[value] not in groups:
            call.LLVMSetLinkage(value, _INTERNAL)
    for value, comdat in group.items():
        if comdat and comdat not in groups:
            call.LLVMSetComdat(value, None)
    return kept


def _used(module: Module) -> set[int]:
    """What llvm.used and llvm.compiler.used list: constants, which with opaque pointers are the symbols themselves."""
    call = module.library.call
    found: set[int] = set()
    for name in _USED:
        if (variable := call.LLVMGetNamedGlobal(module.handle, name)) and (array := call.LLVMGetInitializer(variable)):
            found |= {call.LLVMGetOperand(array, index) for index in range(call.LLVMGetNumOperands(array))}
    return found


def _globals(module: Module) -> Iterator[tuple[int, str, bool]]:
    """(value, name, whether it is an alias) of functions, variables, ifuncs and aliases."""
    call = module.library.call
    for kind in ("Function", "Global", "GlobalIFunc", "GlobalAlias"):
        value = getattr(call, f"LLVMGetFirst{kind}")(module.handle)
        while value:
            name = call.LLVMGetValueName2(value, byref(c_size_t())).decode("utf-8", "surrogateescape")
            # What the source names itself (asm("name")) has this before it.
            yield value, name.removeprefix("\x01"), kind == "GlobalAlias"
            value = getattr(call, f"LLVMGetNext{kind}")(value)


def _named_in_assembly(library: Library, inputs: Sequence[bytes]) -> list[list[str]]:
    words, own, shared = [], [], set()
    for bitcode in inputs:
        with Module.parse(library, bitcode) as module:
            words.append(_words_of_assembly(module))
            own.append({name for _, name, _ in _globals(module)})
            shared |= {name for value, name, _ in _globals(module)
                       if library.call.LLVMGetLinkage(value) not in (_INTERNAL, _PRIVATE)}  # fmt: skip
    return [sorted(found & (names | shared)) for found, names in zip(words, own, strict=True)]


def _words_of_assembly(module: Module) -> set[str]:
    length = c_size_t()
    pointer = module.library.call.LLVMGetModuleInlineAsm(module.handle, byref(length))
    whole = string_at(pointer, length.value).decode("utf-8", "replace") if length.value else ""
    inline = [_ESCAPED.sub(" ", part) for part in _INLINE_ASSEMBLY.findall(module.text())]
    return set(_IDENTIFIER.findall("\n".join([whole, *inline])))


def _main(arguments: Sequence[str]) -> int:
    order = json.loads(Path(arguments[1]).read_text(encoding="utf-8"))
    try:
        library = Library.load(arguments[0])
        inputs = [Path(file).read_bytes() for file in order["inputs"]]
        if order["task"] == "merge":
            bitcode, kept = _merge(library, inputs, frozenset(order["keep"]))
            Path(order["output"]).write_bytes(bitcode)
            answer: dict[str, Any] = {"kept": kept}
        else:
            answer = {"named": _named_in_assembly(library, inputs)}
    except ColtError as error:
        sys.stderr.write(f"{error}\n")
        return _EXIT_FAILED
    Path(order["answer"]).write_text(json.dumps(answer), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
