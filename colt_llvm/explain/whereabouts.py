"""Where functions, calls and loops stand in the source, how large a function is, and how much of the time it takes."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from colt_llvm.core.errors import ColtError
from colt_llvm.evaluate.target import built_from_objects
from colt_llvm.llvm.decision import Decision
from colt_llvm.llvm.source_lines import Place, SourceFunction, source_functions
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.samples import CannotProfile, symbol_samples
from colt_llvm.program.baseline import Baseline
from colt_llvm.program.compilation import front_end, link
from colt_llvm.program.program import Program

#: With these flags the front end's IR says where everything stands.
LINES = ("-gline-tables-only", "-gcolumn-info")
#: Of a run that is sampled, where nothing is known of how long it takes; ten times as long is its limit.
_RUN_SECONDS = 6.0


@dataclass(frozen=True)
class Whereabouts:
    """Of one program as its baseline builds it."""

    functions: Mapping[str, SourceFunction]  #: by symbol; empty where the front end knows no lines
    sizes: Mapping[str, int]  #: symbol -> bytes of its code and unwind row in the baseline's objects
    shares: Mapping[str, float]  #: symbol -> share of the time that is spent in its own code, 0 to 1; nothing of others
    why_no_shares: str = ""  #: why the time was not measured; "" where it was

    def place(self, decision: Decision) -> Place | None:
        """Where the function, call or loop stands that is decided about."""
        function = self.functions.get(decision.function)
        if function is None:
            return None
        if decision.callee:
            return function.calls.get((decision.callee, decision.number))
        return function.loops.get(decision.number) if decision.number else function.place


def whereabouts(toolchain: Toolchain, program: Program, baseline: Baseline) -> Whereabouts:
    """Compiles the program once more with debug lines, and runs its timed workload once under perf where that is there.

    Raises CompileError.
    """
    with_lines = replace(program, cflags=(*program.cflags, *LINES))
    functions: dict[str, SourceFunction] = {}
    for bitcode in front_end(toolchain, with_lines, baseline.level):
        functions = source_functions(toolchain.load(), bitcode) | functions
    sizes = built_from_objects(baseline.objects, 0).parts
    try:
        return Whereabouts(functions, sizes, _shares(toolchain, program, baseline))
    except ColtError as error:
        return Whereabouts(functions, sizes, {}, str(error).partition("\n")[0])


def _shares(toolchain: Toolchain, program: Program, baseline: Baseline) -> dict[str, float]:
    with TemporaryDirectory(prefix="colt-heat-") as folder:
        executable = link(toolchain, program, baseline.objects, Path(folder, "baseline"))
        samples = symbol_samples(executable, program.timed_workload, _RUN_SECONDS, None)
    total = sum(samples.values())
    if not total:
        raise CannotProfile("the run was too short for a sample")
    return {name: count / total for name, count in samples.items()}


#: A longer one is not demangled.
_LONGEST_SYMBOL = 4000


def demangled(symbol: str) -> str:
    """``_ZN3Bag3putEi`` as ``Bag::put(int)``; "" for another name, or where no C++ library is installed."""
    demangle = _demangler()
    if demangle is None or not symbol.startswith("_Z") or len(symbol) > _LONGEST_SYMBOL:
        return ""
    status = ctypes.c_int()
    text = demangle(symbol.encode("utf-8", "surrogateescape"), None, None, ctypes.byref(status))
    if not text:
        return ""
    try:
        return ctypes.string_at(text).decode("utf-8", "replace")
    finally:
        ctypes.CDLL(None).free(ctypes.c_void_p(text))


@cache
def _demangler() -> Callable[..., int | None] | None:
    """``abi::__cxa_demangle`` (Itanium C++ ABI 3.4): its result is to be freed."""
    for name in ("libstdc++.so.6", "libc++abi.so.1"):
        try:
            demangle = ctypes.CDLL(name).__cxa_demangle
        except (OSError, AttributeError):
            continue
        demangle.restype = ctypes.c_void_p
        return cast("Callable[..., int | None]", demangle)
    return None
