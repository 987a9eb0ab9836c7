"""One LLVM module that Python owns: parse, verify, run a pipeline, hash, emit an object."""

from __future__ import annotations

import hashlib
from ctypes import byref, c_void_p
from types import TracebackType

from colt_llvm.core.errors import InvalidIR, PassError, PipelineSyntaxError, ToolchainError
from colt_llvm.llvm import ir
from colt_llvm.llvm.decide import SOURCE_ORDER, decide
from colt_llvm.llvm.decision import SWITCHES, Decide, steps_of
from colt_llvm.llvm.library import DiagnosticHandler, Library
from colt_llvm.llvm.pass_gate import forget, gate
from colt_llvm.llvm.pipeline import refuse_size_levels
from colt_llvm.llvm.process_options import allow_reordering, apply_options, apply_switches, split_options
from colt_llvm.llvm.processor import initialise

_RETURN_STATUS = 2  # LLVMReturnStatusAction: the verifier says no, and does not abort
_OBJECT_FILE = 1  # LLVMObjectFile
_RELOC_PIC = 2  # LLVMRelocPIC, clang's default on Linux
_CODE_MODEL_DEFAULT = 0
_SEVERITY_ERROR = 0  # LLVMDSError


class TargetMachine:
    """Code generation for one processor at one level.

    codegen_level: 0 to 3, as ``-O``; clang uses 3 for -O3 and 2 for -O2, -Os and -Oz.
    """

    def __init__(self, library: Library, triple: str, codegen_level: int, cpu: str = "", features: str = "") -> None:
        self._library = library
        self.handle: int | None = None
        call = library.call
        initialise(library.path, triple)
        target, message = c_void_p(), c_void_p()
        if call.LLVMGetTargetFromTriple(triple.encode(), byref(target), byref(message)):
            text = library.take_message(message.value)
            raise ToolchainError(f"{triple}: {text}; this libLLVM cannot generate code for it")
        self.handle = call.LLVMCreateTargetMachine(
            target, triple.encode(), cpu.encode(), features.encode(), codegen_level, _RELOC_PIC, _CODE_MODEL_DEFAULT
        )
        if not self.handle:
            raise ToolchainError(f"{triple}: libLLVM made no target machine for it; use another --llvm-prefix")

    def close(self) -> None:
        """Free it. Closing twice is harmless."""
        if self.handle:
            self._library.call.LLVMDisposeTargetMachine(self.handle)
            self.handle = None

    def __del__(self) -> None:
        self.close()


class Module:
    """A module with a context of its own, so that freeing it frees everything."""

    def __init__(self, library: Library, context: int, handle: int, handler: object, messages: list[str]) -> None:
        self.library = library
        self._context = context
        self._handle: int | None = handle
        self._handler = handler  # libLLVM holds its address: it must live as long as the context
        self._messages = messages

    @staticmethod
    def parse(library: Library, bitcode: bytes) -> Module:
        """Read bitcode. Raises InvalidIR."""
        call = library.call
        context = call.LLVMContextCreate()
        messages: list[str] = []

        # Without a handler of ours libLLVM prints the error and exits the process.
        @DiagnosticHandler
        def handler(info: int, _: int) -> None:
            if call.LLVMGetDiagInfoSeverity(info) == _SEVERITY_ERROR:
                messages.append(library.take_message(call.LLVMGetDiagInfoDescription(info)))

        call.LLVMContextSetDiagnosticHandler(context, handler, None)
        # Names of values decide nothing, and are not written in the same order each time.
        call.LLVMContextSetDiscardValueNames(context, 1)
        buffer = call.LLVMCreateMemoryBufferWithMemoryRangeCopy(bitcode, len(bitcode), b"")
        handle = c_void_p()
        failed = call.LLVMParseBitcodeInContext2(context, buffer, byref(handle))
        call.LLVMDisposeMemoryBuffer(buffer)
        if failed or not handle.value:
            call.LLVMContextDispose(context)
            reason = "; ".join(messages) or "unknown reason"
            raise InvalidIR(f"not bitcode that LLVM {library.major} reads ({reason}); make it with that clang")
        return Module(library, context, handle.value, handler, messages)

    @property
    def handle(self) -> int:
        """The LLVMModuleRef. Raises InvalidIR after close()."""
        if self._handle is None:
            raise InvalidIR("the module was closed; parse it again")
        return self._handle

    @property
    def context(self) -> int:
        """The LLVMContextRef, which is the module's alone. Raises InvalidIR after close()."""
        return self._context if self.handle else 0

    @property
    def triple(self) -> str:
        """The target that the module was made for."""
        return str(self.library.call.LLVMGetTarget(self.handle).decode())

    def run(self, pipeline: str, target: TargetMachine | None = None) -> None:
        """Apply a textual pipeline in place, as ``opt -passes=`` does, and verify the result.

        Decisions with a scope may stand among its passes (``llvm.decision``). Options before it (``process_options``)
        are set for the whole process, until a text without them is run.
        Raises PipelineSyntaxError when libLLVM does not accept the text (the passes change nothing then), and
        PassError when a pass reported an error or left a module that does not verify.
        """
        words, passes = split_options(pipeline)
        refuse_size_levels(self.library.major, passes)
        steps = steps_of(passes)
        apply_options(self.library, words)
        for step in steps:
            allow_reordering(self.library, not self._has(SOURCE_ORDER))
            if isinstance(step, Decide):
                decide(self.library, self.handle, step.decisions, target.handle if target else None)
            else:
                with gate(self.library, self.handle):
                    self._run_passes(step.text, target, pipeline)
        try:
            self.verify()
        except InvalidIR as error:
            raise PassError(f"{pipeline}: leaves a broken module ({error})") from error

    def _run_passes(self, passes: str, target: TargetMachine | None, pipeline: str) -> None:
        call = self.library.call
        options = call.LLVMCreatePassBuilderOptions()
        self._messages.clear()
        try:
            machine = target.handle if target else None
            error = call.LLVMRunPasses(self.handle, passes.encode(), machine, options)
        finally:
            call.LLVMDisposePassBuilderOptions(options)
        if error:
            raise PipelineSyntaxError(f"{pipeline}: {self.library.take_error(error)}")
        if self._messages:
            raise PassError(f"{pipeline}: {'; '.join(self._messages)}")

    def verify(self) -> None:
        """Raises InvalidIR with the verifier's text."""
        message = c_void_p()
        broken = self.library.call.LLVMVerifyModule(self.handle, _RETURN_STATUS, byref(message))
        text = self.library.take_message(message.value)
        if broken:
            raise InvalidIR(text.splitlines()[0] if text else "the verifier rejects the module")

    @property
    def switches(self) -> tuple[str, ...]:
        """Those of code generation that are on for this module."""
        return tuple(name for name in SWITCHES if self._has(name))

    def _has(self, name: str) -> bool:
        """Whether a function of it has this text attribute."""
        return any(ir.has_text_attribute(self.library, each, name) for each in ir.functions(self.library, self.handle))

    def bitcode(self) -> bytes:
        """Bitcode from which ``parse`` makes this very module again, the order of uses included."""
        return self.library.write_bitcode(self.handle)

    def hash(self) -> str:
        """``bitcode_hash`` of the module as it is now."""
        return bitcode_hash(self.bitcode())

    def text(self) -> str:
        """Textual IR."""
        return self.library.take_message(self.library.call.LLVMPrintModuleToString(self.handle))

    def emit_object(self, target: TargetMachine) -> bytes:
        """Generate code. Uses the module up: code generation rewrites it. Raises PassError."""
        call = self.library.call
        message, buffer = c_void_p(), c_void_p()
        self._messages.clear()
        apply_switches(self.library, self.switches)
        failed = call.LLVMTargetMachineEmitToMemoryBuffer(
            target.handle, self.handle, _OBJECT_FILE, byref(message), byref(buffer)
        )
        text = self.library.take_message(message.value)
        if failed or self._messages or not buffer.value:
            raise PassError(f"code generation failed: {'; '.join([text, *self._messages]).strip('; ')}")
        data = self.library.take_buffer(buffer.value)
        self.close()
        return data

    def close(self) -> None:
        """Free the module and its context. Closing twice is harmless."""
        if self._handle is not None:
            self.library.call.LLVMDisposeModule(self._handle)
            self.library.call.LLVMContextDispose(self._context)
            forget(self._context)
            self._handle = None

    def __enter__(self) -> Module:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def bitcode_hash(*bitcodes: bytes) -> str:
    """128 bits, hexadecimal, of one or more modules in order."""
    digest = hashlib.blake2b(digest_size=16)
    for bitcode in bitcodes:
        digest.update(len(bitcode).to_bytes(8, "little"))
        digest.update(bitcode)
    return digest.hexdigest()
