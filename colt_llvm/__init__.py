"""Find, prove and replay LLVM pass sequences that beat ``clang -O3`` or ``-Oz`` for one program."""

__version__ = "0.1.0"
