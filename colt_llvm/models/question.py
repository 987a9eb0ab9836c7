"""What a model is asked, as plain values: the prompt's text is made of them, and embedded models read them as they are.

Everything here follows from the tree, the request and the state's own code; no clock, so that a run repeats.
Why so: docs/decisions/0013.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

#: Passes and decisions of one answer: the effect of a longer step could not be told from its parts.
MOST_ASKED_FOR = 6
#: Of what is of one program alone (functions, calls, loops), the most promising are told.
MOST_DECISIONS = 120
_WITHOUT = "without<"


@dataclass(frozen=True)
class State:
    """A program state of the tree.

    sequence: passes and edits from the root. reward: natural log of the ratio to the baseline, higher is better.
    figures: costs, lower is better (seconds, bytes, counts). made_by: the model that proposed it; "" for the root.
    """

    sequence: tuple[str, ...]
    reward: float
    figures: Mapping[str, float] = field(default_factory=dict)
    made_by: str = ""

    @property
    def ratio(self) -> float:
        """Baseline over this state: above 1 is better than the baseline."""
        return math.exp(self.reward)


@dataclass(frozen=True)
class Attempt:
    """Something that was proposed at a state before. gain: its reward less the state's; None when it failed.

    failure: "transposition" (object code that was known), "miscompile", "crash", ...; None for a live child.
    """

    passes: tuple[str, ...]
    model: str
    gain: float | None
    failure: str | None = None


@dataclass(frozen=True)
class Evidence:
    """What is known of a state's code.

    features: InstCountDict of the completed IR (``TotalInstsCount``, ``LoadCount``, ...).
    changed_functions: those whose code differs from the baseline's. remarks: LLVM's own, one line each, the most
    telling first. excerpt: IR of the hottest code, already cut to a size. excerpt_of: its function.
    """

    features: Mapping[str, float] = field(default_factory=dict)
    changed_functions: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    excerpt: str = ""
    excerpt_of: str = ""


@dataclass(frozen=True)
class Offer:
    """A model that may be named as the next one, with what it has done so far.

    parameters: count. hit_rate: children better than their parents, in 0..1; None before the first call.
    price: money per million output tokens; None where nothing is charged. policy: it is no language model.
    """

    name: str
    parameters: float
    calls: int = 0
    hit_rate: float | None = None
    errors: int = 0
    price: float | None = None
    policy: bool = False


@dataclass(frozen=True)
class Question:
    """One request of the search, with all that the acting model is told.

    kind: "seed" or "expand": propose; "correct": ``rejected`` regressed, say what to do instead.
    tried: what was proposed at this state before, oldest first.
    paid: action -> mean gain of the proposals that held it, over the whole tree; only those that were tried.
    program: features of the root state, as in ``Evidence.features``: the same throughout a run.
    passes, edits: names that may be used; ``edits`` have no order: they leave passes out of the pipeline that completes
    the sequence, or decide about one function, call or loop.
    promised: action -> the gain that it is expected to bring to this program, a log ratio; of actions that are of this
    program alone. known_good: whole sequences to begin with, such as what plain flags of clang do.
    proposed: what requests in flight propose at this state, where that is known; it is not in ``tried`` yet.
    in_flight: other requests in flight at this state; of those it is not known what they propose.
    trials_done, trials_wanted: budget; trials_wanted is None where time alone ends the search.
    calls, tokens, cost: spent so far in this run; cost in the currency of the prices.
    confidence_wanted: whether the search makes use of what a model says of its chances.
    misses: steps by policies in a row, up to the last one that was told, that were no better than the state before.
    wanted: proposals that the answer is to hold; None in a search whose answers hold one each.
    """

    request_id: int
    seed: int
    kind: str
    acting: str
    objective: str
    baseline: str
    cpu: str
    state: State
    parent: State | None = None
    grandparent: State | None = None
    tried: tuple[Attempt, ...] = ()
    paid: Mapping[str, float] = field(default_factory=dict)
    rejected: Attempt | None = None
    best: State | None = None
    offers: tuple[Offer, ...] = ()
    program: Mapping[str, float] = field(default_factory=dict)
    passes: tuple[str, ...] = ()
    edits: tuple[str, ...] = ()
    evidence: Evidence = field(default_factory=Evidence)
    trials_done: int = 0
    proposed: tuple[tuple[str, ...], ...] = ()
    in_flight: int = 0
    trials_wanted: int | None = None
    calls: int = 0
    tokens: int = 0
    cost: float = 0.0
    confidence_wanted: bool = False
    wanted: int | None = None
    misses: int = 0
    promised: Mapping[str, float] = field(default_factory=dict)
    known_good: tuple[tuple[str, ...], ...] = ()

    @property
    def pipeline_edits(self) -> tuple[str, ...]:
        """Of ``edits``, those that leave a pass out of the pipeline."""
        return tuple(edit for edit in self.edits if edit.startswith(_WITHOUT))

    @property
    def decisions(self) -> tuple[str, ...]:
        """Of ``edits``, the decisions about the module, a function, a call or a loop; the most promising first."""
        found = [edit for edit in self.edits if not edit.startswith(_WITHOUT)]
        return tuple(sorted(found, key=lambda edit: -self.promised.get(edit, 0.0))[:MOST_DECISIONS])
