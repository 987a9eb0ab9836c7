"""Experiments: strategies compared on many programs, with seeds, budgets and peers; ``colt-llvm bench``."""
