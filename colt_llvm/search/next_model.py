"""Who is asked next: the proposal's own choice (arXiv 2602.01935), or a policy to compare it with."""

from __future__ import annotations

from colt_llvm.core.errors import UsageError
from colt_llvm.search.model_set import ModelSet
from colt_llvm.search.options import ColtOptions
from colt_llvm.search.randomness import derived


def first_model(models: ModelSet, options: ColtOptions) -> str:
    """The model asked at the root and at its seeded children: the largest, or the one that is fixed.

    Raises UsageError when ``fixed:<name>`` names no model of the set.
    """
    if options.fixed_model is None:
        return models.largest
    if options.fixed_model not in models:
        known = ", ".join(models.names)
        raise UsageError(f"next_model is {options.next_model!r}, but the models are {known}: name one of them")
    return options.fixed_model


def next_model(
    models: ModelSet, options: ColtOptions, seed: int, request_id: int, turn: int, proposed: str, fallback: str
) -> str:
    """The model for a new child. ``turn`` counts the children so far; an unknown ``proposed`` gives ``fallback``."""
    if options.fixed_model is not None:
        return options.fixed_model
    if options.next_model == "largest":
        return models.largest
    if options.next_model == "random":
        return derived(seed, "next model", request_id).choice(models.names)
    if options.next_model == "round_robin":
        return models.names[turn % len(models.names)]
    return proposed if proposed in models else fallback
