"""Models, answers and a toy world for the tests of the search."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from colt_llvm.search import (
    ColtOptions,
    ColtSearch,
    DrawOptions,
    Model,
    Outcome,
    Proposal,
    RandomProposer,
    Request,
    Strategy,
)

SMALL, MIDDLE, LARGE = Model("small", 1e9), Model("middle", 1e10), Model("large", 1e11)
MODELS = (SMALL, MIDDLE, LARGE)
ACTIONS = tuple("abcdefgh")

Evaluate = Callable[[tuple[str, ...]], Outcome]
Told = tuple[Request, Proposal, Outcome]


def answer(*passes: str, next_model: str = "small", model: str = "small", error: str | None = None) -> Proposal:
    return Proposal(passes, next_model, model, error)


def fair(reward: float, key: str | None = None) -> Outcome:
    return Outcome(reward, key)


def asked(strategy: Strategy) -> Request:
    request = strategy.ask()
    assert request is not None
    return request


def step(search: ColtSearch, proposal: Proposal, outcome: Outcome) -> Request:
    """One iteration with this answer; gives the request that it was for."""
    request = asked(search)
    search.tell(request, proposal, outcome)
    return request


def search_with(seed: int = 0, models: tuple[Model, ...] = MODELS, **options: object) -> ColtSearch:
    return ColtSearch(models, ColtOptions(**options), seed)  # type: ignore[arg-type]


def noise(sequence: tuple[str, ...]) -> Outcome:
    """A world without structure: any reward in [-1, 1]; one in eight fails; few enough keys to collide."""
    digest = hashlib.sha256(" ".join(sequence).encode()).digest()
    if digest[0] % 8 == 0:
        return Outcome(None, None, "crash")
    key = digest[1] * 8 + digest[2] % 8
    return Outcome(math.sin(key), str(key))


@dataclass(frozen=True)
class HiddenSequence:
    """Reward grows with how much of a hidden sequence is found, in order; each pass that is not needed costs."""

    hidden: tuple[str, ...]

    def __call__(self, sequence: tuple[str, ...]) -> Outcome:
        found = 0
        for name in sequence:
            found += found < len(self.hidden) and name == self.hidden[found]
        return Outcome(0.1 * found - 0.005 * (len(sequence) - found), " ".join(sequence))


def iterations(strategy: Strategy, proposer: RandomProposer, evaluate: Evaluate, count: int) -> Iterator[Told]:
    """Up to ``count`` sequential iterations; each is yielded after it was told."""
    for _ in range(count):
        request = strategy.ask()
        if request is None:
            return
        proposal = proposer.propose(request)
        outcome = evaluate(request.sequence + proposal.passes)
        strategy.tell(request, proposal, outcome)
        yield request, proposal, outcome


def run(strategy: Strategy, proposer: RandomProposer, evaluate: Evaluate, count: int) -> list[Told]:
    return list(iterations(strategy, proposer, evaluate, count))


def stand_in(seed: int, **options: object) -> RandomProposer:
    """Random proposals, signed by the model that was asked."""
    return RandomProposer(ACTIONS, MODELS, seed, DrawOptions(signed=None, **options))  # type: ignore[arg-type]
