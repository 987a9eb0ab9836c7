"""COLT with real language models on this machine, or with those of a user: ``python -m benchmarks.real_models``."""
