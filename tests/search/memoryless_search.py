"""A strategy without memory, answered by any proposer: every request is at the root. What the tree has to beat."""

from __future__ import annotations

from collections.abc import Sequence

from colt_llvm.search.model_set import ModelSet
from colt_llvm.search.protocol import InFlight, Model, Outcome, Proposal, Request, Trial, better_trial, derived
from colt_llvm.search.tree import ROOT


class MemorylessSearch:
    """A :class:`colt_llvm.search.protocol.Strategy` without memory: any number in flight, never exhausted."""

    def __init__(self, models: Sequence[Model], seed: int) -> None:
        """Each request asks a model drawn at random. Raises UsageError for an empty or ambiguous model set."""
        self.models = ModelSet.of(models)
        self.seed = seed
        self._best: Trial | None = None
        self._in_flight = InFlight()

    def set_root_key(self, key: str) -> None:
        """Nothing to do: there is no tree to keep clear of transpositions."""

    def ask(self) -> Request | None:
        """The empty sequence, again."""
        request_id = self._in_flight.next_id
        model = derived(self.seed, "acting model", request_id).choice(self.models.names)
        request = Request(request_id, ROOT, (), model, "expand")
        self._in_flight.add(request)
        return request

    def tell(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Remember the best. Raises UsageError for a request that was never handed out."""
        pending = self._in_flight.settle(request)
        if pending is not None and outcome.reward is not None:
            self._best = better_trial(self._best, Trial(pending, proposal, outcome, outcome.reward))

    def abandon(self, request: Request) -> None:
        """The request is no longer pending; its id is used up."""
        self._in_flight.remove(request)

    def restore(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Ask and tell in one, for a journal's entries."""
        if not self._in_flight.settled(request):
            self._in_flight.add(request)
            self.tell(request, proposal, outcome)

    def best(self) -> Trial | None:
        """The trial with the greatest reward, that of the shorter sequence among equals; None before any."""
        return self._best
