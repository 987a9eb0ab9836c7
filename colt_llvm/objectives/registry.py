"""Objectives by name: ours, those of installed packages, and ``their.module:NAME``.

A package adds one with an entry point, whose name is the objective's:

    [project.entry-points."colt_llvm.objectives"]
    xz = "their_package:XZ"
"""

from __future__ import annotations

from functools import cache

from colt_llvm.core.errors import UsageError
from colt_llvm.core.plugins import find_plugin, offered
from colt_llvm.objectives.balanced import BALANCED
from colt_llvm.objectives.base import Objective
from colt_llvm.objectives.instructions import INSTRUCTION_COUNT
from colt_llvm.objectives.runtime import RUNTIME
from colt_llvm.objectives.size import LOADED_SIZE

GROUP = "colt_llvm.objectives"
DEFAULT = RUNTIME.name
_OURS = {objective.name: objective for objective in (RUNTIME, LOADED_SIZE, BALANCED, INSTRUCTION_COUNT)}
#: The names of our own, as they are listed.
OBJECTIVES = tuple(_OURS)
#: Of other packages, as far as this process has met them: by their own names, as results and recipes call them.
_FOUND: dict[str, Objective] = {}


@cache
def find_objective(name: str) -> Objective:
    """The objective of this name, or of ``module:NAME``. Raises UsageError, which lists what there is."""
    if name in _OURS:
        return _OURS[name]
    if name in _FOUND:
        return _FOUND[name]
    found = find_plugin(GROUP, name)
    if found is not None and not isinstance(found, Objective) and callable(found):
        from colt_llvm.objectives.cost import CostObjective

        found = CostObjective.of(found)
    if isinstance(found, Objective):
        if found.name in _OURS:
            raise UsageError(f"--objective {name}: is named {found.name!r} as ours is; give it another name")
        return _FOUND.setdefault(found.name, found)
    if found is not None:
        raise UsageError(f"--objective {name}: is a {type(found).__name__}; name an Objective or a cost function")
    names = [*OBJECTIVES, *offered(GROUP)]
    raise UsageError(f"--objective {name!r}: use one of {', '.join(names)}, or your own as module:NAME")


def known_objective(name: str) -> Objective | None:
    """The same where a name comes out of a file; None where nothing here has it."""
    try:
        return find_objective(name)
    except UsageError:
        return None
