"""What everything else stands on: errors, processes, files; nothing of LLVM, nothing of search."""
