"""A/A: the final claim's own procedure, with the baseline's code as the finalist. Nothing may be called improved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from colt_llvm.evaluate.judge import Judge
from colt_llvm.evaluate.options import TuneOptions
from colt_llvm.llvm.toolchain import find_toolchain
from colt_llvm.measure.ab_test import ABTestPolicy, ab_test
from colt_llvm.measure.host import measuring_core
from colt_llvm.program.baseline import prepare_baseline
from colt_llvm.program.program import load_program, programs_directory
from colt_llvm.run.reranking import SHARE

#: What a claim's contest has, where the search ends by trials and a run-off comes before it.
CLAIM_SECONDS = TuneOptions(trials=1).proof_seconds * (1 - SHARE)


def run_control(programs: Sequence[str], seconds: float) -> list[dict[str, Any]]:
    """One contest a program; ``seconds`` each, or what its fewest rounds take."""
    toolchain, results = find_toolchain(), []
    for name in programs:
        program = load_program(programs_directory() / name)
        objects = prepare_baseline(toolchain, program, "runtime").objects
        judge = Judge.of(toolchain, program, TuneOptions(), objects, measuring_core())
        try:
            copy, control = judge.link(objects, "finalist-1"), judge.link(objects, "control")
            policy = ABTestPolicy(seconds=seconds).with_room(1, judge.run_seconds)
            held = ab_test({"copy": copy}, judge.baseline, judge.time_together, policy, control=control)
        finally:
            judge.close()
        claim = held.arms[0]
        results.append(
            {"program": name, "verdict": claim.verdict.value, "ratio": claim.interval.ratio, "low": claim.interval.low,
             "high": claim.interval.high, "rounds": claim.interval.rounds, "noise": held.noise.ratio}
        )  # fmt: skip
    return results
