"""LLVM's optimisation remarks of one pipeline, in-process: what passes did, what they could not do, and why.

The remarks are streamed by libLLVM itself into memory, for one context only: nothing is switched on in the process,
other modules cost nothing, and no remark waits for Python. The code that comes out is the same. Only LLVM's middle
end speaks here; code generation is not part of a pipeline.

The C API has no way to this, so C++ functions are called by their exported names, which LLVM 16 to 23 share. A
library that lacks one gives no remarks.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
from collections import Counter
from ctypes import Structure, c_bool, c_char_p, c_size_t, c_uint64, c_void_p
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

from colt_llvm.llvm.library import Library, exported
from colt_llvm.llvm.module import Module, TargetMachine
from colt_llvm.llvm.plain_text import plain

Kind = Literal["missed", "analysis", "passed", "failure"]

_KINDS: dict[str, Kind] = {
    "Missed": "missed", "Analysis": "analysis", "AnalysisFPCommute": "analysis", "AnalysisAliasing": "analysis",
    "Passed": "passed", "Failure": "failure",
}  # fmt: skip

_SETUP = "_ZN4llvm28setupLLVMOptimizationRemarksERNS_11LLVMContextERNS_11raw_ostreamENS_9StringRefES4_bSt8optionalImE"
_FINALISE = "_ZN4llvm31finalizeLLVMOptimizationRemarksERNS_11LLVMContextE"  # from LLVM 22 on; earlier ones need none
MAX_STREAM_BYTES = 32 << 20  # of what libLLVM wrote; a module of 13,000 instructions gives 2 MB
_MAX_MESSAGE = 300  # characters


@dataclass(frozen=True)
class Remark:
    """One thing that a pass had to say, and how many times it said so.

    name: LLVM's own identifier of the kind of event (``LoadClobbered``). function: as in the IR (mangled).
    location: ``file:line:column`` where the program was compiled with -g; else "".
    """

    kind: Kind
    pass_name: str
    name: str
    function: str
    message: str
    location: str = ""
    count: int = 1

    def line(self) -> str:
        """``missed loop-vectorize in main: loop not vectorized (x3)``"""
        where = f" at {self.location}" if self.location else ""
        times = f" (x{self.count})" if self.count > 1 else ""
        return f"{self.kind} {self.pass_name} in {self.function}{where}: {self.message}{times}"

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @staticmethod
    def from_json(line: str) -> Remark:
        return Remark(**json.loads(line))


class _StringRef(Structure):
    _fields_ = (("data", c_char_p), ("size", c_size_t))


class _Threshold(Structure):
    """std::optional<uint64_t>. It must hold 0: an empty one asks for a profile, and without one nothing is said."""

    _fields_ = (("value", c_uint64), ("has_value", c_bool))


class _Result(Structure):
    """llvm::Error, one pointer. Returned through memory; a structure of this size is so on every processor."""

    _fields_ = (("words", c_uint64 * 8),)


@cache
def _entry_points(path: str) -> tuple[Any, Any] | None:
    handle = ctypes.CDLL(path)
    setup = exported(handle, _SETUP)
    if setup is None:
        return None
    setup.restype = _Result
    setup.argtypes = [c_void_p, c_void_p, _StringRef, _StringRef, c_bool, _Threshold]
    finalise = exported(handle, _FINALISE)
    if finalise is not None:
        finalise.restype, finalise.argtypes = None, [c_void_p]
    return setup, finalise


def has_remarks(library: Library) -> bool:
    """Whether this libLLVM can hand its remarks over."""
    return library.keeps_use_list_order and _entry_points(str(library.path)) is not None


def run_with_remarks(
    module: Module, pipeline: str, target: TargetMachine | None = None
) -> tuple[bytes, tuple[Remark, ...]]:
    """Run ``pipeline`` on a module, which is used up: the resulting bitcode, and the remarks in order of first saying.

    Raises as ``Module.run`` does. Without support in the library there are no remarks.
    """
    entry = _entry_points(str(module.library.path)) if has_remarks(module.library) else None
    if entry is None:
        module.run(pipeline, target)
        bitcode = module.bitcode()
        module.close()
        return bitcode, ()
    setup, finalise = entry
    descriptor = os.memfd_create("colt-remarks")
    try:
        with module.library.stream_to(descriptor) as stream:
            try:
                every_pass, form = _StringRef(b"", 0), _StringRef(b"yaml", 4)
                setup(module.context, stream, every_pass, form, False, _Threshold(0, True))  # fails on other forms only
                module.run(pipeline, target)
                bitcode = module.bitcode()
            finally:
                if finalise is not None:
                    finalise(module.context)
                module.close()  # before the stream goes: the context writes to it
        return bitcode, parse(os.pread(descriptor, MAX_STREAM_BYTES, 0).decode("utf-8", "replace"))
    finally:
        os.close(descriptor)


_FIELD = re.compile(r"^(Pass|Name|Function|DebugLoc): +(.*)$")
_ARGUMENT = re.compile(r"^  - (\w+): *(.*)$")
_LOCATION = re.compile(
    r"File: *(?P<file>'(?:[^']|'')*'|\"[^\"]*\"|[^,]*), *Line: *(?P<line>\d+), *Column: *(?P<column>\d+)"
)
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)


def parse(text: str) -> tuple[Remark, ...]:
    """The YAML that libLLVM writes, as remarks; equal ones are counted together. What is no remark is left out."""
    counts: Counter[Remark] = Counter()
    # Most repeats are the same to the letter, and cost nothing when they are counted first.
    for document, times in Counter(text.split("--- !")[1:]).items():
        remark = _remark(document)
        if remark is not None:
            counts[remark] += times
    return tuple(
        Remark(one.kind, one.pass_name, one.name, one.function, one.message, one.location, times)
        for one, times in counts.items()
    )


def _remark(document: str) -> Remark | None:
    tag, _, body = document.partition("\n")
    kind = _KINDS.get(tag.strip())
    if kind is None or not body.rstrip().endswith("..."):  # cut off at the end of what was read
        return None
    fields: dict[str, str] = {}
    pieces: list[str] = []
    literal = False
    lines = body.split("\n")
    for index, line in enumerate(lines):
        if argument := _ARGUMENT.match(line):
            literal = argument[2].startswith("|")
            pieces.append("" if literal else _scalar(argument[2]))
        elif field := _FIELD.match(line):
            # A long location goes on in the next line.
            rest = lines[index + 1] if field[2].startswith("{") and "}" not in field[2] else ""
            fields[field[1]] = field[2] + rest
        elif literal and line.startswith("      "):
            pieces.append(line.strip() + " ")
    if "Pass" not in fields:
        return None
    message = plain("".join(pieces))
    if len(message) > _MAX_MESSAGE:
        message = message[: _MAX_MESSAGE - 3] + "..."
    pass_name, name, function = (plain(_scalar(fields.get(field, ""))) for field in ("Pass", "Name", "Function"))
    return Remark(kind, pass_name, name, function, message, _location(fields.get("DebugLoc", "")))


def _location(text: str) -> str:
    found = _LOCATION.search(text)
    return plain(f"{_scalar(found['file'])}:{found['line']}:{found['column']}") if found else ""


def _scalar(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _ESCAPE.sub(_unescape, text[1:-1])
    return text


def _unescape(found: re.Match[str]) -> str:
    number = found[1] or found[2] or found[3]
    if number:
        code = int(number, 16)
        return chr(code) if code < 0x110000 else "?"
    return {"n": "\n", "t": "\t", "r": "\r", "0": "?", "e": "?", "a": "?", "b": "?"}.get(found[4], found[4])
