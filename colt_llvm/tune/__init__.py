"""The composition root: the only place where environment, search and measurement meet.

Read in this order: ``tuner`` (all of it), ``session`` (what a run needs), ``searching`` and ``driver`` (the loop),
``builder`` (sequence to object code, through the environment), ``judge`` (is it still right, how good is it), ``claim``
(the proof), ``handover`` (what is left behind).
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """``colt_llvm.tune`` is a function to its users; importing this package puts it in the place of that name."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """See ``colt_llvm.api.tune``."""
        # By name: the interface stands above this package, and imports it.
        return importlib.import_module("colt_llvm.api").tune(*arguments, **named)


sys.modules[__name__].__class__ = _Callable
