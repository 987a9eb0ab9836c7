"""What stays the same in all questions of a run, put together: passes, edits, decisions, and what they promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from colt_llvm.decisions.offers import offers_of
from colt_llvm.decisions.scopes import Scopes, plain_flags
from colt_llvm.evaluate.target import Target
from colt_llvm.llvm.pipeline import edits_of
from colt_llvm.measure.host import fingerprint
from colt_llvm.search.strategy import Task


def make_task(target: Target, program: Mapping[str, float], scopes: Scopes) -> Task:
    """program: features of the baseline's code. Raises InvalidIR.

    Without the scope "passes" there are decisions alone.
    """
    baseline, catalogue, objective = target.baseline, target.catalogue, target.objective
    expanded = baseline.completion.expanded
    offered = offers_of(target.toolchain.load(), baseline.bitcodes, scopes, catalogue, expanded)
    with_passes = "passes" in scopes
    edits = edits_of(expanded) if expanded and with_passes else []
    own = target.baseline_built
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
        surroundings=replace(offered.surroundings, parts=own.parts, size=own.size),
    )
