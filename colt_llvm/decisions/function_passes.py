"""Passes that can be run on one function alone, and what they are expected to bring for code size."""

from __future__ import annotations

from collections.abc import Mapping

from colt_llvm.llvm.catalogue import Catalogue

#: After the pipeline: texts, by what they saved of all functions in the mean over eight train programs (-Oz, LLVM 22;
#: after the first six of a greedy cover of 400 random sequences, which save 0.9% together).
AFTER_STEPS: Mapping[str, float] = {
    "dce,loop-mssa(simple-loop-unswitch<nontrivial;no-trivial>),sink,simplifycfg": 0.004,
    "break-crit-edges": 0.0016,
    "simplifycfg<no-simplify-cond-branch>,simplifycfg<switch-to-lookup>,mergereturn,gvn": 0.0016,
    "simplifycfg<hoist-common-insts;sink-common-insts>,gvn<no-load-pre>,loop(loop-reduce)": 0.001,
    "simplifycfg<no-switch-to-lookup;no-hoist-common-insts>,sccp,sink,reassociate": 0.0004,
    "simplifycfg<bonus-inst-threshold=8>,speculative-execution": 0.0002,
}  # fmt: skip
#: Of another level for one function.
LEVEL_STEP = 0.004

_FUNCTION = "function("


def function_texts(catalogue: Catalogue) -> dict[str, str]:
    """Action -> what it runs on one function, of those that do nothing else."""
    return {
        action.name: action.pipeline[len(_FUNCTION) : -1]
        for action in catalogue
        if action.kind != "pipeline" and action.pipeline.startswith(_FUNCTION) and action.pipeline.endswith(")")
        and action.level in ("function", "loop")
    }  # fmt: skip
