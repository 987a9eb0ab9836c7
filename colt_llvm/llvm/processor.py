"""Processors other than this machine's: what LLVM calls their code generators, and what flags name them.

A libLLVM holds many; of one that it was built without, it says so.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from colt_llvm.core.errors import ToolchainError

#: First part of a triple -> prefix of the LLVMInitialize<Target>... functions.
_TARGETS = (
    (r"x86_64|amd64|i[3-6]86", "X86"), (r"aarch64.*|arm64.*", "AArch64"), (r"arm.*|thumb.*", "ARM"),
    (r"riscv(32|64)(be)?", "RISCV"), (r"mips.*", "Mips"), (r"powerpc.*|ppc.*", "PowerPC"), (r"s390x", "SystemZ"),
    (r"loongarch.*", "LoongArch"), (r"sparc.*", "Sparc"), (r"avr", "AVR"), (r"msp430", "MSP430"),
    (r"hexagon", "Hexagon"), (r"bpf.*", "BPF"), (r"m68k", "M68k"),
)  # fmt: skip
#: The assembly parser too: without it a module with inline assembly ends the process.
_PARTS = ("TargetInfo", "Target", "TargetMC", "AsmPrinter", "AsmParser")
#: What decides about a link, beside a target that is named.
_OF_LINKS = ("--target=", "--sysroot=", "--gcc-toolchain=", "--gcc-install-dir=", "-march=", "-mabi=", "-mcpu=")


def code_generator(triple: str) -> str:
    """LLVM's name of what generates code for a triple or a machine; empty where it is not known."""
    machine = triple.partition("-")[0].lower()
    return next((name for pattern, name in _TARGETS if re.fullmatch(pattern, machine)), "")


@cache
def initialise(library: Path, triple: str) -> None:
    """Make a libLLVM generate code for this triple. Raises ToolchainError."""
    name = code_generator(triple)
    if not name:
        raise ToolchainError(f"{triple}: this processor is not supported; use one of x86-64, AArch64, Arm or RISC-V")
    handle = ctypes.CDLL(str(library))
    for part in _PARTS:
        try:
            function: Callable[[], None] = getattr(handle, f"LLVMInitialize{name}{part}")
        except AttributeError as error:
            if part == "AsmParser":  # not every one has it
                continue
            raise ToolchainError(
                f"{library}: was built without {name}; install a libLLVM that generates code for {triple}"
            ) from error
        function()


def named_target(cflags: Sequence[str]) -> str:
    """The triple that these flags name, the last of several; empty where they name none."""
    found = ""
    for place, flag in enumerate(cflags):
        if flag.startswith("--target="):
            found = flag.partition("=")[2]
        elif flag in ("-target", "--target"):
            found = "".join(cflags[place + 1 : place + 2])
    return found


def link_flags(cflags: Sequence[str]) -> tuple[str, ...]:
    """Of these flags, those that a link for another processor needs too; none where they name no target."""
    triple = named_target(cflags)
    if not triple:
        return ()
    return (f"--target={triple}", *(flag for flag in cflags if flag.startswith(_OF_LINKS[1:])))
