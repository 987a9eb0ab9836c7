"""LLVM's optimisation remarks of one pipeline, in-process: what passes did, what they could not do, and why.

libLLVM streams them into memory, for one context only, so other modules cost nothing and no remark waits for Python.
The C API has no way to this: C++ functions are called by their exported names, which LLVM 16 to 23 share. A library
that lacks one gives no remarks. Why so: docs/decisions/0017.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from ctypes import Structure, c_bool, c_char_p, c_size_t, c_uint64, c_void_p
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, Literal

from colt_llvm.core.text import plain
from colt_llvm.llvm.library import Library, exported
from colt_llvm.llvm.module import Module, TargetMachine

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
    """One thing that a pass had to say."""

    kind: Kind  #: what could not be done, why, or what was done
    pass_name: str  #: who says it
    name: str  #: LLVM's own identifier of the kind of event (``LoadClobbered``)
    function: str  #: as in the IR (mangled)
    message: str  #: one line, 300 characters at most
    location: str = ""  #: ``file:line:column`` where the program was compiled with -g
    count: int = 1  #: how many times it was said

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
        """The inverse of ``to_json``."""
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
    return tuple(replace(remark, count=times) for remark, times in counts.items())


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


#: How much a pass's remarks say about what another sequence could gain; others 1.
_PASS_WEIGHT = {
    "loop-vectorize": 5.0, "inline": 4.0, "slp-vectorizer": 3.5, "licm": 3.5, "gvn": 3.5, "loop-unroll": 3.0,
    "loop-interchange": 3.0, "loop-distribute": 3.0, "loop-idiom": 3.0, "loop-load-elim": 3.0, "tailcallelim": 2.0,
    "argpromotion": 2.0, "TTI": 0.5, "size-info": 0.0, "annotation-remarks": 0.0,
}  # fmt: skip
_KIND_WEIGHT = {"missed": 1.0, "failure": 1.0, "analysis": 0.8, "passed": 0.4}
#: Said of nearly every program, or with the reason in another remark of the same pass.
_NAME_WEIGHT = {
    "NoDefinition": 0.1, "MissedDetails": 0.6, "NeverInline": 0.5, "AlwaysInline": 0.3, "Hoisted": 0.5,
    "NotPossible": 0.6, "MissedForceOnly": 0.1,
}  # fmt: skip
_REASON = "loop-vectorize"  # its analyses say why a loop was not vectorised
#: A further remark of a kind and pass, in one function or of one wording, is worth this much of the one before.
_REPETITION = 0.8


def most_telling(remarks: Sequence[Remark], weights: Mapping[str, float], limit: int = 40) -> list[Remark]:
    """Up to ``limit`` remarks, the most telling first.

    weights: how hot each function is (``flow.Function.weight``); a remark about one that is gone counts least. Equal
    remarks are counted together. No pass fills the list alone, with one function or with one wording.
    """
    merged: Counter[Remark] = Counter()
    for remark in remarks:
        merged[replace(remark, count=1)] += remark.count
    total = max(sum(weights.values()), 1.0)
    scored = [(_weight(remark, count, weights, total), remark, count) for remark, count in merged.items()]
    scored.sort(key=lambda entry: (-entry[0], entry[1].line()))
    said: Counter[tuple[str, str, str]] = Counter()
    damped = []
    for weight, remark, count in scored:
        groups = [(remark.kind, remark.pass_name, same) for same in (f"in {remark.function}", remark.message)]
        damped.append((weight * _REPETITION ** sum(said[group] for group in groups), remark, count))
        said.update(groups)
    damped.sort(key=lambda entry: (-entry[0], entry[1].line()))
    return [replace(remark, count=count) for weight, remark, count in damped[:limit] if weight > 0]


def _weight(remark: Remark, count: int, weights: Mapping[str, float], total: float) -> float:
    kind = 1.1 if (remark.kind, remark.pass_name) == ("analysis", _REASON) else _KIND_WEIGHT[remark.kind]
    share = weights.get(remark.function, 0.0) / total
    hot = 1.0 + max(0.0, 4.0 + math.log10(share)) if share > 0 else 0.5  # 1 up to a ten-thousandth, 5 for all of it
    often = 1.0 + 0.1 * math.log2(count)
    return kind * _PASS_WEIGHT.get(remark.pass_name, 1.0) * _NAME_WEIGHT.get(remark.name, 1.0) * hot * often
