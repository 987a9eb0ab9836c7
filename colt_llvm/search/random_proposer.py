"""Blind proposals: the fallback of a bad answer, the embedded proposer, and what models are compared with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from colt_llvm.core.errors import UsageError
from colt_llvm.search.model_set import ModelSet
from colt_llvm.search.protocol import Model, Proposal, Request, derived

RANDOM = "random"  # how a blind proposal is signed


@dataclass(frozen=True)
class DrawOptions:
    """How a proposal is drawn. Raises UsageError."""

    min_passes: int = 2  # 2 to 6 a proposal did better than 1 to 3 (ours, see docs)
    max_passes: int = 6
    weights: Sequence[float] | None = None  # one for each action; None: all alike
    switch_probability: float = 0.5  # of a next model drawn at random; else the acting one goes on
    signed: str | None = RANDOM  # Proposal.model; None signs as the acting model, to stand in for it

    def __post_init__(self) -> None:
        if not 1 <= self.min_passes <= self.max_passes:
            raise UsageError(f"passes from {self.min_passes} to {self.max_passes}: give 1 <= min_passes <= max_passes")
        if not 0 <= self.switch_probability <= 1:
            raise UsageError(f"switch_probability is {self.switch_probability}: give a number from 0 to 1")
        weights = self.weights
        if weights is not None and (not all(math.isfinite(w) and w >= 0 for w in weights) or not sum(weights) > 0):
            raise UsageError("weights must be 0 or more, with one above 0")


_DEFAULTS = DrawOptions()


class RandomProposer:
    """Stateless: the answer to a request depends on the seed, the request's id and its acting model alone."""

    def __init__(
        self, actions: Sequence[str], models: Sequence[Model], seed: int, draws: DrawOptions = _DEFAULTS
    ) -> None:
        """Raises UsageError when nothing can be drawn."""
        weights = draws.weights
        if not actions:
            raise UsageError("no actions to draw from: give at least one pass")
        if weights is not None and len(weights) != len(actions):
            raise UsageError(f"{len(weights)} weights for {len(actions)} actions: give one for each")
        self._actions = tuple(actions)
        self._models = ModelSet.of(models)
        self._seed = seed
        self._lengths = (draws.min_passes, draws.max_passes)
        self._cumulative = None if weights is None else list(itertools.accumulate(weights))
        self._switch_probability = draws.switch_probability
        self._signed = draws.signed

    def propose(self, request: Request) -> Proposal:
        """Passes drawn with repetition, and a next model."""
        random = derived(self._seed, "proposal", request.id)
        passes = random.choices(self._actions, cum_weights=self._cumulative, k=random.randint(*self._lengths))
        switch = random.random() < self._switch_probability
        next_model = random.choice(self._models.names) if switch else request.model
        return Proposal(tuple(passes), next_model, self._signed or request.model)
