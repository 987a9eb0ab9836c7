"""What stays the same in all questions of a run, put together: passes, edits, decisions, and what they promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from colt_llvm.decisions.offers import offers_of
from colt_llvm.decisions.plain_flags import plain_flags
from colt_llvm.decisions.scopes import Scopes
from colt_llvm.evaluate.builder import Built
from colt_llvm.llvm.catalogue import Catalogue
from colt_llvm.llvm.pipeline import edits_of
from colt_llvm.llvm.toolchain import Toolchain
from colt_llvm.measure.host import fingerprint
from colt_llvm.objectives.base import Objective
from colt_llvm.program.baseline import Baseline
from colt_llvm.proposal.questions import Task


def make_task(
    objective: Objective, toolchain: Toolchain, baseline: Baseline, catalogue: Catalogue, mark: Built, scopes: Scopes,
    program: Mapping[str, float],
) -> Task:  # fmt: skip
    """mark: the baseline's own objects. program: features of its code. Raises InvalidIR.

    Without the scope "passes" there are decisions alone.
    """
    expanded = baseline.completion.expanded
    offered = offers_of(toolchain.load(), baseline.bitcodes, scopes, catalogue, expanded)
    with_passes = "passes" in scopes
    edits = edits_of(expanded) if expanded and with_passes else []
    return Task(
        objective=objective.name,
        baseline=baseline.name,
        cpu=fingerprint().cpu,
        passes=tuple(catalogue.names()) if with_passes else (),
        edits=(*edits, *(offer.name for offer in offered.offers)),
        promised={offer.name: offer.promise for offer in offered.offers},
        known_good=plain_flags(scopes, catalogue, calls=bool(offered.surroundings.slots))
        if objective.plain_flags
        else (),
        program=program,
        surroundings=replace(offered.surroundings, parts=mark.parts, size=mark.size),
    )
