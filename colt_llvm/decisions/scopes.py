"""How far a decision reaches, and the sequences that a search for size begins with. A run names its scopes."""

from __future__ import annotations

from collections.abc import Collection

from colt_llvm.core.errors import UsageError
from colt_llvm.llvm.decision import EVERY, SWITCHES, is_decision, parse_decision
from colt_llvm.llvm.process_options import threshold_options
from colt_llvm.objectives.registry import find_objective

#: From the largest to the smallest. "passes": passes over the whole module and edits of its pipeline. "module":
#: thresholds and the level of all functions. "inline": of "function" what a source can say too: whether it is inlined.
SCOPES = ("passes", "module", "function", "inline", "call", "loop")

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


def scope_of(action: str) -> str:
    """The scope of SCOPES that an action of a sequence is of: "passes" for a pass or an edit of the pipeline."""
    if threshold_options(action) is not None:
        return "module"
    if not is_decision(action):
        return "passes"
    decision = parse_decision(action)
    return "module" if decision.function == EVERY else decision.scope


Names = tuple[str, ...]

#: ``clang -O2``, ``-Os`` and ``-O1`` from a front end at -Oz: the level of all functions, and that level's pipeline.
_LEVELS: tuple[Names, ...] = (
    ("optspeed<*>", "default<O2>"),
    ("optsize<*>", "default<Os>"),
    ("optspeed<*>", "default<O1>"),
)
#: Thresholds of the inliner, which is 5 units at -Oz, 50 at -Os and 225 at -O2.
_INLINER = (225, 50, 100)
#: ``-fno-omit-frame-pointer -momit-leaf-frame-pointer``: shorter unwind rows.
_FRAME_POINTER = "frame-pointer<*;non-leaf>"
#: ``-mllvm -enable-ipra`` and so on in code generation: together they paid on each train program (docs/decisions/0034).
_SWITCHES = tuple(f"{switch}<{EVERY}>" for switch in SWITCHES)


def plain_flags(known: Collection[str], *, rows: bool) -> tuple[Names, ...]:
    """Sequences to begin with, those that pay most often first.

    known: the passes and decisions that may be taken; of LLVM 23 and later the levels for size are none of them.
    rows: whether the program's unwind rows are loaded.
    """
    frame = (_FRAME_POINTER,) if rows else ()
    all_of_it = (*frame, *_SWITCHES)
    inliner = [(f"inline-threshold<{value}>", *all_of_it) for value in _INLINER]
    levels = [(*names, *all_of_it) for names in _LEVELS]
    wanted = [frame, all_of_it, *inliner[:1], *levels, *inliner[1:]]
    found = (tuple(name for name in names if name in known) for names in wanted)
    return tuple(names for names in dict.fromkeys(found) if names)
