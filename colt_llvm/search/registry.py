"""Strategies by name: ours, those of installed packages, and ``their.module:Class``.

A package adds one with an entry point, a class or function that makes a strategy of a run's task:

    [project.entry-points."colt_llvm.strategies"]
    annealing = "their_package:Annealing"
"""

from __future__ import annotations

from functools import cache

from colt_llvm.core.errors import UsageError
from colt_llvm.core.plugins import find_plugin, offered
from colt_llvm.search.colt import COLT
from colt_llvm.search.rivals.at_random import MCTS, RANDOM
from colt_llvm.search.rivals.genetic import GENETIC
from colt_llvm.search.rivals.greedy import GREEDY
from colt_llvm.search.rivals.nevergrad_search import NEVERGRAD
from colt_llvm.search.rivals.optuna_search import OPTUNA
from colt_llvm.search.strategy import DeclaredStrategy, declared

GROUP = "colt_llvm.strategies"
DEFAULT = COLT.name
_OURS = {one.name: one for one in (COLT, MCTS, RANDOM, GREEDY, GENETIC, NEVERGRAD, OPTUNA)}
#: Name -> one line for --help.
STRATEGIES = {name: one.summary for name, one in _OURS.items()}


@cache
def find_strategy(text: str) -> tuple[DeclaredStrategy, str]:
    """The strategy, and the algorithm of its library or "". Raises UsageError, which lists what there is."""
    name, colon, algorithm = text.partition(":")
    if name in _OURS and (not colon or (_OURS[name].algorithms and algorithm)):
        return _OURS[name], algorithm
    found = None if name in _OURS else find_plugin(GROUP, text)
    if isinstance(found, DeclaredStrategy):
        return found, ""
    if callable(found):
        return declared(found, text), ""
    if found is not None:
        raise UsageError(f"--strategy {text}: is a {type(found).__name__}; name a class that is made of a run's Task")
    names = [*STRATEGIES, *offered(GROUP), *(f"{name}:NAME" for name, one in _OURS.items() if one.algorithms)]
    raise UsageError(f"--strategy {text!r}: use one of {', '.join(names)}, or your own as module:CLASS")


def refuse_models(text: str) -> None:
    """Raises UsageError where models were named for a strategy that asks none."""
    if not find_strategy(text)[0].asks_models:
        raise UsageError(
            f"--strategy {text}: asks no model; leave out --models and --max-..., or use --strategy {COLT.name}"
        )
