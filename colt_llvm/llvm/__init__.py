"""Everything that touches LLVM IR. Knows nothing of searching, models or CompilerGym."""
