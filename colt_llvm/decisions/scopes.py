"""How far a decision reaches. A run names the scopes that its search may decide in."""

from __future__ import annotations

from colt_llvm.core.errors import UsageError
from colt_llvm.objectives.registry import find_objective

#: From the largest to the smallest. "passes": passes over the whole module and edits of its pipeline. "module":
#: thresholds and the level of all functions.
SCOPES = ("passes", "module", "function", "call", "loop")

Scopes = tuple[str, ...]

#: In a shorter search what is known of whole sequences finds more: decisions are tried one build after another.
LEAST_TRIALS = 100


def default_scopes(objective: str, trials: int | None) -> Scopes:
    """What a run of this objective decides in where its user says nothing. trials: at most so many; None: no limit."""
    if not find_objective(objective).additive or (trials is not None and trials < LEAST_TRIALS):
        return ("passes",)  # where nothing is known to pay, no proposal is spent
    return ("passes", "module", "function", "call")


def check_scopes(scopes: Scopes) -> None:
    """Raises UsageError."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        said = repr(unknown[0]) if unknown else "nothing"
        raise UsageError(f"--scopes: {said} is no scope; use some of {', '.join(SCOPES)}")
