"""Compares proposers at equal trials: sets of the embedded models, and the proposer without a model."""

from __future__ import annotations

from collections.abc import Mapping

from colt_llvm.models.embedded import SPECS
from colt_llvm.proposal.blind import BlindProposer
from colt_llvm.search import PRESETS, ColtSearch, Model
from colt_llvm.training.validation import CachedEvaluator, LearningCurve, curve_of

BLIND = Model("blind", 1.0)

#: Sets of models that are compared, by name; "blind" is the proposer without a model.
SETS: Mapping[str, tuple[str, ...]] = {
    "blind": (),
    "nano": ("embedded/nano",),
    "small": ("embedded/small",),
    "base": ("embedded/base",),
    "all three": tuple(SPECS),
}


def blind_curve(bench: CachedEvaluator, trials: int, seed: int) -> LearningCurve:
    """Exactly what tune does without models, less the check of the output."""
    proposer = BlindProposer(bench.passes, bench.edits, seed)
    search = ColtSearch([BLIND], PRESETS["broad"], seed)
    return curve_of(bench, search, proposer, trials)
