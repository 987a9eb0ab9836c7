"""What searches of other libraries share: their own ask and tell, under ours."""

from __future__ import annotations

from types import ModuleType
from typing import Generic, TypeVar

from colt_llvm.core.errors import UsageError
from colt_llvm.search import ActionSet, Outcome, Proposal, Request, SequenceSearch

Names = tuple[str, ...]
Ticket = TypeVar("Ticket")

#: How often the library is asked again where it names what was tried before; it is told that result each time.
MOST_REPEATS = 8
#: Loss of a sequence that failed: worse by more than any sequence that works (losses are minus the log ratio).
FAILED = 1.0


class MissingPeer(UsageError, ImportError):
    """The library of a peer is not installed."""


def import_peer(name: str) -> ModuleType:
    """Raises MissingPeer."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingPeer(f'--strategy {name}: is not installed; run: pip install "colt-llvm[peers]"') from None


class PeerSearch(SequenceSearch, Generic[Ticket]):
    """A library's optimiser; its own record of a sequence that it named is the ticket.

    Going on from a journal asks and tells the library again, so that with one request in flight it stands where it
    stood. An entry that it would not name now (several were in flight) is told as one that it did not ask for.
    """

    def __init__(self, name: str, actions: ActionSet, seed: int) -> None:
        super().__init__(name, actions, seed)
        self._tickets: dict[int, Ticket] = {}
        self._losses: dict[object, float] = {}

    # What a library is.

    def _ask_library(self) -> tuple[Ticket, Names]:
        raise NotImplementedError

    def _tell_library(self, ticket: Ticket, loss: float | None) -> None:
        """loss: None where the sequence was not tried after all."""
        raise NotImplementedError

    def _adopt(self, sequence: Names) -> Ticket:
        """A ticket for a sequence that the library did not name."""
        raise NotImplementedError

    # Strategy.

    def _choose_new(self, request_id: int) -> Names:
        ticket, sequence = self._ask_library()
        for _ in range(MOST_REPEATS):
            if not self.is_known(sequence):
                break
            self._tell_library(ticket, self._losses.get(self.actions.meaning(sequence)))
            ticket, sequence = self._ask_library()
        self._tickets[request_id] = ticket
        return sequence

    def tell(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        super().tell(request, proposal, outcome)
        ticket = self._tickets.pop(request.id, None)
        if ticket is not None:
            loss = FAILED if outcome.reward is None else -outcome.reward
            self._losses[self.actions.meaning(proposal.passes)] = loss
            self._tell_library(ticket, loss)

    def abandon(self, request: Request) -> None:
        super().abandon(request)
        ticket = self._tickets.pop(request.id, None)
        if ticket is not None:
            self._tell_library(ticket, None)

    def restore(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        new = not self._in_flight.settled(request) and request.id not in self._in_flight.pending
        if new and request.model == self.name and self._choose_new(request.id) != proposal.passes:
            self._tell_library(self._tickets[request.id], None)
            self._tickets[request.id] = self._adopt(proposal.passes)
        super().restore(request, proposal, outcome)
