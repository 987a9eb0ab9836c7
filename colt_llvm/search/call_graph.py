"""Who calls whom, and how far a decision about inlining can show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping

from colt_llvm.search.sequences import Names

#: A function with so few callers may go into them when it changes.
_FEW_CALLERS = 2


class CallGraph:
    """callers: function -> who calls it; every function of the module is in it."""

    def __init__(self, callers: Mapping[str, Names]) -> None:
        self.callers = callers
        self._callees: defaultdict[str, list[str]] = defaultdict(list)
        for function, those in callers.items():
            for caller in those:
                self._callees[caller].append(function)

    def region(self, start: Collection[str], function: str, is_gone: Callable[[str], bool]) -> frozenset[str]:
        """``start``, and the callers of a function and theirs, as far as one may be inlined into the other."""
        found = set(start) & self.callers.keys()
        waiting = [function]
        while waiting:
            for caller in self.callers.get(waiting.pop(), ()):
                if caller not in found:
                    found.add(caller)
                    if len(self.callers[caller]) <= _FEW_CALLERS or is_gone(caller):
                        waiting.append(caller)
        return frozenset(found)

    def near(self, function: str, present: Collection[str]) -> set[str]:
        """Those that it calls or that call it; what is not there as such is passed through."""
        found: set[str] = set()
        waiting = [function]
        while waiting:
            at = waiting.pop()
            for other in (*self.callers.get(at, ()), *self._callees.get(at, ())):
                if other not in found:
                    found.add(other)
                    if other not in present:
                        waiting.append(other)
        return found

    def home(self, function: str, is_gone: Callable[[str], bool]) -> str | None:
        """The first function that is there as such into which this one goes."""
        seen, waiting = {function}, [function]
        while waiting:
            for caller in self.callers.get(waiting.pop(0), ()):
                if not is_gone(caller):
                    return caller
                if caller not in seen:
                    seen.add(caller)
                    waiting.append(caller)
        return None

    def absent(self, function: str, present: Collection[str]) -> frozenset[str]:
        """Which functions that it calls are not there as such."""
        return frozenset(callee for callee in self._callees.get(function, ()) if callee not in present)
