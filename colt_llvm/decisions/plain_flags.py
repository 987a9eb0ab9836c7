"""What plain flags of clang do, as sequences: a search for size begins with them, so that it never ends behind them."""

from __future__ import annotations

from colt_llvm.decisions.scopes import Scopes
from colt_llvm.llvm.catalogue import Catalogue
from colt_llvm.llvm.decision import is_decision

Names = tuple[str, ...]

#: ``clang -O2``, ``-Os`` and ``-O1`` from a front end at -Oz: the level of all functions, and that level's pipeline.
_LEVELS: tuple[Names, ...] = (
    ("optspeed<*>", "default<O2>"),
    ("optsize<*>", "default<Os>"),
    ("optspeed<*>", "default<O1>"),
)
#: Thresholds of the inliner, which is 5 units at -Oz, 50 at -Os and 225 at -O2.
_INLINER = (225, 50, 100)


def plain_flags(scopes: Scopes, catalogue: Catalogue, *, calls: bool) -> tuple[Names, ...]:
    """Sequences to begin with, those that pay most often first; none where the scopes have none of these.

    calls: whether anything in the program could be inlined.
    """
    if "module" not in scopes:
        return ()
    inliner = [(f"inline-threshold<{value}>",) for value in _INLINER] if calls else []
    # From LLVM 23 on the levels for size are O2 on functions that are marked, and no pipelines of their own.
    levels = [tuple(name for name in names if is_decision(name) or name in catalogue) for names in _LEVELS]
    return (*inliner[:1], *levels, *inliner[1:]) if "passes" in scopes else tuple(inliner)
