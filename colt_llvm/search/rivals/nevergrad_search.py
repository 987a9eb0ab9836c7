"""Optimisers of nevergrad over sequences of up to twelve actions."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from colt_llvm.core.errors import UsageError
from colt_llvm.search import ActionSet
from colt_llvm.search.rivals.peer_search import Names, PeerSearch, import_peer
from colt_llvm.search.strategy import DeclaredStrategy

#: nevergrad's own choice by the kind of space and the number of trials.
DEFAULT = "NGOpt"
SLOTS = 12
#: What an optimiser is told of the length of a run that has none; it plans by that.
_BUDGET = 200
_EMPTY = 0.2  # empty places for each action


class NevergradSearch(PeerSearch[Any]):
    """algorithm: a name of ``nevergrad.optimizers.registry``; "" is DEFAULT. Raises UsageError, MissingPeer.

    trials: how many the run will have; None where only time ends it.

    A slot is an index into all actions, shuffled, around some empty places; it starts empty, and a discrete optimiser
    draws it anew. That takes 1 ms a proposal. nevergrad's own TransitionChoice, which holds the same index, keeps an
    object for each choice: 60 ms of CPU with 330 actions, as had its Choice. On landscapes made from the measured
    effects of single actions on two train programs (200 trials, 16 runs), few empty places found more than as many as
    actions (32 to 37% against 26 to 32%), NGOpt more than DiscreteOnePlusOne (33% against 31% on average), and
    8 slots less than 12, 16 or 24.
    """

    def __init__(self, actions: ActionSet, seed: int, algorithm: str = "", trials: int | None = None) -> None:
        super().__init__("nevergrad", actions, seed)
        nevergrad = import_peer("nevergrad")
        registry = nevergrad.optimizers.registry
        name = algorithm or DEFAULT
        if name not in registry:
            raise UsageError(
                f"--strategy nevergrad:{name}: nevergrad has no such optimiser; try {DEFAULT} or DiscreteOnePlusOne"
            )
        import numpy as np

        names: list[str | None] = [*Random(seed).sample(actions.names, len(actions.names))]
        half = len(names) // 2
        empty = [None] * max(1, round(_EMPTY * len(names)))
        self._choices = [*names[:half], *empty, *names[half:]]
        self._place = {choice: index for index, choice in enumerate(self._choices)}
        self._place[None] = half + len(empty) // 2
        with _quiet():
            start = np.full(SLOTS, float(self._place[None]))
            last = len(self._choices) - 1
            space = nevergrad.p.Array(init=start).set_bounds(-0.49, last + 0.49, method="gaussian")
            space.set_integer_casting()
            space.random_state = np.random.RandomState(seed % 2**32)
            self._optimiser = registry[name](parametrization=space, budget=trials or _BUDGET, num_workers=1)

    def _ask_library(self) -> tuple[Any, Names]:
        with _quiet():
            candidate = self._optimiser.ask()
        named = [self._choices[int(index)] for index in candidate.value]
        return candidate, self.actions.tidy([name for name in named if name is not None])

    def _tell_library(self, ticket: Any, loss: float | None) -> None:
        if loss is not None:
            with _quiet():
                self._optimiser.tell(ticket, loss)

    def _adopt(self, sequence: Names) -> Any:
        import numpy as np

        value = [self._place[name] for name in sequence[:SLOTS]] + [self._place[None]] * (SLOTS - len(sequence))
        return self._optimiser.parametrization.spawn_child(new_value=np.array(value, dtype=float))


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


NEVERGRAD = DeclaredStrategy(
    "nevergrad",
    "an optimiser of nevergrad; nevergrad:NAME for another than the default",
    lambda task, algorithm, _options: NevergradSearch(task.table, task.seed, algorithm, task.trials_wanted),
    algorithms=True,
)
