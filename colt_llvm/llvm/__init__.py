"""Everything that touches LLVM IR. Knows nothing of searching, models or CompilerGym."""

from colt_llvm.llvm.library import Library
from colt_llvm.llvm.module import Module, TargetMachine, bitcode_hash

__all__ = ["Library", "Module", "TargetMachine", "bitcode_hash"]
