"""The models on offer: who is the largest, who is small (arXiv 2602.01935: by parameter count), what each has done.

Prompts show what each has done, and a bad answer's fallback is chosen by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from colt_llvm.core.errors import UsageError
from colt_llvm.search.options import ColtOptions
from colt_llvm.search.protocol import Model, Proposal, Request, derived


@dataclass(frozen=True)
class ModelSet:
    """One or more models with different names, in the user's order. Raises UsageError otherwise."""

    models: tuple[Model, ...]

    @classmethod
    def of(cls, models: Sequence[Model]) -> ModelSet:
        """From any sequence."""
        return cls(tuple(models))

    def __post_init__(self) -> None:
        if not self.models:
            raise UsageError("no models: give at least one Model(name, parameters)")
        if len(set(self.names)) != len(self.models):
            raise UsageError(f"two models have one name among {', '.join(self.names)}: rename one of them")

    def __contains__(self, name: object) -> bool:
        return name in self.names

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the user's order."""
        return tuple(model.name for model in self.models)

    @property
    def least_parameters(self) -> float:
        """P_min."""
        return min(model.parameters for model in self.models)

    @property
    def greatest_parameters(self) -> float:
        """P_max."""
        return max(model.parameters for model in self.models)

    @property
    def largest(self) -> str:
        """The large model; the first named where several are equally large."""
        return max(self.models, key=lambda model: model.parameters).name

    @property
    def language_models(self) -> tuple[Model, ...]:
        """Those that are no policies."""
        return tuple(model for model in self.models if not model.policy)

    @property
    def largest_policy(self) -> str:
        """The largest model where there is none."""
        policies = [model for model in self.models if model.policy] or self.models
        return max(policies, key=lambda model: model.parameters).name

    def is_policy(self, name: str) -> bool:
        """Whether a known model is a policy."""
        return any(model.policy for model in self.models if model.name == name)

    def parameters(self, name: str) -> float:
        """P of one model. Raises UsageError for an unknown name."""
        for model in self.models:
            if model.name == name:
                return model.parameters
        raise UsageError(f"unknown model {name!r}: the models are {', '.join(self.names)}")

    def is_small(self, name: str) -> bool:
        """Whether a known model has fewer parameters than the largest. A stand-in is not a small model."""
        return name in self and self.parameters(name) < self.greatest_parameters


def first_model(models: ModelSet, options: ColtOptions) -> str:
    """The model asked first at the root: the largest, or the largest policy, or the one that is fixed.

    Raises UsageError when ``fixed:<name>`` names no model of the set.
    """
    if options.fixed_model is None:
        return models.largest_policy if options.seed_models == "policies" else models.largest
    if options.fixed_model not in models:
        known = ", ".join(models.names)
        raise UsageError(f"next_model is {options.next_model!r}, but the models are {known}: name one of them")
    return options.fixed_model


def next_model(models: ModelSet, options: ColtOptions, seed: int, request_id: int, turn: int, proposed: str) -> str:
    """The model for a new child. turn: counts the children so far. proposed: one of the models."""
    if options.fixed_model is not None:
        return options.fixed_model
    if options.next_model == "largest":
        return models.largest
    if options.next_model == "random":
        return derived(seed, "next model", request_id).choice(models.names)
    if options.next_model == "round_robin":
        return models.names[turn % len(models.names)]
    return proposed


@dataclass(slots=True)
class ModelStatistics:
    """Counts of one model. Corrections are apart from ordinary calls (arXiv 2602.01935)."""

    calls: int = 0  # ordinary proposals, good or bad; an answer may hold several
    answers: int = 0  # good or bad, corrections included
    errors: int = 0  # bad answers, those to corrections included
    hits: int = 0  # ordinary children better than their parents
    corrections: int = 0  # correction answers, good or bad
    corrections_kept: int = 0  # corrections whose child replaced the small model's

    @property
    def hit_rate(self) -> float | None:
        """Hits in ordinary proposals, from 0 to 1; None before the first."""
        return self.hits / self.calls if self.calls else None


class Statistics:
    """One :class:`ModelStatistics` for each model of the set."""

    def __init__(self, models: ModelSet) -> None:
        self._models = models
        self.by_model = {name: ModelStatistics() for name in models.names}

    def answered(self, request: Request, proposal: Proposal) -> None:
        """Count the answer. A model is charged when it answered or erred, not when another stood in unasked.

        So a random expansion after a bad answer is one call and one error of the model that was asked, and an answer
        of another known model is a call of that one.
        """
        asked = proposal.asked or request.model
        if request.given is None and request.kind != "refine" and asked in self.by_model:
            self.by_model[asked].answers += 1
        if proposal.error is not None and asked in self.by_model:
            self.by_model[asked].errors += 1
        charged = {proposal.model} if proposal.error is None else {proposal.model, asked}
        for name in charged & self.by_model.keys():
            if request.kind == "correct":
                self.by_model[name].corrections += 1
            else:
                self.by_model[name].calls += 1

    def hit(self, proposal: Proposal) -> None:
        """The child of an ordinary call is better than its parent. A stand-in's hit is nobody's."""
        if proposal.model in self.by_model:
            self.by_model[proposal.model].hits += 1

    def correction_kept(self, proposal: Proposal) -> None:
        """A correction's child replaced the small model's."""
        if proposal.model in self.by_model:
            self.by_model[proposal.model].corrections_kept += 1

    def best_model(self, acting: str) -> str:
        """The model with the best hit rate, the smaller of two equals; ``acting`` while nobody has a hit."""
        rates = {name: record.hit_rate or 0.0 for name, record in self.by_model.items()}
        best = max(rates, key=lambda name: (rates[name], -self._models.parameters(name)))
        return best if rates[best] > 0 else acting
