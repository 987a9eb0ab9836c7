"""The knobs of the search, with the defaults of arXiv 2602.01935 where it has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from colt_llvm.core.errors import UsageError

_DIGITS = 9  # a power is rounded, so that its last bits do not decide whether there is one more place


@dataclass(frozen=True)
class Widening:
    """Progressive widening: a node may have max(B, ceil(k · N^α)) children, for B = branching and N visits.

    Coulom 2007 (Computing Elo ratings of move patterns in the game of Go), Chaslot et al. 2008 (Progressive strategies
    for Monte-Carlo tree search). A node's children are not known beforehand: a new place is one more proposal. The
    paper (arXiv 2602.01935) has B alone, an exponent of 0. Why so: docs/decisions/0012.

    exponent: α in [0, 1); 0 is off. factor: k > 0."""

    exponent: float = 0.0
    factor: float = 1.0

    @property
    def on(self) -> bool:
        """Whether visits count at all."""
        return self.exponent > 0

    def places(self, visits: int) -> int:
        """ceil(k · N^α), for N = ``visits`` >= 0; 0 where it is off. Requests in flight are no visits."""
        return math.ceil(round(self.factor * visits**self.exponent, _DIGITS)) if self.on else 0


PLAIN = Widening()


#: "acting": the same model again, as in the paper; "named": whom the proposal named that gave nothing better (ours:
#: else a model that is named where others keep missing is asked at worse states alone, to which nothing descends).
AFTER_FAILURE = ("acting", "named")
NEXT_MODEL_POLICIES = ("model", "random", "round_robin", "largest")
#: "largest", as in the paper; "named": whom the last answer at the root named (ours: each seed is a step like others);
#: "policies": the same as long as that is a policy, else the largest policy (ours).
SEED_MODELS = ("largest", "named", "policies")
#: "uct": the rule of the paper. "puct": exploration in proportion to what models were confident of (see selection).
SELECTIONS = ("uct", "puct")
FIXED = "fixed:"  # "fixed:<name>": one model is asked throughout


@dataclass(frozen=True)
class ColtOptions:
    """Checked once, on construction: raises UsageError with the remedy."""

    branching: int = 2  # B: a node with fewer live children is expanded
    exploration: float = math.sqrt(2)  # C
    model_bias: float = 0.5  # λ in [0, 1]: how much a small model counts against a good value
    course_alteration_period: int | None = 2  # K: regressions in a row to a correction; 1 each time, None never
    max_expansion_failures: int = 5  # a node that fails so often is terminal
    seeds: int = 4  # first requests, all at the root
    seed_models: str = "largest"  # who is asked for them, and next at what they give: see SEED_MODELS
    next_model: str = "model"  # who is asked next: see NEXT_MODEL_POLICIES and FIXED
    backup: str = "mean"  # Q = W / N
    max_restarts_without_news: int = 5  # rounds of new seeds without one new state, before the search ends
    seed_share: float = 0.0  # of the requests after the seeds, in [0, 1): one more seed proposal (ours); thins out
    refine_share: float = 0.0  # of the requests, in [0, 1): vary a whole good sequence instead (ours)
    selection: str = "uct"  # which child is descended to: see SELECTIONS
    widening: float = 0.0  # exponent of N in [0, 1): nodes have more than B children as they are visited; 0: never
    widening_factor: float = 1.0  # children of a node that was visited once, where that is more than B
    after_failure: str = "acting"  # who is asked where an expansion gave nothing better: see AFTER_FAILURE
    largest_share: float = 1.0  # in (0, 1]: of language models' answers, or of all where it is the only one (ours)
    proposals: int = 1  # of one answer, at most: as many as its node lacks children or seeds (ours)

    def __post_init__(self) -> None:
        _at_least("branching", self.branching, 1)
        _at_least("max_expansion_failures", self.max_expansion_failures, 1)
        _at_least("seeds", self.seeds, 0)
        _at_least("proposals", self.proposals, 1)
        _at_least("max_restarts_without_news", self.max_restarts_without_news, 0)
        if self.course_alteration_period is not None:
            _at_least("course_alteration_period", self.course_alteration_period, 1)
        if not (math.isfinite(self.exploration) and self.exploration >= 0):
            raise UsageError(f"exploration is {self.exploration}: give 0 or more; 1.41 is usual")
        if not 0 <= self.model_bias <= 1:
            raise UsageError(f"model_bias is {self.model_bias}: give a number from 0 to 1; 0.5 is usual")
        if not 0 <= self.refine_share < 1:
            raise UsageError(f"refine_share is {self.refine_share}: give a number from 0 to below 1; 0 refines nothing")
        if not 0 <= self.seed_share < 1:
            raise UsageError(f"seed_share is {self.seed_share}: give a number from 0 to below 1; 0 ends with the seeds")
        if self.after_failure not in AFTER_FAILURE:
            raise UsageError(f"after_failure is {self.after_failure!r}: give one of {', '.join(AFTER_FAILURE)}")
        if not 0 < self.largest_share <= 1:
            raise UsageError(
                f"largest_share is {self.largest_share}: give a number above 0, up to 1, which is no limit"
            )
        if self.selection not in SELECTIONS:
            raise UsageError(f"selection is {self.selection!r}: give one of {', '.join(SELECTIONS)}")
        if not 0 <= self.widening < 1:
            raise UsageError(f"widening is {self.widening}: give a number from 0 to below 1; 0 widens nothing")
        if not (math.isfinite(self.widening_factor) and self.widening_factor > 0):
            raise UsageError(f"widening_factor is {self.widening_factor}: give a number above 0; 1 is usual")
        if self.seed_models not in SEED_MODELS:
            raise UsageError(f"seed_models is {self.seed_models!r}: give one of {', '.join(SEED_MODELS)}")
        if self.backup != "mean":
            raise UsageError(f"backup is {self.backup!r}: only 'mean' exists; give that or leave it out")
        if self.next_model not in NEXT_MODEL_POLICIES and self.fixed_model is None:
            known = ", ".join(NEXT_MODEL_POLICIES)
            raise UsageError(f"next_model is {self.next_model!r}: give one of {known}, or fixed:<model name>")

    @property
    def places(self) -> Widening:
        """How many children a node may have beside B."""
        return Widening(self.widening, self.widening_factor)

    @property
    def fixed_model(self) -> str | None:
        """The name behind ``fixed:``; None under any other policy."""
        return self.next_model[len(FIXED) :] or None if self.next_model.startswith(FIXED) else None


def _at_least(name: str, value: int, least: int) -> None:
    if value < least or value != int(value):
        raise UsageError(f"{name} is {value}: give a whole number of {least} or more")


#: "paper": the values of arXiv 2602.01935. "broad": for proposals that cost next to nothing, where breadth decides
#: (ours: 6.0% against 5.7% below -Oz on four train programs at 400 builds, with proposals that look at no code).
#: "retrieval" (ours): for policies that know whole sequences. These come first, about twelve, then single actions;
#: later one request in ten asks for one more seed proposal (from the hundredth on fewer), and of the others eight in
#: ten vary the best: five train programs had 3.9% after 300 trials of `size` that way (3.3% with six in ten and
#: appended actions drawn at random; genetic search 3.0%), their own sequences left out. Seven train programs likewise,
#: `size`, one seed: single actions among the seed proposals cost six 0.03 points after 30 trials, and bring queens 4.8,
#: where one action does what no sequence does.
#: "together" (ours): the policies and language models in one tree. Whole sequences come first, from the policies, and
#: fewer variations, so that two in five later requests are answered by models. λ is as small as C: with the paper's 0.5
#: no state would be descended to that names a language model, for beside policies all of these are large
#: (docs/decisions/0035).
PRESETS: Mapping[str, ColtOptions] = {
    "paper": ColtOptions(),
    "broad": ColtOptions(branching=4, exploration=0.1, max_expansion_failures=20, seeds=26),
    "retrieval": ColtOptions(
        branching=4,
        exploration=0.1,
        max_expansion_failures=20,
        seeds=20,
        seed_models="named",
        seed_share=0.1,
        refine_share=0.8,
    ),
    "together": ColtOptions(
        branching=4,
        exploration=0.1,
        model_bias=0.1,
        max_expansion_failures=20,
        seeds=12,
        seed_models="policies",
        seed_share=0.1,
        refine_share=0.6,
        after_failure="named",
        largest_share=0.25,
        proposals=4,
    ),
}


def preset(name: str, changes: Mapping[str, Any]) -> ColtOptions:
    """One of PRESETS with some of its values changed. Raises UsageError."""
    if name not in PRESETS:
        raise UsageError(f"preset is {name!r}: give one of {', '.join(PRESETS)}")
    known = [field.name for field in fields(ColtOptions)]
    # ``idea_share`` is what older runs call it.
    changes = {"seed_share" if name == "idea_share" else name: value for name, value in changes.items()}
    for unknown in changes.keys() - set(known):
        raise UsageError(f"{unknown!r} is no option of the search: give one of {', '.join(known)}")
    return replace(PRESETS[name], **changes)
