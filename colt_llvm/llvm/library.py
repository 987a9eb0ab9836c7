"""libLLVM by its C API, in this process.

``Library.load`` opens one shared library and looks every symbol up at once, so that a library that
lacks one is refused with its name, before any work is done. ctypes releases the interpreter lock
during a call, so a watchdog thread keeps running while a pass does.

A fault inside libLLVM ends the process. Whoever needs to survive it runs this in a child.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
from collections.abc import Iterator
from ctypes import CFUNCTYPE, POINTER, c_bool, c_char_p, c_int, c_size_t, c_uint, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from colt_llvm.core.errors import ToolchainError
from colt_llvm.llvm.processor import initialise

DiagnosticHandler = CFUNCTYPE(None, c_void_p, c_void_p)

_Signature = tuple[Any, tuple[Any, ...]]

#: What we call, as declared in LLVM's own llvm-c headers: name -> (result, arguments).
_REQUIRED: dict[str, _Signature] = {
    "LLVMGetVersion": (None, (POINTER(c_uint), POINTER(c_uint), POINTER(c_uint))),
    "LLVMContextCreate": (c_void_p, ()),
    "LLVMContextDispose": (None, (c_void_p,)),
    "LLVMContextSetDiscardValueNames": (None, (c_void_p, c_int)),
    "LLVMContextSetDiagnosticHandler": (None, (c_void_p, DiagnosticHandler, c_void_p)),
    "LLVMGetDiagInfoDescription": (c_void_p, (c_void_p,)),
    "LLVMGetDiagInfoSeverity": (c_int, (c_void_p,)),
    "LLVMDisposeMessage": (None, (c_void_p,)),
    "LLVMCreateMemoryBufferWithMemoryRangeCopy": (c_void_p, (c_char_p, c_size_t, c_char_p)),
    "LLVMDisposeMemoryBuffer": (None, (c_void_p,)),
    "LLVMGetBufferStart": (c_void_p, (c_void_p,)),
    "LLVMGetBufferSize": (c_size_t, (c_void_p,)),
    "LLVMParseBitcodeInContext2": (c_int, (c_void_p, c_void_p, POINTER(c_void_p))),
    "LLVMWriteBitcodeToMemoryBuffer": (c_void_p, (c_void_p,)),
    "LLVMPrintModuleToString": (c_void_p, (c_void_p,)),
    "LLVMPrintValueToString": (c_void_p, (c_void_p,)),
    "LLVMBasicBlockAsValue": (c_void_p, (c_void_p,)),
    "LLVMDisposeModule": (None, (c_void_p,)),
    "LLVMVerifyModule": (c_int, (c_void_p, c_int, POINTER(c_void_p))),
    "LLVMGetTarget": (c_char_p, (c_void_p,)),
    "LLVMLinkModules2": (c_int, (c_void_p, c_void_p)),
    "LLVMGetModuleInlineAsm": (c_void_p, (c_void_p, POINTER(c_size_t))),
    "LLVMGetNamedGlobal": (c_void_p, (c_void_p, c_char_p)),
    "LLVMGetInitializer": (c_void_p, (c_void_p,)),
    "LLVMGetFirstGlobal": (c_void_p, (c_void_p,)),
    "LLVMGetNextGlobal": (c_void_p, (c_void_p,)),
    "LLVMGetFirstGlobalAlias": (c_void_p, (c_void_p,)),
    "LLVMGetNextGlobalAlias": (c_void_p, (c_void_p,)),
    "LLVMGetFirstGlobalIFunc": (c_void_p, (c_void_p,)),
    "LLVMGetNextGlobalIFunc": (c_void_p, (c_void_p,)),
    "LLVMGetLinkage": (c_int, (c_void_p,)),
    "LLVMSetLinkage": (None, (c_void_p, c_int)),
    "LLVMGetSection": (c_char_p, (c_void_p,)),
    "LLVMGetComdat": (c_void_p, (c_void_p,)),
    "LLVMSetComdat": (None, (c_void_p, c_void_p)),
    "LLVMGetFirstFunction": (c_void_p, (c_void_p,)),
    "LLVMGetNextFunction": (c_void_p, (c_void_p,)),
    "LLVMIsDeclaration": (c_int, (c_void_p,)),
    "LLVMGetValueName2": (c_char_p, (c_void_p, POINTER(c_size_t))),
    "LLVMGetFirstBasicBlock": (c_void_p, (c_void_p,)),
    "LLVMGetNextBasicBlock": (c_void_p, (c_void_p,)),
    "LLVMGetFirstInstruction": (c_void_p, (c_void_p,)),
    "LLVMGetNextInstruction": (c_void_p, (c_void_p,)),
    "LLVMGetInstructionOpcode": (c_int, (c_void_p,)),
    "LLVMGetBasicBlockTerminator": (c_void_p, (c_void_p,)),
    "LLVMGetNumSuccessors": (c_uint, (c_void_p,)),
    "LLVMGetSuccessor": (c_void_p, (c_void_p, c_uint)),
    "LLVMGetNumOperands": (c_int, (c_void_p,)),
    "LLVMGetOperand": (c_void_p, (c_void_p, c_uint)),
    "LLVMCountIncoming": (c_uint, (c_void_p,)),
    "LLVMIsAConstantInt": (c_void_p, (c_void_p,)),
    "LLVMConstIntGetZExtValue": (ctypes.c_ulonglong, (c_void_p,)),
    "LLVMTypeOf": (c_void_p, (c_void_p,)),
    "LLVMGetTypeKind": (c_int, (c_void_p,)),
    "LLVMGetIntTypeWidth": (c_uint, (c_void_p,)),
    "LLVMGetTargetFromTriple": (c_int, (c_char_p, POINTER(c_void_p), POINTER(c_void_p))),
    "LLVMCreateTargetMachine": (c_void_p, (c_void_p, c_char_p, c_char_p, c_char_p, c_int, c_int, c_int)),
    "LLVMDisposeTargetMachine": (None, (c_void_p,)),
    "LLVMTargetMachineEmitToMemoryBuffer": (
        c_int,
        (c_void_p, c_void_p, c_int, POINTER(c_void_p), POINTER(c_void_p)),
    ),
    "LLVMCreatePassBuilderOptions": (c_void_p, ()),
    "LLVMDisposePassBuilderOptions": (None, (c_void_p,)),
    "LLVMRunPasses": (c_void_p, (c_void_p, c_char_p, c_void_p, c_void_p)),
    "LLVMGetErrorMessage": (c_void_p, (c_void_p,)),
    "LLVMParseCommandLineOptions": (None, (c_int, POINTER(c_char_p), c_char_p)),
    "LLVMDisposeErrorMessage": (None, (c_void_p,)),
    # What a decision changes: attributes and metadata.
    "LLVMGetModuleContext": (c_void_p, (c_void_p,)),
    "LLVMGetNamedFunction": (c_void_p, (c_void_p, c_char_p)),
    "LLVMIsAFunction": (c_void_p, (c_void_p,)),
    "LLVMIsAInlineAsm": (c_void_p, (c_void_p,)),
    "LLVMGetCalledValue": (c_void_p, (c_void_p,)),
    "LLVMGetEnumAttributeKindForName": (c_uint, (c_char_p, c_size_t)),
    "LLVMCreateEnumAttribute": (c_void_p, (c_void_p, c_uint, ctypes.c_uint64)),
    "LLVMCreateStringAttribute": (c_void_p, (c_void_p, c_char_p, c_uint, c_char_p, c_uint)),
    "LLVMGetEnumAttributeAtIndex": (c_void_p, (c_void_p, c_uint, c_uint)),
    "LLVMAddAttributeAtIndex": (None, (c_void_p, c_uint, c_void_p)),
    "LLVMRemoveEnumAttributeAtIndex": (None, (c_void_p, c_uint, c_uint)),
    "LLVMGetStringAttributeAtIndex": (c_void_p, (c_void_p, c_uint, c_char_p, c_uint)),
    "LLVMGetStringAttributeValue": (c_void_p, (c_void_p, POINTER(c_uint))),
    "LLVMAddCallSiteAttribute": (None, (c_void_p, c_uint, c_void_p)),
    "LLVMRemoveCallSiteEnumAttribute": (None, (c_void_p, c_uint, c_uint)),
    "LLVMGetMDKindIDInContext": (c_uint, (c_void_p, c_char_p, c_uint)),
    "LLVMSetMetadata": (None, (c_void_p, c_uint, c_void_p)),
    "LLVMGetMetadata": (c_void_p, (c_void_p, c_uint)),
    "LLVMMDStringInContext2": (c_void_p, (c_void_p, c_char_p, c_size_t)),
    "LLVMMDNodeInContext2": (c_void_p, (c_void_p, POINTER(c_void_p), c_size_t)),
    "LLVMTemporaryMDNode": (c_void_p, (c_void_p, POINTER(c_void_p), c_size_t)),
    "LLVMMetadataReplaceAllUsesWith": (None, (c_void_p, c_void_p)),
    "LLVMMetadataAsValue": (c_void_p, (c_void_p, c_void_p)),
    "LLVMValueAsMetadata": (c_void_p, (c_void_p,)),
    "LLVMIsAMDNode": (c_void_p, (c_void_p,)),
    "LLVMGetMDNodeNumOperands": (c_uint, (c_void_p,)),
    "LLVMGetMDNodeOperands": (None, (c_void_p, POINTER(c_void_p))),
    "LLVMGetMDString": (c_void_p, (c_void_p, POINTER(c_uint))),
    "LLVMInt1TypeInContext": (c_void_p, (c_void_p,)),
    "LLVMInt32TypeInContext": (c_void_p, (c_void_p,)),
    "LLVMConstInt": (c_void_p, (c_void_p, ctypes.c_ulonglong, c_int)),
    # Where code stands in the source.
    "LLVMGetSubprogram": (c_void_p, (c_void_p,)),
    "LLVMDISubprogramGetLine": (c_uint, (c_void_p,)),
    "LLVMInstructionGetDebugLoc": (c_void_p, (c_void_p,)),
    "LLVMDILocationGetLine": (c_uint, (c_void_p,)),
    "LLVMDILocationGetColumn": (c_uint, (c_void_p,)),
    "LLVMDILocationGetScope": (c_void_p, (c_void_p,)),
    "LLVMDIScopeGetFile": (c_void_p, (c_void_p,)),
    "LLVMDIFileGetDirectory": (c_void_p, (c_void_p, POINTER(c_uint))),
    "LLVMDIFileGetFilename": (c_void_p, (c_void_p, POINTER(c_uint))),
    # What taking a part of a module needs: bodies and initialisers go, declarations come.
    "LLVMGetFirstUse": (c_void_p, (c_void_p,)),
    "LLVMGetNextUse": (c_void_p, (c_void_p,)),
    "LLVMGetUser": (c_void_p, (c_void_p,)),
    "LLVMIsAInstruction": (c_void_p, (c_void_p,)),
    "LLVMGetInstructionParent": (c_void_p, (c_void_p,)),
    "LLVMGetBasicBlockParent": (c_void_p, (c_void_p,)),
    "LLVMGlobalGetValueType": (c_void_p, (c_void_p,)),
    "LLVMAddFunction": (c_void_p, (c_void_p, c_char_p, c_void_p)),
    "LLVMDeleteFunction": (None, (c_void_p,)),
    "LLVMReplaceAllUsesWith": (None, (c_void_p, c_void_p)),
    "LLVMSetValueName2": (None, (c_void_p, c_char_p, c_size_t)),
    "LLVMCountParams": (c_uint, (c_void_p,)),
    "LLVMGetAttributeCountAtIndex": (c_uint, (c_void_p, c_uint)),
    "LLVMGetAttributesAtIndex": (None, (c_void_p, c_uint, POINTER(c_void_p))),
    "LLVMGetFunctionCallConv": (c_uint, (c_void_p,)),
    "LLVMSetFunctionCallConv": (None, (c_void_p, c_uint)),
    "LLVMSetVisibility": (None, (c_void_p, c_int)),
    "LLVMGetVisibility": (c_int, (c_void_p,)),
    "LLVMIsGlobalConstant": (c_int, (c_void_p,)),
    "LLVMSetInitializer": (None, (c_void_p, c_void_p)),
    "LLVMDeleteGlobal": (None, (c_void_p,)),
    "LLVMAliasGetAliasee": (c_void_p, (c_void_p,)),
    "LLVMGetMetadataKind": (c_uint, (c_void_p,)),
    "LLVMGetGlobalParent": (c_void_p, (c_void_p,)),
    "LLVMGetCallSiteEnumAttribute": (c_void_p, (c_void_p, c_uint, c_uint)),
}

#: C++ functions behind ``Module.bitcode``, by their names in LLVM 16 to 23: the C API's writer loses the order of
#: use-lists, in which passes visit users. Where they lack, that writer serves.
_ORDERED_WRITER: dict[str, _Signature] = {
    "_ZN4llvm14raw_fd_ostreamC1EibbNS_11raw_ostream11OStreamKindE": (None, (c_void_p, c_int, c_bool, c_bool, c_int)),
    "_ZN4llvm14raw_fd_ostreamD1Ev": (None, (c_void_p,)),
    "_ZN4llvm18WriteBitcodeToFileERKNS_6ModuleERNS_11raw_ostreamEbPKNS_18ModuleSummaryIndexEbPSt5arrayIjLm5EE": (
        None,
        (c_void_p, c_void_p, c_bool, c_void_p, c_bool, c_void_p),
    ),
}
#: Counts instructions at once; by the C API it takes a call for each of them.
_INSTRUCTION_COUNT = "_ZNK4llvm6Module19getInstructionCountEv"
_BLOCK_COUNT = "_ZNK4llvm10BasicBlock16sizeWithoutDebugEv"  # gone in LLVM 23
#: The C++ library's part of a name, as libstdc++ and as libc++ write it.
_STD_NAMES = (("PSt5arrayIjLm5EE", "PNSt3__15arrayIjLm5EEE"), ("St8optionalImE", "NSt3__18optionalImEE"))
_RESET_OPTIONS = "_ZN4llvm2cl25ResetAllOptionOccurrencesEv"
_SET_PASS_GATE = "_ZN4llvm11LLVMContext14setOptPassGateERNS_11OptPassGateE"
_FIRST_NAMED_GATE = 20  # before it, the gate is asked by the names of C++ classes
_STREAM_BYTES = 1024  # more than sizeof(raw_fd_ostream), which is about 150


@dataclass(frozen=True)
class Library:
    """A loaded libLLVM."""

    path: Path  #: of the file
    version: tuple[int, int, int]  #: major, minor, patch
    call: Any  #: its functions of the C API, by name
    _ordered_writer: tuple[Any, Any, Any] | None = None  # of _ORDERED_WRITER
    count_instructions: Any = None  #: of an LLVMModuleRef, debug intrinsics left out; None where the symbol lacks
    count_block: Any = None  #: the same of an LLVMBasicBlockRef
    run_passes_on_function: Any = None  #: None before LLVM 20
    set_pass_gate: Any = None  #: of an LLVMContextRef, an llvm::OptPassGate; None where passes have other names there
    reset_options: Any = None  #: every option of the process as if never given; None where the symbol lacks

    @property
    def major(self) -> int:
        """Of its version."""
        return self.version[0]

    @staticmethod
    def load(path: Path | str) -> Library:
        """Open the library at ``path`` (kept open for the life of the process).

        Raises ToolchainError when it cannot be opened or lacks a symbol.
        """
        return _load(str(path))

    def take_message(self, pointer: int | None) -> str:
        """The text of a message that libLLVM handed over, which is then freed."""
        if not pointer:
            return ""
        try:
            return ctypes.string_at(pointer).decode("utf-8", "replace").strip()
        finally:
            self.call.LLVMDisposeMessage(pointer)

    def take_error(self, error: int) -> str:
        """The text of an LLVMErrorRef, which is then freed."""
        message = self.call.LLVMGetErrorMessage(error)
        try:
            return ctypes.string_at(message).decode("utf-8", "replace")
        finally:
            self.call.LLVMDisposeErrorMessage(message)

    @property
    def keeps_use_list_order(self) -> bool:
        """Whether stored modules come back with the very same order of uses."""
        return self._ordered_writer is not None

    def write_bitcode(self, module: int) -> bytes:
        """The bitcode of an LLVMModuleRef, with the order of use-lists where this library can."""
        if self._ordered_writer is None:
            return self.take_buffer(self.call.LLVMWriteBitcodeToMemoryBuffer(module))
        write = self._ordered_writer[2]
        descriptor = os.memfd_create("colt-bitcode")
        try:
            with self.stream_to(descriptor) as stream:
                write(module, stream, True, None, False, None)
            return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def stream_to(self, descriptor: int) -> Iterator[Any]:
        """A raw_fd_ostream over an open file, flushed at the end. Only where ``keeps_use_list_order``."""
        if self._ordered_writer is None:
            raise ToolchainError(f"{self.path}: lacks raw_fd_ostream; use a libLLVM of the distribution")
        construct, destroy, _ = self._ordered_writer
        stream = ctypes.create_string_buffer(_STREAM_BYTES)
        construct(stream, descriptor, False, False, 0)
        try:
            yield stream
        finally:
            destroy(stream)

    def take_buffer(self, buffer: int) -> bytes:
        """The bytes of a memory buffer, which is then freed."""
        try:
            return ctypes.string_at(self.call.LLVMGetBufferStart(buffer), self.call.LLVMGetBufferSize(buffer))
        finally:
            self.call.LLVMDisposeMemoryBuffer(buffer)


class _Functions:
    """A plain namespace: attribute access costs one dictionary look-up."""


@cache
def _load(path: str) -> Library:
    try:
        handle = ctypes.CDLL(path)
    except OSError as error:
        raise ToolchainError(f"{path}: cannot be loaded ({error}); install libLLVM or use --llvm-prefix") from error
    functions = _Functions()
    missing = []
    for name, (result, arguments) in _REQUIRED.items():
        try:
            function = getattr(handle, name)
        except AttributeError:
            missing.append(name)
            continue
        function.restype = result
        function.argtypes = list(arguments)
        setattr(functions, name, function)
    if missing:
        raise ToolchainError(f"{path}: lacks {', '.join(missing)}; LLVM 16 to 23 is needed")
    initialise(Path(path), platform.machine())
    numbers = [c_uint(), c_uint(), c_uint()]
    functions.LLVMGetVersion(*(ctypes.byref(number) for number in numbers))  # type: ignore[attr-defined]
    version = (numbers[0].value, numbers[1].value, numbers[2].value)
    counters = (_counter(handle, _INSTRUCTION_COUNT, c_uint), _counter(handle, _BLOCK_COUNT, c_size_t))
    named_gate = version[0] >= _FIRST_NAMED_GATE
    levers = (
        _optional(handle, "LLVMRunPassesOnFunction", c_void_p, c_void_p, c_char_p, c_void_p, c_void_p),
        _optional(handle, _SET_PASS_GATE, None, c_void_p, c_void_p) if named_gate else None,
        _optional(handle, _RESET_OPTIONS, None),
    )
    return Library(Path(path), version, functions, _ordered_writer(handle), *counters, *levers)


def _ordered_writer(handle: ctypes.CDLL) -> tuple[Any, Any, Any] | None:
    found = []
    for name, (result, arguments) in _ORDERED_WRITER.items():
        function = exported(handle, name)
        if function is None:
            return None
        function.restype, function.argtypes = result, list(arguments)
        found.append(function)
    return found[0], found[1], found[2]


def exported(handle: ctypes.CDLL, name: str) -> Any:
    """The C++ function of this mangled name, of whichever C++ library the handle's was built against; else None."""
    other = name
    for libstdcxx, libcxx in _STD_NAMES:
        other = other.replace(libstdcxx, libcxx)
    return getattr(handle, name, None) or getattr(handle, other, None)


def _counter(handle: ctypes.CDLL, name: str, result: Any) -> Any:
    return _optional(handle, name, result, c_void_p)


def _optional(handle: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    function = exported(handle, name)
    if function is None:
        return None
    function.restype, function.argtypes = result, list(arguments)
    return function
