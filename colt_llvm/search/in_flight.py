"""Which requests are in flight, and which are settled: so that telling twice is harmless."""

from __future__ import annotations

from dataclasses import dataclass, field

from colt_llvm.core.errors import UsageError
from colt_llvm.search.protocol import Request


@dataclass(slots=True)
class InFlight:
    """Requests by id. Ids count up from 0 and are never used again."""

    next_id: int = 0
    pending: dict[int, Request] = field(default_factory=dict)
    told: set[int] = field(default_factory=set)

    def add(self, request: Request) -> None:
        """A request is handed out, by ``ask`` or from a journal."""
        self.pending[request.id] = request
        self.next_id = max(self.next_id, request.id + 1)

    def remove(self, request: Request) -> Request | None:
        """The pending request of this id, no longer pending; None when it was told or abandoned before.

        Raises UsageError for an id that was never handed out.
        """
        if request.id >= self.next_id:
            raise UsageError(f"request {request.id} was never asked for: tell what ask() gave, or use restore()")
        return self.pending.pop(request.id, None)

    def settle(self, request: Request) -> Request | None:
        """As ``remove``, because its outcome is told."""
        pending = self.remove(request)
        if pending is not None:
            self.told.add(pending.id)
        return pending

    def settled(self, request: Request) -> bool:
        """Whether an outcome for this id was told before."""
        return request.id in self.told
