"""Optimisers of nevergrad over sequences of up to twelve actions."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from colt_llvm.errors import UsageError
from colt_llvm.peers.peer_search import Names, PeerSearch, import_peer
from colt_llvm.search import ActionSet

#: Of those that nevergrad has for discrete choices, the one that it takes for few trials and many choices.
DEFAULT = "DiscreteOnePlusOne"
SLOTS = 12
#: What an optimiser may be told of the length of a run; it plans by that.
_BUDGET = 200


class NevergradSearch(PeerSearch[Any]):
    """algorithm: a name of ``nevergrad.optimizers.registry``; "" is DEFAULT. Raises UsageError, MissingPeer.

    A slot is one TransitionChoice over all actions and as many empty places, which an optimiser moves over in a random
    order; it starts with all slots empty. With a softmax Choice for each slot a proposal took 270 ms instead of 46.
    """

    def __init__(self, actions: ActionSet, seed: int, algorithm: str = "") -> None:
        super().__init__("nevergrad", actions, seed)
        nevergrad = import_peer("nevergrad")
        registry = nevergrad.optimizers.registry
        name = algorithm or DEFAULT
        if name not in registry:
            raise UsageError(f"--strategy nevergrad:{name}: nevergrad has no such optimiser; try {DEFAULT} or NGOpt")
        import numpy as np

        random = Random(seed)
        names: list[str | None] = [*random.sample(actions.names, len(actions.names))]
        empty: list[str | None] = [None] * len(names)
        middle = len(names) // 2
        self._choices = [*names[:middle], *empty, *names[middle:]]
        self._place = {choice: index for index, choice in enumerate(self._choices)}
        self._place[None] = len(self._choices) // 2
        with _quiet():
            space = nevergrad.p.TransitionChoice(self._choices, repetitions=SLOTS)
            space.random_state = np.random.RandomState(seed % 2**32)
            self._optimiser = registry[name](parametrization=space, budget=_BUDGET, num_workers=1)

    def _ask_library(self) -> tuple[Any, Names]:
        with _quiet():
            candidate = self._optimiser.ask()
        return candidate, self.actions.tidy([name for name in candidate.value if name is not None])

    def _tell_library(self, ticket: Any, loss: float | None) -> None:
        if loss is not None:
            with _quiet():
                self._optimiser.tell(ticket, loss)

    def _adopt(self, sequence: Names) -> Any:
        value = [*sequence[:SLOTS], *[None] * (SLOTS - len(sequence))]
        return self._optimiser.parametrization.spawn_child(new_value=tuple(value))


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
