"""What other packages add, found by the name of an entry point, or as ``their.module:NAME``."""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from colt_llvm.core.errors import UsageError
from colt_llvm.core.variables import show_strange_modules

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


@cache
def offered(group: str) -> dict[str, EntryPoint]:
    """Entry points of installed packages by name, in the order of their names."""
    from importlib.metadata import entry_points  # loads much, and help has no need of it

    added = show_strange_modules()
    try:
        return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}
    finally:
        sys.path[:] = [folder for folder in sys.path if folder not in added]  # until one of them is named


def find_plugin(group: str, name: str) -> Any:
    """The object of an entry point ``name`` of ``group``, or that ``module:NAME`` names; None where there is none.

    A module is also looked for in the working directory. Raises UsageError for one that cannot be loaded.
    """
    point = offered(group).get(name)
    text = point.value if point else name
    module, colon, attribute = text.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))):
        return None
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())  # last, so that nothing there hides an installed module
    added = show_strange_modules()
    try:
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UsageError(f"{name}: cannot be loaded ({said}); install its package, or fix it") from error
    finally:
        if module.partition(".")[0] == __package__.partition(".")[0]:  # our own needs none of these folders
            sys.path[:] = [folder for folder in sys.path if folder not in added]
    return found
