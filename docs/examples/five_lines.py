"""Tune a program for size, in five lines."""

import colt_llvm

result = colt_llvm.tune("sha256", objective="size", trials=8, workers=1, output="sha256-tuned")
print(result.verdict, f"{result.ratio:.4f}x", "than", result.baseline)
print("sequence:", ", ".join(result.sequence) or "none")
