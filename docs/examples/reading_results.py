"""What a run leaves behind, and how to go on with it."""

import json
from pathlib import Path

import colt_llvm

SOURCE = Path(__file__).with_name("words.c")


def show(progress):
    if progress.phase == "search" and progress.trials == progress.trials_wanted:
        print(f"searched: {progress.trials} trials, best {progress.best_ratio:.4f}x")


result = colt_llvm.tune(SOURCE, objective="size", trials=6, workers=1, seed=3, on_progress=show)
result = colt_llvm.resume(result.run_directory, trials=12, on_progress=show)

for name, (baseline, tuned) in result.figures.items():
    print(f"{name}: {baseline:g} -> {tuned:g}")

trials = [json.loads(line) for line in (result.run_directory / "trials.jsonl").read_text().splitlines()]
print(f"{len(trials)} trials in the journal, the best of them number {result.found_at_trial}")

if result.improved:
    recipe = colt_llvm.load_recipe(result.recipe)
    differing = colt_llvm.apply(recipe, SOURCE, "words-tuned")
    print("built again:", "; ".join(differing) or "the same object")
