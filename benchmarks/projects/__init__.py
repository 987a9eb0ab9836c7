"""Three projects of other people, built, tuned and tested: ``python -m benchmarks.projects``."""
