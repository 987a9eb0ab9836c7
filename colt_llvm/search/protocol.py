"""Ask/tell: the words that a strategy and the driver exchange (ours: the search never runs anything).

The driver asks for a :class:`Request`, lets a model answer with a :class:`Proposal`, measures what the
proposal gives, and tells the strategy the :class:`Outcome`. All of them are plain values, so a run can be
written to a journal and read back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal, Protocol

from colt_llvm.core.errors import UsageError

#: "refine": at the root, a whole sequence made from good ones; no model is asked (ours).
Kind = Literal["seed", "expand", "correct", "refine"]
KINDS: tuple[Kind, ...] = ("seed", "expand", "correct", "refine")


@dataclass(frozen=True)
class Model:
    """What the search knows of a proposer. Raises UsageError for an empty name or a bad parameter count."""

    name: str
    parameters: float  # parameter count P > 0; 7e9 for a "7B" model
    policy: bool = False  # a small policy that costs next to nothing, and no language model

    def __post_init__(self) -> None:
        if not self.name:
            raise UsageError("a model needs a name: give Model(name=...) some text")
        if not (math.isfinite(self.parameters) and self.parameters > 0):
            raise UsageError(f"model {self.name!r}: parameters is {self.parameters}; give a count above 0, e.g. 7e9")


@dataclass(frozen=True)
class Proposal:
    """A joint action (arXiv 2602.01935): the passes to append, and the model to be asked next.

    Raises UsageError for a confidence that is no chance.
    """

    passes: tuple[str, ...]
    next_model: str
    model: str  # who made it; a name outside the model set (e.g. "random") marks a stand-in
    error: str | None = None  # kind of bad answer, counted on the model that was asked
    asked: str = ""  # who was asked, where that was not the acting model (one that keeps failing is set aside)
    confidence: float | None = None  # chance, 0 to 1, that the new state is better than the leaf; None: not said
    promised: float | None = None  # the reward that parts which add up promise of the whole; None: nothing is promised
    further: tuple[Proposal, ...] = ()  # what else the same answer proposes: requests of their own, at the same leaf

    def __post_init__(self) -> None:
        if self.confidence is not None and not 0.0 <= self.confidence <= 1.0:
            raise UsageError(f"confidence is {self.confidence}: give a number from 0 to 1, or None")


@dataclass(frozen=True)
class Request:
    """What ``ask`` hands out: "expand this leaf"."""

    id: int  # 0, 1, 2, ...; never reused, also after a restore
    node: int  # id of the leaf in the tree; 0 is the root
    sequence: tuple[str, ...]  # passes from the root to the leaf
    model: str  # acting model, to be asked
    kind: Kind
    rejected: Proposal | None = None  # for "correct": the small model's proposal that regressed
    given: Proposal | None = None  # what an earlier answer at this leaf proposed too: nobody is asked


@dataclass(frozen=True)
class Outcome:
    """What the evaluation of ``request.sequence + proposal.passes`` gave. Raises UsageError for NaN or infinity."""

    reward: float | None  # natural log of the ratio to the baseline, higher is better; None: not evaluated
    key: str | None = None  # hash of what was built; equal keys mean the same object code
    failure: str | None = None  # "miscompile", "crash", "timeout", "invalid", ... when reward is None
    figures: Mapping[str, float] = field(default_factory=dict)  # costs, lower is better: seconds, bytes, counts
    parts: Mapping[str, int] = field(default_factory=dict)  # bytes of each function, where the search asks for them

    def __post_init__(self) -> None:
        if self.reward is not None and not math.isfinite(self.reward):
            raise UsageError(f"reward is {self.reward}: give a finite number, or None and a failure")


@dataclass(frozen=True)
class Trial:
    """One told request with all that belongs to it. ``reward`` is shared by trials with equal object code."""

    request: Request
    proposal: Proposal
    outcome: Outcome
    reward: float

    @property
    def sequence(self) -> tuple[str, ...]:
        """All passes from the root."""
        return self.request.sequence + self.proposal.passes


def better_trial(known: Trial | None, candidate: Trial) -> Trial:
    """The one with the greater reward; at equal reward the shorter sequence (ours), then the earlier one."""
    if known is None or candidate.reward > known.reward:
        return candidate
    if candidate.reward == known.reward and len(candidate.sequence) < len(known.sequence):
        return candidate
    return known


def derived(seed: int, purpose: str, request_id: int) -> Random:
    """Random numbers that depend on these three, and on nothing that happened before.

    Ours: so a resumed run repeats exactly, whatever was asked in between. Seeding with text hashes it with SHA-512: the
    same stream on every Python and host.
    """
    return Random(f"{seed}/{purpose}/{request_id}")


class Strategy(Protocol):
    """What the driver needs of a search. No method blocks, measures or writes."""

    def set_root_key(self, key: str) -> None:
        """Say which object code the empty sequence gives. Before the first ``ask`` or ``restore``."""

    def ask(self) -> Request | None:
        """The next request; None when one that is pending has to be told first, or the search is exhausted."""

    def tell(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Settle a pending request. Telling it again is harmless."""

    def abandon(self, request: Request) -> None:
        """Take a pending request back, as if it had not been asked; its id is not used again."""

    def restore(self, request: Request, proposal: Proposal, outcome: Outcome) -> None:
        """Ask and tell in one, for a journal's entries in the order in which they were told."""

    def best(self) -> Trial | None:
        """The best trial so far; None before any reward."""


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
