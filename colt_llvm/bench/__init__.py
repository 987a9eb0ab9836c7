"""Measurements of this project itself: how fast it is, and what it finds on the included programs.

``python -m colt_llvm.bench speed|suite|report`` writes JSON to a results folder, and docs/BENCHMARKS.md from that.
"""
