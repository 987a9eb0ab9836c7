"""Optimisers of other libraries behind the same protocol, to be compared with: ``pip install "colt-llvm[peers]"``."""
